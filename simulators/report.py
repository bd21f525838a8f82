"""What a person sees of a running simulation: one progress line, and notes above it."""

from typing import TextIO

from tocsin.simulators.connection import Counters


class Report:
    """State: the stream it writes to and whether a progress line stands there unfinished."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._line = False

    def note(self, text: str) -> None:
        """A line of its own, above the progress line."""
        self._erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def progress(self, at: float, connected: int, devices: int, counters: Counters) -> None:
        """Redraws the progress line, on a terminal only. `at` is scenario time."""
        if not self._live:
            return
        minutes, seconds = divmod(int(at), 60)
        self._erase()
        self._stream.write(
            f"{minutes}:{seconds:02} · {connected} of {devices} devices connected · "
            f"{totals(counters)}"
        )
        self._stream.flush()
        self._line = True

    def _erase(self) -> None:
        if self._line:
            self._stream.write("\r\x1b[K")
            self._line = False


def totals(counters: Counters) -> str:
    return (
        f"{counters.sent:,} messages sent, {counters.acked:,} acked, "
        f"{counters.dropped:,} dropped, {counters.reconnects:,} reconnects"
    )
