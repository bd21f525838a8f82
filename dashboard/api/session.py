"""/api/login, /api/logout, /api/me: who is looking."""

import math

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.about import About
from tocsin.dashboard.api.exchange import Json, read_body
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.users.logins import COOKIE, LoginRefused, Logins
from tocsin.dashboard.users.passwords import TooManyLogins
from tocsin.dashboard.views import Mqtt


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's name and password."""

    name: str
    password: str


class Me(msgspec.Struct, frozen=True):
    """Who asks (null: nobody that is known, so `login_required`), and what answers."""

    name: str | None
    login_required: bool
    demo: bool
    version: str
    mqtt: Mqtt


class Session:
    def __init__(self, logins: Logins, about: About) -> None:
        self._logins = logins
        self._about = about

    async def login(self, request: Request) -> Response:
        """Sets the session cookie."""
        credentials = await read_body(request, Credentials)
        address = request.client.host if request.client else ""
        try:
            token = await self._logins.login(credentials.name, credentials.password, address)
        except TooManyLogins as error:
            raise HTTPException(503, str(error)) from None
        if isinstance(token, LoginRefused):
            if token.wait_s:
                wait_s = math.ceil(token.wait_s)
                raise HTTPException(
                    429,
                    f"{token.reason}; try again in {wait_s} s",
                    headers={"retry-after": str(wait_s)},
                )
            raise HTTPException(401, token.reason)
        response = Json(self._me(credentials.name))
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(self._logins.lifetime_s),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def logout(self, request: Request) -> Response:
        """Ends the login behind the session cookie."""
        if request.state.token:
            await self._logins.logout(request.state.token)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def who_am_i(self, request: Request) -> Response:
        return Json(self._me(request.state.user))

    def _me(self, name: str | None) -> Me:
        about = self._about
        return Me(
            name, name is None, about.demo, about.version, Mqtt(about.mqtt_host, about.mqtt_port)
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api", tags=["session"], default_response_class=Response)
        router.post(
            "/login", responses=answers(Me, 422, 429, 503), openapi_extra=takes(Credentials)
        )(self.login)
        router.post("/logout", status_code=204, responses=answers(None, status=204))(self.logout)
        router.get("/me", responses=answers(Me))(self.who_am_i)
        return router
