"""Facts: what happened besides messages, journalled in one order with them.

Everything the pipeline's state depends on is a `Message` or one of these, so a
replay of the journal rebuilds that state through the code that built it.
"""

from typing import Literal

import msgspec

from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.message import Message
from tocsin.devices.profile import ProfileTable
from tocsin.devices.tags import TagTable
from tocsin.ingest.alerts.maintenance import Maintenance
from tocsin.ingest.geo.zone import Zone
from tocsin.ingest.rules.rule import Rule

Action = Literal[
    "ack",
    "reset",
    "shelve",
    "unshelve",
    "suppress",
    "unsuppress",
    "out_of_service",
    "in_service",
    "comment",
]
"""What a person may do to an alert."""


class Started(msgspec.Struct, frozen=True, array_like=True, tag="start"):
    """The server started. `last_at` is the journal's newest time before, None at the very first."""

    version: str
    last_at: float | None


class Outage(msgspec.Struct, frozen=True, array_like=True, tag="out"):
    """The server took in nothing from one engine time to another: it was stopped or stalled, and
    no device was silent meanwhile. The first record of its batch."""

    since: float
    until: float


class DevicesExpected(msgspec.Struct, frozen=True, array_like=True, tag="expect"):
    """The devices that must be there, also before their first message; of the settings."""

    devices: list[str]


class Connected(msgspec.Struct, frozen=True, array_like=True, tag="on"):
    """A client's CONNECT was accepted. `address` is its peer as host:port."""

    client: str
    username: str | None
    address: str


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag="off"):
    """A client's connection ended, and why (`clean`, `keepalive`, `reset`, `taken over`, …)."""

    client: str
    reason: str


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """The broker did not take a message in. `message` has the beginning of its payload."""

    message: Message
    reason: str


class RulePut(msgspec.Struct, frozen=True, array_like=True, tag="rule"):
    """A rule was created or replaced by name, through the page or the API."""

    rule: Rule
    by: str


class RuleDeleted(msgspec.Struct, frozen=True, array_like=True, tag="norule"):
    name: str
    by: str


class RuleFileLoaded(msgspec.Struct, frozen=True, array_like=True, tag="rules"):
    """The whole set of rules from files; it replaces the set loaded from files before.

    `file` is what a person knows their source by.
    """

    rules: list[Rule]
    file: str = "rules.toml"


class TagsConfigured(msgspec.Struct, frozen=True, array_like=True, tag="tags"):
    """The tables of tags in the settings, in place of those before."""

    tables: list[TagTable]


class ProfilesConfigured(msgspec.Struct, frozen=True, array_like=True, tag="limits"):
    """The limits and fields of the profiles in the settings, in place of those before."""

    tables: list[ProfileTable]


class TagsPut(msgspec.Struct, frozen=True, array_like=True, tag="tag"):
    """A person gave a device these tags, in place of those that people gave it before. `anew`: the
    server lost its state, and knows the device again by this."""

    device: str
    tags: dict[str, str]
    by: str
    anew: bool = False


class ZonePut(msgspec.Struct, frozen=True, array_like=True, tag="zone"):
    """A zone was created or replaced by name, through the API."""

    zone: Zone
    by: str


class ZoneDeleted(msgspec.Struct, frozen=True, array_like=True, tag="nozone"):
    name: str
    by: str


class ZoneFileLoaded(msgspec.Struct, frozen=True, array_like=True, tag="zones"):
    """The whole set of zones from files; it replaces the set loaded from files before.

    `file` is what a person knows their source by.
    """

    zones: list[Zone]
    file: str


class AlertCommand(msgspec.Struct, frozen=True, array_like=True, tag="cmd"):
    """A person did something to an alert. `until` is engine time, for `shelve` only."""

    alert: str
    action: Action
    by: str
    note: str = ""
    until: float | None = None


class AlertsCommand(msgspec.Struct, frozen=True, array_like=True, tag="cmds"):
    """A person did one thing to many alerts, with one note: as if to each of them in turn.

    `until` is engine time, for `shelve` only. Those to which it cannot be done stay as they are.
    """

    alerts: list[str]
    action: Action
    by: str
    note: str = ""
    until: float | None = None


class AlertsMarked(msgspec.Struct, frozen=True, array_like=True, tag="durable"):
    """Alerts were told ahead of the disk (`durable` false), or are on it after all."""

    alerts: list[str]
    durable: bool


class MaintenancePlanned(msgspec.Struct, frozen=True, array_like=True, tag="plan"):
    """A person planned a maintenance window."""

    plan: Maintenance


class MaintenanceCancelled(msgspec.Struct, frozen=True, array_like=True, tag="noplan"):
    """A person ended a maintenance window before its time."""

    id: str
    by: str


class ChannelTurned(msgspec.Struct, frozen=True, array_like=True, tag="chan"):
    """A channel cannot tell anybody of alerts, for a reason, or (None) it can again."""

    channel: str
    reason: str | None


class DerivedRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a function made of a message of a device: metrics at the message's event time."""

    device: str
    time: float
    values: dict[str, float | bool | str]


class Derived(msgspec.Struct, frozen=True, array_like=True, tag="fn"):
    """What a user's function returned. A replay takes it from here and does not run it again."""

    function: str
    rows: list[DerivedRow]


Fact = (
    Started
    | Connected
    | Disconnected
    | Refused
    | RulePut
    | RuleDeleted
    | RuleFileLoaded
    | AlertCommand
    | AlertsCommand
    | AlertsMarked
    | MaintenancePlanned
    | MaintenanceCancelled
    | ChannelTurned
    | Outage
    | DevicesExpected
    | ZonePut
    | ZoneDeleted
    | ZoneFileLoaded
    | Derived
    | TagsConfigured
    | ProfilesConfigured
    | TagsPut
)
Record = Message | Fact | BrokerFact
