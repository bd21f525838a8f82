"""Delays that run: in due order, of those due at one time the one begun first."""

from heapq import heapify, heappop, heappush

Alarm = tuple[str, str]
"""Rule and subject: what an episode is an episode of."""

Timer = tuple[float, int, Alarm]
"""When it is due, its number in order of starting (from 1), and whose it is."""


class Timers:
    """Owns the running timers. A stopped one stays in the heap until it comes to the top.

    The top of the heap is always running, so `next_due` costs a look at it.
    """

    def __init__(self, running: list[Timer] | None = None, last: int = 0) -> None:
        self._heap = list(running or ())
        heapify(self._heap)
        self._running = {order for _, order, _ in self._heap}
        self.last = last
        """The number of the timer started last."""

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def start(self, due: float, alarm: Alarm) -> int:
        """Starts a timer and returns its number."""
        self.last += 1
        self._running.add(self.last)
        heappush(self._heap, (due, self.last, alarm))
        if len(self._heap) > 64 + 2 * len(self._running):
            self._heap = self.running()
        return self.last

    def stop(self, order: int) -> None:
        """Stops the timer of this number; 0 or one that has ended is no timer and no error."""
        self._running.discard(order)
        self._drop_stopped()

    def pop(self) -> Timer:
        """Ends the timer that is due first. Raises IndexError when none runs."""
        timer = heappop(self._heap)
        self._running.discard(timer[1])
        self._drop_stopped()
        return timer

    def running(self) -> list[Timer]:
        """In the order in which they end."""
        return sorted(timer for timer in self._heap if timer[1] in self._running)

    def _drop_stopped(self) -> None:
        while self._heap and self._heap[0][1] not in self._running:
            heappop(self._heap)
