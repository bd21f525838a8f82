"""Devices that are not there: scenarios with ground truth. Knows only the wire."""

from tocsin.simulators.default_rules import rules_file
from tocsin.simulators.simulation import SCENARIOS, run

__all__ = ["SCENARIOS", "rules_file", "run"]
