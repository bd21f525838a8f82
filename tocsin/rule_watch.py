"""Rule files that change while the server runs: a whole valid set, or the one before it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError
from tocsin.ingest.storage.group_commit import JournalUnavailable
from tocsin.refusal import Refusal
from tocsin.rule_files import read_rules

log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""Between looks at the files. A file is read when two looks found it the same, so one that is
still being written is left alone."""

Stamp = tuple[tuple[int, int, int] | None, ...]


class RuleWatch:
    """State: what the files looked like when they were read last, and at the last look; the rules
    that are in force of them, at first `rules`; why the newest are not.

    `load` puts a whole set in force, and raises RuleError or JournalUnavailable where it cannot;
    `trouble(reason)` is told why the files are not in force, None when they are.
    """

    def __init__(
        self,
        files: Sequence[Path],
        rules: Sequence[Rule],
        load: Callable[[Sequence[Rule]], Awaitable[None]],
        trouble: Callable[[str | None], None],
    ) -> None:
        self._files = list(files)
        self._load = load
        self._trouble = trouble
        # Not what they look like now: they may have changed since `rules` were read.
        self._read: Stamp | None = None
        self._seen: Stamp | None = None
        self._rules = list(rules)
        self._reason: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._files:
            self._task = asyncio.create_task(self._watch(), name="rule files")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Read the files if they have changed, and rest."""
        now = await asyncio.to_thread(stamp, self._files)
        rests, self._seen = now == self._seen, now
        if now == self._read or not rests:
            return
        try:
            rules = await asyncio.to_thread(read_rules, self._files)
            if rules != self._rules:
                await self._load(rules)
                self._rules = rules
                log.info("rules loaded from their files", rules=len(rules))
        except Refusal as error:
            self._read = now
            self._fail(str(error))
        except (RuleError, JournalUnavailable) as error:
            # What stands against them may go by itself: the files are looked at again.
            self._fail(str(error))
        else:
            self._read = now
            if self._reason:
                self._reason = None
                self._trouble(None)

    def _fail(self, error: str) -> None:
        reason = " ".join(error.split())
        if reason != self._reason:
            self._reason = reason
            log.warning("the rule files are not in force", error=reason)
            self._trouble(reason)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:
                log.exception("looking at the rule files failed; it is tried again")


def stamp(files: Sequence[Path]) -> Stamp:
    """What tells a changed file from the same one: inode, size and time of change."""
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
