"""Which devices' counters viewers have not been told yet."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue


class DeviceRefresh:
    """Owns, per device, when viewers were last told of it and how much it had sent by then.

    Every message of a device is counted, refused or not, so that count tells whether there is
    news, over all devices at once.
    """

    def __init__(self, catalogue: Catalogue, interval_s: float) -> None:
        self._catalogue = catalogue
        self._interval_s = interval_s
        self._told_at: NDArray[np.float64] = np.zeros(0)
        self._told: NDArray[np.int64] = np.zeros(0, np.int64)
        self.pending = False
        """Whether some device had news at the last `due` that was not due then."""

    def due(self, now: float, most: int) -> list[str]:
        """At most `most` devices with news, last told `interval_s` ago or before; oldest first."""
        news = np.flatnonzero(self._counts() != self._told)
        due = news[self._told_at[news] <= now - self._interval_s]
        due = due[np.argsort(self._told_at[due], kind="stable")[:most]]
        self.pending = len(due) < len(news)
        return [self._catalogue.devices[device] for device in due.tolist()]

    def told(self, names: list[str], now: float) -> None:
        """Viewers have just been told of these devices."""
        counts = self._counts()
        ids = [self._catalogue.device_id(name) for name in names]
        places = np.array([device for device in ids if device is not None], np.int64)
        self._told_at[places] = now
        self._told[places] = counts[places]

    def _counts(self) -> NDArray[np.int64]:
        now = len(self._catalogue.devices)
        more = now - len(self._told)
        if more > 0:
            self._told = np.append(self._told, np.zeros(more, np.int64))
            self._told_at = np.append(self._told_at, np.zeros(more))
        return self._catalogue.messages.values[:now]
