"""`tocsin devices` and `tocsin users`: who may connect, and who may log in."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.options import Config, Data, database
from tocsin.refusal import Refusal

devices = typer.Typer(no_args_is_help=True, help="Credentials with which devices connect.")
users = typer.Typer(no_args_is_help=True, help="People who may log in to the dashboard.")


@devices.command("add")
def devices_add(
    name: Annotated[str, typer.Argument(help="The device's id; its MQTT user name.")],
    operator: Annotated[
        bool,
        typer.Option("--operator", help="Not a device: may read everything and send commands."),
    ] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Make a credential and print its token, once. Again for the same name: a new token."""
    from tocsin.devices.credentials import Credential, Role, hash_token, new_token
    from tocsin.devices.storage.credentials import CredentialStore
    from tocsin.devices.topics import TopicError, check_device_id

    try:
        check_device_id(name)
    except TopicError as error:
        raise Refusal(str(error)) from None
    token = new_token()
    role = Role.OPERATOR if operator else Role.DEVICE
    with database(config, data) as state:
        store = CredentialStore(state)
        store.put(Credential(name, role, hash_token(token.encode()), time.time()))
    typer.echo(f"user name  {name}\npassword   {token}")
    typer.echo("The password is not stored and cannot be shown again.", err=True)


@devices.command("password")
def devices_password(
    name: Annotated[str, typer.Argument(help="The device's id; its MQTT user name.")],
    file: Annotated[
        Path, typer.Option("--file", help="The password file; made if it is not there.")
    ],
    operator: Annotated[
        bool,
        typer.Option("--operator", help="Not a device: may read everything and send commands."),
    ] = False,
) -> None:
    """Give a device a password of your choice, as a line of a password file.

    It is asked for, or read from standard input if that is a pipe. A running server that has
    the file as [bold]password_file[/bold] reads it again by itself.
    """
    from tocsin.dashboard.users.passwords import hash_password
    from tocsin.devices.credentials import Role
    from tocsin.devices.password_file import Entry, put_entry
    from tocsin.devices.topics import check_device_id

    try:
        check_device_id(name)
        if ":" in name:
            raise ValueError(f"user name {name!r} has a colon, which ends the name in the file")
        entry = Entry(name, hash_password(_password()), Role.OPERATOR if operator else Role.DEVICE)
        put_entry(file, entry)
    except (ValueError, OSError) as error:
        raise Refusal(str(error)) from None
    typer.echo(f"{name} can connect with this password where password_file is {file}")


@devices.command("list")
def devices_list(config: Config = None, data: Data = None) -> None:
    """List credentials."""
    from tocsin.devices.storage.credentials import CredentialStore
    from tocsin.devices.timestamps import rfc3339

    with database(config, data) as state:
        store = CredentialStore(state)
        for found in store.all():
            revoked = f"revoked {rfc3339(found.revoked_at)}" if found.revoked_at else ""
            typer.echo(
                f"{found.name:<32} {found.role:<9} {rfc3339(found.created_at)} {revoked}".rstrip()
            )


@devices.command("revoke")
def devices_revoke(
    name: Annotated[str, typer.Argument(help="As it was added.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Revoke a credential: its next connection is refused."""
    from tocsin.devices.storage.credentials import CredentialStore

    with database(config, data) as state:
        store = CredentialStore(state)
        if not store.revoke(name, time.time()):
            raise Refusal(f"no credential {name!r} to revoke; `tocsin devices list` shows all")
    typer.echo(f"revoked {name}")


@users.command("add")
def users_add(
    name: Annotated[str, typer.Argument(help="What they log in with.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Add a person. The password is asked for, or read from standard input if that is a pipe."""
    from tocsin.dashboard.users.accounts import add_user

    password = _password()
    with database(config, data) as state:
        try:
            add_user(state, name, password, time.time())
        except ValueError as error:
            raise Refusal(str(error)) from None
    typer.echo(f"{name} can log in")


@users.command("list")
def users_list(config: Config = None, data: Data = None) -> None:
    """List the people who may log in."""
    from tocsin.dashboard.users.accounts import list_users
    from tocsin.devices.timestamps import rfc3339

    with database(config, data) as state:
        for user in list_users(state):
            typer.echo(f"{user.name:<32} {rfc3339(user.created_at)}")


@users.command("remove")
def users_remove(
    name: Annotated[str, typer.Argument(help="As it was added.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Remove a person. Their logins end at once, pages they have open within two seconds."""
    from tocsin.dashboard.users.accounts import remove_user

    with database(config, data) as state:
        try:
            remove_user(state, name)
        except LookupError as error:
            raise Refusal(str(error.args[0])) from None
    typer.echo(f"removed {name}")


def _password() -> str:
    """Asked for on a terminal, read from what else standard input is."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
