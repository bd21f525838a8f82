"""All settings, read once from `tocsin.toml`, the environment and flags, and handed down.

Each package owns its own settings with their defaults; this module only gathers them. A flag
wins over the environment, the environment over the file. An unknown key is an error.
"""

import dataclasses
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from tocsin.addresses import Address
from tocsin.broker.access import PLACEHOLDERS, Action, Rule
from tocsin.broker.listener import Listener
from tocsin.broker.settings import Settings as BrokerSettings
from tocsin.broker.topics import check_filter
from tocsin.dashboard.settings import Settings as DashboardSettings
from tocsin.devices.credentials import Role
from tocsin.devices.profile import Profile
from tocsin.devices.tags import TagTable
from tocsin.devices.topics import TopicPattern
from tocsin.heartbeat.settings import HeartbeatSettings
from tocsin.ingest.delivery.channel import Channel, check_names
from tocsin.ingest.functions.settings import FunctionSettings
from tocsin.ingest.settings import EngineSettings
from tocsin.ingest.settings import Settings as IngestSettings
from tocsin.ingest.storage.history.history import HistorySettings
from tocsin.ingest.storage.journal import JournalSettings
from tocsin.listening import ListenerSetting, listeners_of
from tocsin.refusal import Refusal

PREFIX = "TOCSIN_"

# Fields of a section that a setting with a name of its own fills.
SET_BY = {"broker.listeners": "mqtt", "ingest.profiles": "profile", "ingest.tags": "tag"}

# Every other number is more than 0: a pause of 0 s would be a loop, a limit of 0 a refusal of all.
MAY_BE_ZERO = frozenset(
    {
        "broker.client_bytes_per_s",
        "broker.client_messages_per_s",
        "dashboard.login_failures_free",
        "engine.pace_s",
        "ingest.future_tolerance_s",
        "ingest.settles_messages",
        "ingest.settles_s",
        "profile.allowed_lateness_s",
    }
)


@dataclass(frozen=True, config={"extra": "forbid"})
class TopicSetting:
    """A `[[topic]]` table: a pattern that claims topics, and how the device's id is made."""

    pattern: str
    id: str | None = None

    def compile(self) -> TopicPattern:
        return TopicPattern(self.pattern, self.id)


@dataclass(frozen=True, config={"extra": "forbid"})
class AccessSetting:
    """An `[[access]]` table: a row of the access table, before the rows that are there."""

    action: Action
    topics: str
    allow: bool = True
    role: Role | None = None
    user: str | None = None

    def compile(self) -> Rule:
        """Raises ValueError for a pattern that is no filter."""
        check_filter(self.topics)
        for level in self.topics.split("/"):
            if re.search(r"[{}]", level) and level not in PLACEHOLDERS:
                raise ValueError(
                    f"access pattern {self.topics!r} has the level {level!r};"
                    f" expected literal text or one of {', '.join(PLACEHOLDERS)}"
                )
        return Rule(self.role, self.action, self.topics, self.allow, self.user)


@dataclass(frozen=True, config={"extra": "forbid"})
class PluginSetting:
    """A `[[plugin]]` table: a class of amqtt, and what its Config says."""

    use: str
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


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
    rules: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="TOML files with [[rule]] tables"
    )
    zones: Annotated[tuple[Path, ...], NoDecode] = Field((), description="GeoJSON files with zones")
    listener: tuple[ListenerSetting, ...] = Field((), description="more MQTT listeners")
    password_file: Path | None = Field(None, description="user names and password hashes")
    password_queue: int = 64
    plugin: tuple[PluginSetting, ...] = Field((), description="amqtt's plugins")
    plugin_role: Literal["device", "operator"] = "device"
    access: tuple[AccessSetting, ...] = Field((), description="who may publish and subscribe")
    topic: tuple[TopicSetting, ...] = Field((), description="patterns that claim other topics")
    profile: tuple[Profile, ...] = Field((), description="what kinds of device there are")
    tag: tuple[TagTable, ...] = Field((), description="tags that devices have")
    channel: tuple[Channel, ...] = Field((), description="where alerts are told")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"

    broker: BrokerSettings = BrokerSettings()
    ingest: IngestSettings = IngestSettings()
    engine: EngineSettings = EngineSettings()
    journal: JournalSettings = JournalSettings()
    history: HistorySettings = HistorySettings()
    dashboard: DashboardSettings = DashboardSettings()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    functions: FunctionSettings = FunctionSettings()

    @field_validator("mqtt", "http")
    @classmethod
    def _is_address(cls, text: str) -> str:
        return str(Address.parse(text))

    @field_validator("rules", "zones", mode="before")
    @classmethod
    def _are_paths(cls, files: object) -> object:
        """The environment names several files as PATH names folders."""
        return files.split(os.pathsep) if isinstance(files, str) else files

    @field_validator("dashboard", mode="before")
    @classmethod
    def _are_hosts(cls, dashboard: Any) -> Any:
        """The environment names several hosts with commas between."""
        if not isinstance(dashboard, dict):
            return dashboard
        table = cast("dict[str, Any]", dashboard)
        hosts = table.get("hosts")
        if isinstance(hosts, str):
            return {**table, "hosts": [host.strip() for host in hosts.split(",")]}
        return table

    @field_validator("listener")
    @classmethod
    def _are_listener_tables(
        cls, tables: tuple[ListenerSetting, ...]
    ) -> tuple[ListenerSetting, ...]:
        for table in tables:
            table.compile()
        return tables

    @field_validator("channel")
    @classmethod
    def _are_channels(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        return check_names(channels)

    @field_validator("access")
    @classmethod
    def _are_access_rows(cls, rows: tuple[AccessSetting, ...]) -> tuple[AccessSetting, ...]:
        for row in rows:
            row.compile()
        return rows

    @field_validator("topic")
    @classmethod
    def _are_patterns(cls, topics: tuple[TopicSetting, ...]) -> tuple[TopicSetting, ...]:
        for topic in topics:
            topic.compile()
        return topics

    @model_validator(mode="before")
    @classmethod
    def _is_set_by_one_name(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name, other in SET_BY.items():
            section, _, key = name.partition(".")
            keys = given.get(section)
            if isinstance(keys, dict) and key in keys:
                raise ValueError(f"{name!r} is not a setting; did you mean {other}?")
        return given

    @model_validator(mode="after")
    def _are_sensible_numbers(self) -> "Settings":
        for name in type(self).model_fields:
            value: Any = getattr(self, name)
            parts = cast("tuple[Any, ...]", value if isinstance(value, tuple) else (value,))
            for part in parts:
                for place, number in _numbers(name, part):
                    least = 0 if place in MAY_BE_ZERO else math.ulp(0)
                    if not least <= number < math.inf:
                        bound = "0 or more" if least == 0 else "more than 0"
                        raise ValueError(f"{place} is {number}; expected {bound}")
        return self

    @model_validator(mode="after")
    def _are_listeners(self) -> "Settings":
        listeners_of(self.mqtt, self.listener)
        return self

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All MQTT listeners, that of `mqtt` first."""
        return listeners_of(self.mqtt, self.listener)

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
        return _with_functions_beside(file, FromFile(**given))
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise Refusal(f"settings: {problems}") from None
    except SettingsError as error:
        raise Refusal(_explain_variable(str(error))) from None
    except ValueError as error:  # TOML syntax
        raise Refusal(f"settings: {file}: {error}") from None


def _with_functions_beside(file: Path, settings: Settings) -> Settings:
    """With the folder of users' functions, which is looked for where a settings file is and nowhere
    else: Tocsin runs no code because it was started in some folder."""
    folder = settings.functions.folder
    if folder is None and file.is_file() and (beside := file.parent / "functions").is_dir():
        folder = beside
    elif folder is None:
        return settings
    elif not folder.is_dir():
        raise Refusal(f"functions.folder is {str(folder)!r}; expected a folder that is there")
    functions = dataclasses.replace(settings.functions, folder=folder.resolve())
    return settings.model_copy(update={"functions": functions})


def setting_defaults() -> dict[str, Any]:
    """Every setting as `name` or `section.name` with its default."""
    found: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        found.update(_flattened(name, field.get_default(call_default_factory=True)))
    return {name: default for name, default in found.items() if name not in SET_BY}


def setting_names() -> list[str]:
    """Every setting, for the documentation test and suggestions."""
    return list(setting_defaults())


def _flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not dataclasses.is_dataclass(value):
        yield name, value
        return
    for field in dataclasses.fields(value):
        yield from _flattened(f"{name}.{field.name}", getattr(value, field.name))


def _numbers(name: str, value: Any) -> Iterator[tuple[str, int | float]]:
    for place, each in _flattened(name, value):
        if isinstance(each, (int, float)) and not isinstance(each, bool):
            yield place, each


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {_variable(name) for name in (*setting_names(), *Settings.model_fields)}
    known |= CREDENTIAL_VARIABLES
    for variable in environment:
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            names = [name.removeprefix(PREFIX) for name in known]
            near = _suggest(variable.upper().removeprefix(PREFIX), names, PREFIX)
            raise Refusal(f"environment variable {variable} is not a setting{near}")


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


# Read by `tocsin simulate`: secrets come from the environment, never from the command line.
CREDENTIAL_VARIABLES = {f"{PREFIX}MQTT_USERNAME", f"{PREFIX}MQTT_PASSWORD"}


_TABLES = {
    "listener": ListenerSetting,
    "access": AccessSetting,
    "plugin": PluginSetting,
    "topic": TopicSetting,
    "profile": Profile,
    "tag": TagTable,
    "channel": Channel,
}
_KEYS = [*setting_names(), *Settings.model_fields] + [
    f"{name}.{field.name}" for name, table in _TABLES.items() for field in dataclasses.fields(table)
]


def _explain(problem: Any) -> str:
    """One thing that is wrong: which setting, its value if that is short, what was expected."""
    place = ".".join(str(part) for part in problem["loc"])
    name = re.sub(r"\.\d+\.", ".", place)  # profile.0.devices is profile.devices of the first
    place = re.sub(r"\.(\d+)\b", lambda match: f" {int(match[1]) + 1}", place)
    reason = str(problem["msg"])
    match problem["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"{place!r} is not a setting{_suggest(name, _KEYS)}"
        case "missing":
            return f"{place} is missing"
        case "value_error":  # one of ours: it says what it is about, and the value
            reason = reason.removeprefix("Value error, ")
            return f"{place}: {reason}" if place else reason
        case "dataclass_type":
            reason = "expected a table"
        case "path_type":
            reason = "expected a path"
        case "tuple_type":
            tables = place in _TABLES
            reason = f"expected [[{place}]] tables" if tables else "expected a list"
        case _:
            pass
    value = problem["input"]
    shown = f" = {str(value)[:80]!r}" if isinstance(value, (str, int, float)) else ""
    return f"{place}{shown}: {reason[:1].lower()}{reason[1:]}"


def _explain_variable(error: str) -> str:
    """What pydantic says of a variable that must be JSON and is not; never the variable's value."""
    named = re.search(r'field "(\w+)"', error)
    variable = _variable(named[1]) if named else "for a setting"
    return f"environment variable {variable} is not JSON; expected a list or a table of settings"


def _suggest(wrong: str, known: Collection[str], prefix: str = "") -> str:
    near = get_close_matches(wrong, known, n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else ""
