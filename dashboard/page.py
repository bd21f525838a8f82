"""The built page and its assets."""

from os import stat_result
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

INDEX = "index.html"
HASHED = "assets"
"""The folder of files whose name changes with their content."""

VIEWS = ("", "devices", "alerts", "rules", "zones")
"""First levels of the page's addresses; what follows names a device, an alert, a rule or a zone."""

LONE_VIEWS = ("functions", "topics", "connect")
"""Views with nothing below."""

NEVER_PAGES = ("api", HASHED, "swagger")
"""First levels where a browser too is told in a line that something is missing."""

ALIASES = {"docs": "swagger/index.html"}

NOT_BUILT = """The dashboard page is not built.

In a source tree, build it with:  scripts/install
The API works without it: see /openapi.json and /healthz.
"""


class Page(StaticFiles):
    """The files under `folder`. Addresses of the page, such as /devices/x, get its index; all
    others get it with a 404, and it says that they are none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """Nothing: the folder may be built while we run."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(ALIASES.get(path, path), scope)
        except HTTPException as error:
            if error.status_code != 404 or path.split("/")[0] in NEVER_PAGES:
                raise
            if path != "." and not _wants_page(scope):
                raise
        if not (self._folder / INDEX).is_file():
            return PlainTextResponse(NOT_BUILT, 503, {"cache-control": "no-store"})
        response = await super().get_response(INDEX, scope)
        if not _is_view(path):
            response.status_code = 404
        return response

    def file_response(
        self, full_path: PathLike, stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        hashed = Path(full_path).parent == self._folder.resolve() / HASHED
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if hashed else "no-cache"
        )
        return response


def _is_view(path: str) -> bool:
    first = path.removeprefix(".").strip("/").split("/")[0]
    return first in VIEWS or path.strip("/") in LONE_VIEWS


def _wants_page(scope: Scope) -> bool:
    """Whether a browser goes to this address, or somebody asks who takes anything."""
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"*/*")
    return accept == b"*/*" or b"text/html" in accept
