"""`tocsin rules check`: rule files beside what a server would judge them with.

Its zones and channels, from the settings and from what was made in its page; and what its devices
have sent, functions of users too: metrics and tags.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tocsin.backtesting import know_plant
from tocsin.devices.formats import Decoder
from tocsin.ingest.delivery.actions import find_unfit_actions
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.doubts import doubts, doubts_of_units, units_by_name
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import API
from tocsin.ingest.rules.stated import Stated
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate
from tocsin.refusal import Refusal
from tocsin.settings import Settings
from tocsin.zone_files import read_zones


class RuleCheck:
    """State: the zones and channels there are and what profiles state, None where that is not
    known; the plant as its newest snapshot has it, and why nothing is known of it if so."""

    def __init__(self, settings: Settings | None, zone_files: Sequence[Path]) -> None:
        self._zones: set[str] | None = None
        self._channels: dict[str, Channel] | None = None
        self._stated: Stated | None = None
        self.unknown: str | None = None
        self._plant = None if settings is None else self._ask(settings)
        if settings is not None:
            self._stated = Stated.of(profile.table() for profile in settings.profile)
            self._channels = {channel.name: channel for channel in settings.channel}
            zone_files = [*settings.zones, *zone_files]
        if settings is not None or zone_files:
            self._zones = {zone.name for zone in read_zones(zone_files)[0]}
            made = self._plant.zones.entries() if self._plant else []
            self._zones |= {entry.zone.name for entry in made if entry.source == API}

    def _ask(self, settings: Settings) -> Pipeline | None:
        ingest = replace(settings.ingest, profiles=settings.profile)
        plant = Pipeline(ingest, Decoder([]))
        try:
            know_plant(plant, settings.data)
        except Refusal as refusal:
            self.unknown = str(refusal)
            return None
        return plant

    def problems(self, rules: Sequence[Rule]) -> list[str]:
        """Why a server would refuse them."""
        found: list[str] = []
        for rule in rules:
            try:
                validate(rule, known_zones=self._zones, stated=self._stated)
            except RuleError as error:
                found.append(f"rule {rule.name!r}: {error}")
            if self._channels is not None:
                found += [
                    f"rule {rule.name!r}: actions: {problem}"
                    for problem in find_unfit_actions(rule, self._channels)
                ]
            taken = self._plant and self._plant.rules.get(rule.name)
            if taken and taken.source == API:
                found.append(
                    f"rule {rule.name!r}: name: exists already, from the page or the API; a rule"
                    " has one source: rename one of the two"
                )
        return found

    def doubts(self, rule: CheckedRule) -> list[str]:
        """What in a rule looks like a slip."""
        if self._plant is None:
            return [str(error) for error in doubts_of_units(rule, units_by_name)]
        return [str(error) for error in doubts(rule, self._plant.catalogue)]
