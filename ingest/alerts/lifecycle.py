"""The life of an alarm as two tables: what ISA-18.2 draws, and what mutes it.

The words are those of ISA-18.2 (states B, C, D, E, F of its figure) and OPC UA Part 9 (Active,
Acked, Latched, Suppressed, Shelved, OutOfService):

                    on-delay over
      (pending) ----------------------> (active)  --acknowledge--> (acknowledged)
       ^     |                           ^     |                        |
 holds |     | falls          holds, and |     | off-delay over         | off-delay over
       |     v            on-delay over  |     v                        v
      (none, or cleared)      (cleared_unacknowledged) --acknowledge--> (cleared)

A rule that latches goes another way at the end of the off-delay, and somebody has to reset it:

      (active) ----> (latched) ------acknowledge-----> (latched, acknowledged) <---- (acknowledged)
                         |                                        |
                         | reset                                  | reset
                         v                                        v
              (cleared_unacknowledged)                        (cleared)

A row that starts a delay of 0 s is followed at once by the row for its end: an alert without
on-delay begins as active. What has no row does not happen: a signal without one is no news, a
command without one is refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tocsin.ingest.alerts.alert import State, Suppression


class Phase(StrEnum):
    """Where an alert stands in the table: its state, and whether it is latched."""

    PENDING = "pending"
    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    LATCHED = "latched"
    LATCHED_ACKNOWLEDGED = "latched, acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"
    CLEARED = "cleared"

    @property
    def state(self) -> State:
        """As alerts show it: a latched alarm goes on ringing."""
        return _STATES.get(self) or State(self.value)

    @property
    def latched(self) -> bool:
        return self in _STATES


_STATES = MappingProxyType(
    {Phase.LATCHED: State.ACTIVE, Phase.LATCHED_ACKNOWLEDGED: State.ACKNOWLEDGED}
)
_LATCHED = MappingProxyType({state: phase for phase, state in _STATES.items()})


def phase_of(state: State, latched: bool) -> Phase:
    """Where an alert in this state stands."""
    return _LATCHED[state] if latched else Phase(state.value)


class Event(StrEnum):
    """What moves an alert. `holds` and `falls` are the rule's `when` and `clear` coming true."""

    HOLDS = "holds"
    FALLS = "falls"
    ON_DELAY_OVER = "on-delay over"
    OFF_DELAY_OVER = "off-delay over"
    LATCHES = "off-delay over, latching"
    RE_ALARM = "re-alarm"
    ACKNOWLEDGE = "ack"
    RESET = "reset"
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
    before: Phase | None
    event: Event
    after: Phase
    delay: Delay
    meaning: str


P, A, K = Phase.PENDING, Phase.ACTIVE, Phase.ACKNOWLEDGED
L, M = Phase.LATCHED, Phase.LATCHED_ACKNOWLEDGED
U, C = Phase.CLEARED_UNACKNOWLEDGED, Phase.CLEARED

_ROWS = (
    Transition(None, Event.HOLDS, P, Delay.START_ON, "an episode begins"),
    Transition(P, Event.FALLS, C, Delay.STOP, "it was shorter than the on-delay and never rang"),
    Transition(P, Event.ON_DELAY_OVER, A, Delay.STOP, "it rings"),
    Transition(P, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(A, Event.FALLS, A, Delay.START_OFF, "it may be over"),
    Transition(A, Event.HOLDS, A, Delay.STOP, "it was not over"),
    Transition(A, Event.OFF_DELAY_OVER, U, Delay.STOP, "over, but nobody has seen it"),
    Transition(A, Event.LATCHES, L, Delay.STOP, "over, and it rings until it is reset"),
    Transition(A, Event.RE_ALARM, A, Delay.NONE, "nobody came: it rings again"),
    Transition(A, Event.ACKNOWLEDGE, K, Delay.NONE, "somebody takes care"),
    Transition(A, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(K, Event.FALLS, K, Delay.START_OFF, "it may be over"),
    Transition(K, Event.HOLDS, K, Delay.STOP, "it was not over"),
    Transition(K, Event.OFF_DELAY_OVER, C, Delay.STOP, "over"),
    Transition(K, Event.LATCHES, M, Delay.STOP, "over, and shown until it is reset"),
    Transition(K, Event.RE_ALARM, A, Delay.NONE, "it lasts too long: it rings again"),
    Transition(K, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(L, Event.HOLDS, L, Delay.START_ON, "it may be back"),
    Transition(L, Event.FALLS, L, Delay.STOP, "it was not back"),
    Transition(L, Event.ON_DELAY_OVER, A, Delay.STOP, "the same alert rings again"),
    Transition(L, Event.ACKNOWLEDGE, M, Delay.NONE, "seen; a reset is still to come"),
    Transition(L, Event.RESET, U, Delay.NONE, "reset before it was acknowledged"),
    Transition(L, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
    Transition(M, Event.HOLDS, M, Delay.START_ON, "it may be back"),
    Transition(M, Event.FALLS, M, Delay.STOP, "it was not back"),
    Transition(M, Event.ON_DELAY_OVER, A, Delay.STOP, "the same alert rings again"),
    Transition(M, Event.RESET, C, Delay.HAND_OVER, "over; what may be back is new"),
    Transition(M, Event.RETIRE, C, Delay.STOP, "its rule is gone"),
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
"""The event at the end of a delay; that of the off-delay of a rule that latches is LATCHES."""


class Muting(StrEnum):
    """What moves the suppression of an alarm, which lies across its states."""

    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    EXPIRE = "shelve expired"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"


_N, _SHELVED, _SUPPRESSED = Suppression.NONE, Suppression.SHELVED, Suppression.SUPPRESSED
_OUT = Suppression.OUT_OF_SERVICE

MUTINGS = MappingProxyType(
    {
        (_N, Muting.SHELVE): _SHELVED,
        (_SHELVED, Muting.SHELVE): _SHELVED,  # with another end
        (_SHELVED, Muting.UNSHELVE): _N,
        (_SHELVED, Muting.EXPIRE): _N,
        (_N, Muting.SUPPRESS): _SUPPRESSED,
        (_SHELVED, Muting.SUPPRESS): _SUPPRESSED,
        (_SUPPRESSED, Muting.UNSUPPRESS): _N,
        (_N, Muting.OUT_OF_SERVICE): _OUT,
        (_SHELVED, Muting.OUT_OF_SERVICE): _OUT,
        (_SUPPRESSED, Muting.OUT_OF_SERVICE): _OUT,
        (_OUT, Muting.IN_SERVICE): _N,
    }
)

STRENGTH = MappingProxyType({_N: 0, _SHELVED: 1, _SUPPRESSED: 2, _OUT: 3})
"""Of several that mute an alarm, a person, a maintenance window, another alert, this one shows."""
