"""Which devices' readings a viewer looks at."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue


class View:
    """A set of devices, or all of them (None). Viewers with equal views share one View.

    Owns a mask over the series, extended as series appear. `devices` may name some that do
    not exist yet.
    """

    def __init__(self, devices: frozenset[str] | None) -> None:
        self.devices = devices
        self._wanted = np.zeros(0, np.bool_)

    def wanted(self, catalogue: Catalogue) -> NDArray[np.bool_]:
        """True for the series of these devices, indexed by series."""
        known, now = len(self._wanted), catalogue.series_count
        if known < now:
            owners = catalogue.device.values[known:now].tolist()
            devices = self.devices
            new = [devices is None or catalogue.devices[owner] in devices for owner in owners]
            self._wanted = np.append(self._wanted, np.array(new, np.bool_))
        return self._wanted
