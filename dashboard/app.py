"""The web application: guards, then the API by noun, then the page."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry

from tocsin.dashboard.about import About
from tocsin.dashboard.api.alerts import Alerts
from tocsin.dashboard.api.broker import BrokerReport
from tocsin.dashboard.api.deliveries import Deliveries
from tocsin.dashboard.api.devices import Devices
from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.api.explain import Explanations
from tocsin.dashboard.api.functions import Functions
from tocsin.dashboard.api.maintenance import MaintenanceWindows
from tocsin.dashboard.api.preview import Previews
from tocsin.dashboard.api.rule_versions import RuleVersions
from tocsin.dashboard.api.rules import Rules
from tocsin.dashboard.api.session import Session
from tocsin.dashboard.api.status import Statuses
from tocsin.dashboard.api.stream import Stream
from tocsin.dashboard.api.topics import Topics
from tocsin.dashboard.api.windows import Windows
from tocsin.dashboard.api.zones import Zones
from tocsin.dashboard.changes import ChangeBoard
from tocsin.dashboard.delivery_views import view_channel
from tocsin.dashboard.guards import Guards
from tocsin.dashboard.metrics import Figures, Metrics
from tocsin.dashboard.openapi import Problem, describe
from tocsin.dashboard.page import Page
from tocsin.dashboard.settings import Settings
from tocsin.dashboard.status import Status, StatusBoard
from tocsin.dashboard.storage.users import UserStore
from tocsin.dashboard.stream.hub import Hub
from tocsin.dashboard.users.holds import LoginHolds
from tocsin.dashboard.users.logins import Logins
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.functions.ledger import NO_FUNCTIONS, FunctionsView
from tocsin.ingest.storage.group_commit import JournalUnavailable
from tocsin.ingest.workers import WorkerError

STATIC = Path(__file__).parent / "static"


def create_app(
    engine: Engine,
    settings: Settings,
    *,
    broker_report: Callable[[int], Mapping[str, Any]],
    database: Database,
    about: About,
    static: Path = STATIC,
    wake_deliveries: Callable[[], None] = lambda: None,
    functions: Callable[[], FunctionsView] = lambda: NO_FUNCTIONS,
) -> FastAPI:
    """The application, listening to a started engine from now on.

    `broker_report(n)` is the broker's report with at most n clients. Serve it with
    `HttpConnection` as uvicorn's protocol class; before that server stops, call
    `app.state.hub.close()`, which ends the streams. `static` is the built page,
    `wake_deliveries` is called when a dead delivery waits again, `functions` says how
    those of users do.
    """
    clock = engine.clock.now
    pipeline = engine.pipeline
    logins = Logins(
        UserStore(database),
        clock,
        lifetime_s=settings.session_hours * 3600,
        password_queue=settings.password_queue,
        failures_free=settings.login_failures_free,
    )
    changes = ChangeBoard(
        int(clock()),
        {
            "deliveries": lambda: [view_channel(each) for each in engine.outbox.backlogs.values()],
            "maintenance": lambda: pipeline.alerts.maintenance(),
            "functions": functions,
            # Which rules name a zone belongs to what is answered.
            "zones": lambda: (pipeline.zones.entries(), pipeline.rules.version),
        },
    )
    board = StatusBoard(engine.status, broker_report, clock, changes.look)

    def status() -> Status:
        return board.status(hub.stats().viewers, hub.latency, stopping=hub.closing)

    hub = Hub(pipeline, clock, settings, about, status, engine.settle, engine.take_in_some)
    engine.on_outcome.append(hub.on_outcome)
    engine.on_outcome.append(lambda outcome: board.sample_when_due(outcome.at))

    app = FastAPI(
        title="Tocsin",
        version=about.version,
        description="Hazard telemetry: devices, rules, alerts, and everything live.",
        docs_url=None,  # the page's own copy of Swagger UI; FastAPI's comes from another host
        redoc_url=None,
        openapi_url=None,
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    app.state.hub = hub
    refused: Counter[int] = Counter()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        Metrics(
            lambda: Figures(
                engine=engine.status(),
                stream=hub.stats(),
                latency=hub.latency,
                alert_latency=hub.alert_latency,
                open_alerts=Counter((a.severity, a.state) for a in pipeline.alerts.open()),
                channels=list(engine.outbox.backlogs.values()),
                unknown_channels_total=engine.outbox.unknown.total,
                refused_requests=refused,
                broker=broker_report(0),
                functions=functions(),
                version=about.version,
            )
        )
    )
    for router in (
        Devices(pipeline, engine.series, clock, engine.put_tags).router(),
        Windows(pipeline, engine.windows, clock).router(),
        Rules(lambda: pipeline.rules, engine.put_rule, engine.delete_rule).router(),
        RuleVersions(
            lambda name: pipeline.rules.get(name) is not None,
            engine.rule_versions,
            engine.newest_rule_versions,
        ).router(),
        Zones(
            lambda: pipeline.zones, pipeline.readers_of, engine.put_zone, engine.delete_zone
        ).router(),
        Previews(engine, clock).router(),
        Explanations(lambda: pipeline.rules, engine, pipeline.catalogue).router(),
        Alerts(
            lambda: pipeline.alerts,
            engine.command,
            engine.command_all,
            engine.past_alerts,
            engine.transitions,
            clock,
        ).router(),
        MaintenanceWindows(
            lambda: pipeline.alerts, engine.plan_maintenance, engine.cancel_maintenance, clock
        ).router(),
        Deliveries(engine.outbox, wake_deliveries, clock).router(),
        BrokerReport(broker_report).router(),
        Functions(functions).router(),
        Stream(hub, settings, LoginHolds(logins.standing, settings.login_check_s)).router(),
        Session(logins, about).router(),
        Topics(pipeline.refusals.topics).router(),
        Statuses(status, registry).router(),
    ):
        app.include_router(router)
    document = cache(lambda: describe(app))  # 30 ms that a start does not have to wait for

    async def get_document(_: Request) -> Response:
        return Json(document())

    app.add_route("/openapi.json", get_document, include_in_schema=False)
    app.router.default = Page(static)  # whatever no route takes
    app.add_exception_handler(JournalUnavailable, _not_stored)
    app.add_exception_handler(WorkerError, _not_read)
    app.add_middleware(
        Guards, settings=settings, about=about, find_user=logins.user, refused=refused
    )
    return app


async def _not_read(_: Request, error: Exception) -> Response:
    return Json(Problem(f"history cannot be read just now: {error}"), 503)


async def _not_stored(_: Request, error: Exception) -> Response:
    return Json(Problem(f"not stored: {error}"), 503)
