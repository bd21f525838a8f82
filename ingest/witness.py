"""What rules see of devices and of groups: the evidence of their alerts."""

from collections.abc import Callable
from math import isfinite
from typing import TypeAlias

from tocsin.devices.formats.row import Value
from tocsin.ingest.alerts.alert import Alert, Evidence
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.faults import Faults
from tocsin.ingest.geo.whereabouts import Whereabouts
from tocsin.ingest.rules.group import RuleForm
from tocsin.ingest.rules.message import TAG_PLACE
from tocsin.ingest.rules_in_force import RulesInForce
from tocsin.ingest.sight import DeviceSight, SilentSight
from tocsin.ingest.turn import GROUP
from tocsin.ingest.windows.shared import SharedWindows

SilenceOf: TypeAlias = Callable[[int, float], tuple[float, float | None]]
"""Of a device at engine time: for how long nothing came, and, if nothing ever did, for how long it
was expected."""


class Witness:
    """Says what a rule sees. It owns nothing, and changes nothing."""

    def __init__(
        self,
        catalogue: Catalogue,
        windows: SharedWindows,
        whereabouts: Whereabouts,
        rules: RulesInForce,
        faults: Faults,
    ) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self._whereabouts = whereabouts
        self._rules = rules
        self._faults = faults

    def silent(self, device: int, silent_s: float, waited_s: float | None) -> SilentSight:
        """A device from which nothing came for `silent_s`; see there."""
        return SilentSight(
            self._catalogue, self._windows, self._whereabouts, device, silent_s, waited_s
        )

    def shown(
        self, form: RuleForm, device: int, sight: DeviceSight
    ) -> tuple[dict[str, Value], Evidence]:
        """The values that a rule's message can show of a device, and what it sees there."""
        catalogue = self._catalogue
        known, tags = catalogue.series_of(device), catalogue.tags.of(device)
        shown: dict[str, Value] = {}
        readings: dict[str, tuple[Value, float]] = {}
        for name in form.checked.shown:
            if name in known and isfinite(catalogue.newest_time.values.item(known[name])):
                at, value = catalogue.newest(known[name])
                readings[name] = (value, at)
                shown[name] = value
            elif name.startswith(TAG_PLACE) and (tag := tags.get(name.removeprefix(TAG_PLACE))):
                shown[name] = tag
        return shown, Evidence(readings, form.evidence(sight))

    def evidence(self, alert: Alert, at: float, silence_of: SilenceOf) -> Evidence | None:
        """What the rule of an alert sees at engine time `at`, with ages as they are then; None
        where it is not in force, as Tocsin's own alarms.
        """
        try:
            if alert.device is None:
                return self._rules.musters.evidence(alert.rule, alert.subject.removeprefix(GROUP))
            form = self._rules.forms.get(alert.rule)
            device = self._catalogue.device_id(alert.device)
            if form is None or device is None:
                return None
            return self.shown(form, device, self.silent(device, *silence_of(device, at)))[1]
        except Exception as error:
            self._faults.note(f"the evidence of rule {alert.rule!r}", error)
            return None
