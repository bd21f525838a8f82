"""What a start begins with: the newest snapshot there is of this version, or what state.db has."""

import structlog

from tocsin.ingest import snapshot as snapshots
from tocsin.ingest.alerts.alert import Alert, Cause, State
from tocsin.ingest.alerts.episode import changed
from tocsin.ingest.alerts.lifecycle import Event
from tocsin.ingest.companion import Companion
from tocsin.ingest.facts import Fact, RulePut, TagsPut, ZonePut
from tocsin.ingest.geo import zone_set
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule_set import API
from tocsin.ingest.storage.snapshots import Snapshot, Snapshots
from tocsin.ingest.storage.state import StateStore

log = structlog.get_logger(__name__)

OPEN = tuple(state for state in State if state is not State.CLEARED)


def restore(kept: Snapshots, pipeline: Pipeline, companion: Companion) -> Snapshot | None:
    """Bring both to the newest snapshot that the pipeline can read, which is returned.

    None: it is empty. The companion may know more or less: it is told every record behind that
    snapshot and takes those it has not in it.
    """
    known = False
    for snapshot in kept.whole():
        own, others = snapshots.split(snapshot.content)
        try:
            companion.restore(others)
            known = True
        except ValueError as error:
            companion.restore(b"")
            log.error("sessions and retained messages begin anew", error=str(error))
        try:
            pipeline.restore(own)
        except ValueError as error:
            log.warning("a snapshot of another version", at=snapshot.position, error=str(error))
        else:
            break
    else:
        snapshot = None
        if not known:
            companion.restore(b"")
    for problem in kept.skipped:
        log.error("a snapshot is damaged", problem=problem)
    return snapshot


async def made_by_people(state: StateStore) -> list[Fact]:
    """Zones, rules and tags of people, as facts: those of files come with their files."""
    zones = [z for z in await state.zones() if z.source == zone_set.API]
    rules = [r for r in await state.rules() if r.source == API]
    return [
        *(ZonePut(entry.zone, entry.updated_by) for entry in zones),
        *(RulePut(entry.rule, entry.updated_by) for entry in rules),
        *(
            TagsPut(device, tags, "tocsin", anew=True)
            for device, tags in (await state.tags()).items()
        ),
    ]


async def end_forgotten(state: StateStore, at: float) -> int:
    """End all alerts that state.db has open, and say why; how many there were.

    A hazard that lasts rings again with its next reading, as an alert of its own.
    """
    note = "The server lost its state: this alert may have ended, or goes on as another one."
    cause = Cause(at, "tocsin", Event.RETIRE, note)
    ended: list[Alert] = []
    for alert in await state.alerts(states=OPEN, limit=-1):
        over = at if alert.cleared_at is None else alert.cleared_at
        ended.append(changed(alert, cause, state=State.CLEARED, active=False, cleared_at=over))
    await state.record(ended, at)
    return len(ended)
