"""…/api/alerts: what rings and rang, and what people do about it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, problem, read_body, unprocessable, user_of
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.views import AlertView, TransitionView, view_alert, view_transition
from tocsin.devices.timestamps import parse_timestamp
from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.facts import Action, AlertCommand, AlertsCommand
from tocsin.ingest.storage.state import Transition

MOST_LISTED = 10_000
"""Alerts of one answer: as many as are stored of those that are over."""

MOST_AT_ONCE = 2_500
"""Alerts that one request may do something to: their ids fit into the largest body."""

Command = Callable[[AlertCommand], Awaitable[Alert]]
CommandAll = Callable[[AlertsCommand], Awaitable[list[Alert]]]
Past = Callable[..., Awaitable[list[Alert]]]
Transitions = Callable[[str], Awaitable[list[Transition]]]


class CommandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and for `shelve` until when (RFC 3339, or seconds since the epoch)."""

    note: str | None = None
    until: str | float | None = None


class CommandAllBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts, by id (1 to 2,500), and one note for all of them; `until` as for one."""

    alerts: list[str]
    note: str | None = None
    until: str | float | None = None


class CommandAllView(msgspec.Struct, frozen=True):
    """The alerts that it was done to, as they are now, and the ids of those it could not be."""

    changed: list[AlertView]
    unchanged: list[str]


class Alerts:
    """`alerts` gives the book; `command` and `command_all` are done when they are on disk, and give
    the alerts then. `past` gives stored alerts that match, and `transitions` what one went through.
    """

    def __init__(
        self,
        alerts: Callable[[], AlertBook],
        command: Command,
        command_all: CommandAll,
        past: Past,
        transitions: Transitions,
        clock: Callable[[], float],
    ) -> None:
        self._alerts = alerts
        self._command = command
        self._command_all = command_all
        self._past = past
        self._transitions = transitions
        self._clock = clock

    async def list_alerts(
        self,
        state: State | None = None,
        subject: str | None = None,
        rule: str | None = None,
        limit: Annotated[int | None, Query(ge=1, le=MOST_LISTED)] = None,
    ) -> Response:
        """Open alerts and the newest of those that are over. With `limit`, so many of all that are
        stored, the newest episode first.
        """

        def matches(alert: Alert) -> bool:
            return (
                (state is None or alert.state == state)
                and (subject is None or alert.subject == subject)
                and (rule is None or alert.rule == rule)
            )

        stored: dict[str, Alert] = {}
        if limit is not None:
            states = [] if state is None else [state]
            past = await self._past(states=states, subject=subject, rule=rule, limit=limit)
            stored = {alert.id: alert for alert in past}
        book = self._alerts()
        known = {alert.id: alert for alert in [*book.open(), *book.recent()]}
        # What is in memory is newer than what is stored of it.
        found = [alert for alert in (known | stored | known).values() if matches(alert)]
        if limit is not None:
            found = sorted(found, key=lambda alert: -alert.began_at)[:limit]
        return Json([view_alert(alert) for alert in found])

    async def get_alert(self, alert_id: str) -> Response:
        alert = self._alerts().get(alert_id)
        if alert is None and (through := await self._transitions(alert_id)):
            alert = through[-1].alert
        if alert is None:
            raise _unknown(alert_id)
        return Json(view_alert(alert))

    async def list_transitions(self, alert_id: str) -> Response:
        """Everything an alert went through, oldest first: who, when, why, and what was seen."""
        found = await self._transitions(alert_id)
        if not found:
            raise _unknown(alert_id)
        return Json([view_transition(each.alert, each.at) for each in found])

    async def command_alert(self, alert_id: str, action: Action, request: Request) -> Response:
        """Acknowledge, reset, shelve, suppress, take out of service or comment; who did it comes
        from the login."""
        body = await read_body(request, CommandBody, empty=b"{}")
        command = AlertCommand(
            alert_id, action, user_of(request), body.note or "", self._until(action, body.until)
        )
        try:
            alert = await self._command(command)
        except KeyError:
            raise _unknown(alert_id) from None
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        return Json(view_alert(alert))

    async def command_alerts(self, action: Action, request: Request) -> Response:
        """Do the same to many alerts, with one note: a storm is acknowledged at once. Alerts that
        have moved on meanwhile stay as they are, and are named; 409 if that is all of them."""
        body = await read_body(request, CommandAllBody)
        if not 1 <= len(body.alerts) <= MOST_AT_ONCE:
            raise unprocessable(
                problem(
                    ["body", "alerts"],
                    f"has {len(body.alerts)} ids; expected 1 to {MOST_AT_ONCE}",
                )
            )
        until = self._until(action, body.until)
        command = AlertsCommand(body.alerts, action, user_of(request), body.note or "", until)
        try:
            changed = await self._command_all(command)
        except ValueError as error:
            raise HTTPException(409, str(error)) from None
        done = {alert.id for alert in changed}
        unchanged = [each for each in dict.fromkeys(body.alerts) if each not in done]
        return Json(CommandAllView([view_alert(alert) for alert in changed], unchanged))

    def _until(self, action: Action, until: str | float | None) -> float | None:
        if until is None:
            return None
        if action != "shelve":
            raise _wrong_until(f"{until!r} is not for {action!r}; expected it with 'shelve' only")
        try:
            at = parse_timestamp(until)
        except ValueError as error:
            raise _wrong_until(str(error)) from None
        if at <= self._clock():
            raise _wrong_until(f"{until!r} is over; expected a time to come")
        return at

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/alerts", tags=["alerts"], default_response_class=Response)
        router.get("", responses=answers(list[AlertView], 422))(self.list_alerts)
        router.get("/{alert_id}", responses=answers(AlertView, 404))(self.get_alert)
        router.get("/{alert_id}/transitions", responses=answers(list[TransitionView], 404))(
            self.list_transitions
        )
        router.post(
            "/{action}",
            responses=answers(CommandAllView, 409, 422, 503),
            openapi_extra=takes(CommandAllBody),
        )(self.command_alerts)
        router.post(
            "/{alert_id}/{action}",
            responses=answers(AlertView, 404, 409, 422, 503),
            openapi_extra=takes(CommandBody, required=False),
        )(self.command_alert)
        return router


def _wrong_until(message: str) -> HTTPException:
    return unprocessable(problem(["body", "until"], message))


def _unknown(alert_id: str) -> HTTPException:
    return HTTPException(404, f"alert {alert_id[:200]!r} is not known")
