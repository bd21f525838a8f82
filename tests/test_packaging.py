"""The wheel and the sdist: what they hold, and that they work without Node.js."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import httpx2
import pytest

from tests.server import Server

ROOT = Path(__file__).parent.parent
FOLDERS = {"broker", "dashboard", "devices", "ingest", "simulators"}


def run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def without_node() -> dict[str, str]:
    """The environment with only the folders of python and uv on PATH."""
    uv = shutil.which("uv")
    assert uv, "uv is not on PATH; scripts/test puts it there"
    return {**os.environ, "PATH": str(Path(uv).parent)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a freshly built wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder))
    return folder


def test_wheel_holds_every_folder_under_one_name(built: Path):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"tocsin", next(t for t in tops if t.endswith(".dist-info"))}
    inside = {name.split("/")[1] for name in names if name.startswith("tocsin/")}
    assert inside >= FOLDERS
    for source in [*ROOT.glob("*/*.py"), *ROOT.glob("*/*/*.py")]:
        place = source.relative_to(ROOT)
        if place.parts[0] in FOLDERS:
            assert f"tocsin/{place.as_posix()}" in names
    assert "tocsin/dashboard/static/index.html" in names
    assert "tocsin/simulators/rules/plant.toml" in names
    assert not [n for n in names if "node_modules" in n or "/web/" in n or n.endswith(".ts")]


def test_sdist_holds_the_built_page_and_the_sources(built: Path):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"hatch_build.py", "dashboard/static/index.html", "broker/__init__.py"} <= names
    assert not [n for n in names if "node_modules" in n or n.startswith("tocsin/broker")]


def test_wheel_made_from_the_sdist_without_node_serves_the_page(built: Path, tmp_path: Path):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.glob("tocsin-*")
    run(
        sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path),
        cwd=source, env=without_node(),
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")

    venv = tmp_path / "venv"
    env = {**without_node(), "VIRTUAL_ENV": str(venv)}
    run("uv", "venv", "-q", "--python", sys.executable, str(venv), env=env)
    lock = str(ROOT / "requirements.lock")
    run("uv", "pip", "install", "-q", "--require-hashes", "-r", lock, env=env)
    run("uv", "pip", "install", "-q", "--no-deps", str(wheel), env=env)
    server = Server(tmp_path / "data", python=venv / "bin" / "python", env=env).start()
    try:
        page = httpx2.get(server.http + "/")
        assert page.status_code == 200
        [script] = re.findall(r'src="([^"]+\.js)"', page.text)
        assert httpx2.get(f"{server.http}/{script.lstrip('./')}").status_code == 200
    finally:
        server.kill()


def test_the_places_that_list_the_root_folders_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    ignored = {
        line.removeprefix("/tocsin/")
        for line in (ROOT / ".gitignore").read_text().splitlines()
        if line.startswith("/tocsin/")
    }
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(wheel["only-include"]) == FOLDERS | {"tocsin"}
    assert set(wheel["sources"]) == FOLDERS
    assert ignored == FOLDERS
    assert set(project["tool"]["coverage"]["run"]["source"]) == FOLDERS | {"tocsin"}
    assert set(project["tool"]["pyright"]["include"]) >= {f"tocsin/{f}" for f in FOLDERS}
    assert set(banned) == FOLDERS


def test_no_tracked_file_names_a_registry_host():
    hosts = "|".join(["py" + r"pi\.org", "python" + "hosted", r"registry\." + "npmjs"])
    done = subprocess.run(
        ["git", "grep", "-nE", hosts], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout == ""
