"""`tocsin functions`: Python functions of your own."""

from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.options import Config

functions = typer.Typer(no_args_is_help=True, help="Python functions of your own.")


@functions.command("test")
def functions_test(
    path: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="What to load.")],
    given: Annotated[
        Path | None,
        typer.Option("--input", help="Readings as JSON lines: a device and its metrics in each."),
    ] = None,
    config: Config = None,
) -> None:
    """Run functions as the server would, and show what they make, print and do wrong.

    Without [bold]--input[/bold] each is called with one reading made up for it. Ends with status 1
    if there was a problem.
    """
    from tocsin.function_test import run_function_test
    from tocsin.settings import load_settings

    if not run_function_test(path, given, load_settings(config).functions):
        raise typer.Exit(1)
