"""What many commands take, and state.db as they open it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.refusal import Refusal

if TYPE_CHECKING:
    from tocsin.devices.storage.database import Database


Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file [default: ./tocsin.toml].")
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder [default: the platform's].")]
Mqtt = Annotated[
    str | None,
    typer.Option("--mqtt", metavar="HOST:PORT", help="MQTT listener [default: 127.0.0.1:1883]."),
]
Http = Annotated[
    str | None,
    typer.Option("--http", metavar="HOST:PORT", help="Dashboard [default: 127.0.0.1:8000]."),
]


@contextmanager
def database(config: Path | None, data: Path | None) -> Generator["Database"]:
    """state.db of the data folder, also beside a running server."""
    from tocsin.devices.storage.database import Database, DatabaseError
    from tocsin.lock import make_folder
    from tocsin.settings import load_settings

    folder = load_settings(config, data=data).data
    make_folder(folder)
    try:
        opened = Database.open(folder)
    except DatabaseError as error:
        raise Refusal(str(error)) from None
    try:
        yield opened
    finally:
        opened.close()
