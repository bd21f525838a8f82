"""The scenario `plant`: boilers, pumps, gas detectors and cold rooms, and what goes wrong there."""

from tocsin.simulators.plant.scenario import Plant, Sample

__all__ = ["Plant", "Sample"]
