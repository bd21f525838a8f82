"""How often each device reports."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.growing import Growing
from tocsin.ingest.settings import Settings

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_LONGER, _SHORTER = 0.5, 0.1  # weight of a gap longer, or shorter, than the interval learned
_LONGEST_JUMP = 4.0  # intervals: a gap beyond is an outage more likely than a new habit


class Intervals:
    """State by device: `heard`, from which deadlines count, `expected`, the seconds until the next
    report, and what that was learned from: the last report that was a sample, the mean gap, how
    many gaps were seen.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self.heard = Growing[np.float64](np.float64, np.nan)
        self.expected = Growing[np.float64](np.float64, settings.default_interval_s)
        self._sampled = Growing[np.float64](np.float64, np.nan)  # the gap is measured from here
        self._mean = Growing[np.float64](np.float64, settings.default_interval_s)
        self._gaps = Growing[np.int8](np.int8, 0)  # seen, at most 2
        self._learns = Growing[np.bool_](np.bool_, False)  # the profile does not say
        stated = (profile.expected_interval_s for profile in settings.profiles)
        self.shortest_s = min(
            settings.default_interval_s,
            settings.min_interval_s,
            *(interval_s for interval_s in stated if interval_s is not None),
        )

    def reach(self, device: int) -> None:
        """Know a device: its profile says how often it should report, or what was learned."""
        for column in (*self.columns().values(), self.expected, self._learns):
            column.reach(device + 1)
        expected_s = self._catalogue.profiles[device].expected_interval_s
        self._learns.values[device] = expected_s is None
        if expected_s is None:
            expected_s = self._settings.default_interval_s
            if self._gaps.values[device] >= 2:
                mean = self._mean.values.item(device)
                expected_s = max(mean, self._settings.min_interval_s)
        self.expected.values[device] = expected_s

    def learn(self, devices: Ids, at: Floats) -> None:
        """Devices, each once, reported: the mean follows longer gaps faster than shorter ones.

        Messages closer than `min_interval_s` are one report, so a device that publishes its
        metrics one by one every minute counts as one that reports every minute.
        """
        sampled = self._sampled.values[devices]
        gap = at - sampled
        counts = gap >= self._settings.min_interval_s
        starts = counts | np.isnan(sampled)
        self._sampled.values[devices[starts]] = at[starts]
        if not counts.any():
            return
        device, gap = devices[counts], gap[counts]
        seen, mean = self._gaps.values[device], self._mean.values[device]
        floor = np.maximum(mean, self._settings.default_interval_s)
        gap = np.where(
            seen == 0, gap, np.minimum(gap, _LONGEST_JUMP * np.where(seen == 1, floor, mean))
        )
        weight = np.where((seen == 1) | (gap > mean), _LONGER, _SHORTER)
        mean = np.where(seen == 0, gap, mean + weight * (gap - mean))
        self._mean.values[device] = mean
        self._gaps.values[device] = np.minimum(seen + 1, 2)
        learned = (seen >= 1) & self._learns.values[device]
        self.expected.values[device[learned]] = np.maximum(
            mean[learned], self._settings.min_interval_s
        )

    def pause(self) -> None:
        """The gap until the next report of any device says nothing of the device."""
        self._sampled.values[:] = np.nan

    def columns(self) -> dict[str, Growing[Any]]:
        """What a snapshot keeps."""
        return {
            "heard": self.heard,
            "sampled": self._sampled,
            "interval": self._mean,
            "gaps": self._gaps,
        }
