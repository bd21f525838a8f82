"""All settings, read once from `tocsin.toml`, the environment and flags, and handed down.

Each package owns its own settings with their defaults; this module only gathers them. A flag
wins over the environment, the environment over the file. An unknown key is an error.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator
from pydantic.dataclasses import dataclass
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tocsin.addresses import Address
from tocsin.broker.settings import Settings as BrokerSettings
from tocsin.dashboard.settings import Settings as DashboardSettings
from tocsin.devices.profile import Profile
from tocsin.devices.topics import TopicPattern
from tocsin.ingest.engine import EngineSettings
from tocsin.ingest.settings import Settings as IngestSettings
from tocsin.ingest.storage.history.history import HistorySettings
from tocsin.ingest.storage.journal import JournalSettings
from tocsin.refusal import Refusal

PREFIX = "TOCSIN_"


@dataclass(frozen=True)
class TopicSetting:
    """A `[[topic]]` table: a pattern that claims topics, and how the device's id is made."""

    pattern: str
    id: str | None = None

    def compile(self) -> TopicPattern:
        return TopicPattern(self.pattern, self.id)


class Settings(BaseSettings):
    """Everything that can be set. Sections carry the name of the package that owns them."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data: Path = Field(
        default_factory=lambda: user_data_path("tocsin"), description="the data folder"
    )
    mqtt: str = Field("127.0.0.1:1883", description="HOST:PORT of the MQTT listener")
    http: str = Field("127.0.0.1:8000", description="HOST:PORT of the dashboard")
    rules: tuple[Path, ...] = Field((), description="TOML files with [[rule]] tables")
    topic: tuple[TopicSetting, ...] = Field((), description="patterns that claim other topics")
    profile: tuple[Profile, ...] = Field((), description="what kinds of device there are")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"

    broker: BrokerSettings = BrokerSettings()
    ingest: IngestSettings = IngestSettings()
    engine: EngineSettings = EngineSettings()
    journal: JournalSettings = JournalSettings()
    history: HistorySettings = HistorySettings()
    dashboard: DashboardSettings = DashboardSettings()

    @field_validator("mqtt", "http")
    @classmethod
    def _is_address(cls, text: str) -> str:
        return str(Address.parse(text))

    @field_validator("topic")
    @classmethod
    def _are_patterns(cls, topics: tuple[TopicSetting, ...]) -> tuple[TopicSetting, ...]:
        for topic in topics:
            topic.compile()
        return topics

    @property
    def mqtt_address(self) -> Address:
        return Address.parse(self.mqtt)

    @property
    def http_address(self) -> Address:
        return Address.parse(self.http)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Settings from `config` (default: `./tocsin.toml` if there is one), environment and flags.

    A flag that is None was not given. Raises Refusal with one line for everything that is wrong.
    """
    if config is not None and not config.is_file():
        raise Refusal(f"--config {config}: there is no such file")
    file = config or Path("tocsin.toml")
    _refuse_unknown_variables(os.environ)
    given = {name: value for name, value in flags.items() if value is not None}

    class FromFile(Settings):
        model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
            toml_file=file if file.is_file() else None
        )

    try:
        return FromFile(**given)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise Refusal(f"settings: {problems}") from None
    except ValueError as error:  # TOML syntax, or an environment variable that is not JSON
        raise Refusal(f"settings: {file}: {error}") from None


def setting_names() -> list[str]:
    """Every setting as `name` or `section.name`, for the documentation test and suggestions."""
    names: list[str] = []
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "__dataclass_fields__", None)
        names += [f"{name}.{key}" for key in inner] if inner else [name]
    return names


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {(PREFIX + name.replace(".", "__")).upper() for name in setting_names()}
    known |= {(PREFIX + name).upper() for name in Settings.model_fields} | CREDENTIAL_VARIABLES
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in known:
            raise Refusal(
                f"environment variable {variable} is not a setting{_suggest(variable, known)}"
            )


# Read by `tocsin simulate`: secrets come from the environment, never from the command line.
CREDENTIAL_VARIABLES = {f"{PREFIX}MQTT_USERNAME", f"{PREFIX}MQTT_PASSWORD"}


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{place!r} is not a setting{_suggest(place, setting_names())}"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place} = {problem['input']!r}: {reason[:1].lower()}{reason[1:]}"


def _suggest(wrong: str, known: Any) -> str:
    near = get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
