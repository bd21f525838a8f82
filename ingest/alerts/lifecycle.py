"""The life of an alarm as two tables: what ISA-18.2 draws, and what mutes it.

The words are those of ISA-18.2 (states B, C, D of its figure) and OPC UA Part 9 (Active, Acked,
Suppressed, Shelved, OutOfService):

                    on-delay over
      (pending) ----------------------> (active)  --acknowledge--> (acknowledged)
       ^     |                           ^     |                        |
 holds |     | falls          holds, and |     | off-delay over         | off-delay over
       |     v            on-delay over  |     v                        v
      (none, or cleared)      (cleared_unacknowledged) --acknowledge--> (cleared)

A row that starts a delay of 0 s is followed at once by the row for its end: an alert without
on-delay begins as active. What has no row does not happen: a signal without one is no news, a
command without one is refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tocsin.ingest.alerts.alert import State, Suppression


class Event(StrEnum):
    """What moves an alert. `holds` and `falls` are the rule's `when` and `clear` coming true."""

    HOLDS = "holds"
    FALLS = "falls"
    ON_DELAY_OVER = "on-delay over"
    OFF_DELAY_OVER = "off-delay over"
    ACKNOWLEDGE = "ack"
    RETIRE = "retire"


class Delay(StrEnum):
    """What a transition does to the alert's delay. Starting one that runs leaves it running."""

    NONE = "none"
    START_ON = "start on-delay"
    START_OFF = "start off-delay"
    STOP = "stop"
    HAND_OVER = "hand over"  # one that runs goes to a new episode, which is pending


@dataclass(frozen=True, slots=True)
class Transition:
    before: State | None
    event: Event
    after: State
    delay: Delay
    meaning: str


P, A, K = State.PENDING, State.ACTIVE, State.ACKNOWLEDGED
U, C = State.CLEARED_UNACKNOWLEDGED, State.CLEARED

_ROWS = (
    Transition(None, Event.HOLDS, P, Delay.START_ON, "an episode begins"),
    Transition(P, Event.FALLS, C, Delay.STOP, "it was shorter than the on-delay and never rang"),
    Transition(P, Event.ON_DELAY_OVER, A, Delay.STOP, "it rings"),
    Transition(P, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(A, Event.FALLS, A, Delay.START_OFF, "it may be over"),
    Transition(A, Event.HOLDS, A, Delay.STOP, "it was not over"),
    Transition(A, Event.OFF_DELAY_OVER, U, Delay.STOP, "over, but nobody has seen it"),
    Transition(A, Event.ACKNOWLEDGE, K, Delay.NONE, "somebody takes care"),
    Transition(A, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(K, Event.FALLS, K, Delay.START_OFF, "it may be over"),
    Transition(K, Event.HOLDS, K, Delay.STOP, "it was not over"),
    Transition(K, Event.OFF_DELAY_OVER, C, Delay.STOP, "over"),
    Transition(K, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(U, Event.HOLDS, U, Delay.START_ON, "it may be back"),
    Transition(U, Event.FALLS, U, Delay.STOP, "it was not back"),
    Transition(U, Event.ON_DELAY_OVER, A, Delay.STOP, "the same alert rings again"),
    Transition(U, Event.ACKNOWLEDGE, C, Delay.HAND_OVER, "seen, and over; what may be back is new"),
    Transition(U, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
)
TRANSITIONS = MappingProxyType({(row.before, row.event): row for row in _ROWS})

DELAY_OVER = MappingProxyType(
    {Delay.START_ON: Event.ON_DELAY_OVER, Delay.START_OFF: Event.OFF_DELAY_OVER}
)
"""The event at the end of a delay."""


class Muting(StrEnum):
    """What moves the suppression of an alarm, which lies across its states."""

    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    EXPIRE = "shelve expired"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"


_N, _SHELVED, _SUPPRESSED = Suppression.NONE, Suppression.SHELVED, Suppression.SUPPRESSED

MUTINGS = MappingProxyType(
    {
        (_N, Muting.SHELVE): _SHELVED,
        (_SHELVED, Muting.SHELVE): _SHELVED,  # with another end
        (_SHELVED, Muting.UNSHELVE): _N,
        (_SHELVED, Muting.EXPIRE): _N,
        (_N, Muting.SUPPRESS): _SUPPRESSED,
        (_SHELVED, Muting.SUPPRESS): _SUPPRESSED,
        (_SUPPRESSED, Muting.UNSUPPRESS): _N,
    }
)
