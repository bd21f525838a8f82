"""The rules that come with a scenario."""

from importlib.resources import files
from pathlib import Path


def rules_file(scenario: str) -> Path:
    """The TOML file of `[[rule]]` tables that ring on the scenario's hazards alone."""
    return Path(str(files("tocsin.simulators").joinpath("rules", f"{scenario}.toml")))
