"""What functions print and log, line by line, and never more than a little of it."""

import io
from collections.abc import Callable

from tocsin.ingest.functions.protocol import LINE_CHARACTERS

KEPT = 100
"""Lines kept until they are taken; the rest is counted."""


class Lines(io.TextIOBase):
    """A text stream that keeps the beginning of each line. State: the finished lines, the
    unfinished one, how many lines were not kept. `on_line` is called when a line was finished.
    """

    def __init__(self) -> None:
        self.on_line: Callable[[], None] | None = None
        self._lines: list[str] = []
        self._rest = ""
        self._dropped = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if len(self._lines) >= KEPT and self.on_line:
            self.on_line()
        if len(self._lines) >= KEPT:
            self._dropped += text.count("\n")
            return len(text)
        begin = 0
        while (end := text.find("\n", begin)) >= 0:
            if len(self._lines) >= KEPT:
                self._dropped += text.count("\n", begin)
                self._rest = ""
                return len(text)
            self._finish(text[begin : min(end, begin + LINE_CHARACTERS)])
            begin = end + 1
        room = LINE_CHARACTERS - len(self._rest)
        self._rest += text[begin : begin + room]
        return len(text)

    def take(self) -> tuple[list[str], int]:
        """The lines since they were last taken, the unfinished one too, and how many were not
        kept."""
        if self._rest:
            self._lines.append(self._rest.rstrip())
            self._rest = ""
        taken = self._lines, self._dropped
        self._lines, self._dropped = [], 0
        return taken

    def _finish(self, end: str) -> None:
        line, self._rest = (self._rest + end)[:LINE_CHARACTERS].rstrip(), ""
        if line:
            self._lines.append(line)
            if self.on_line:
                self.on_line()
