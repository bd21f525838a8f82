"""`tocsin rules`: alert rules in files."""

from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.options import Config, Data
from tocsin.refusal import Refusal

rules = typer.Typer(no_args_is_help=True, help="Alert rules in files.")


@rules.command("check")
def rules_check(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    zones: Annotated[
        list[Path] | None, typer.Option("--zones", help="GeoJSON file; may be given again.")
    ] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Check rule files; name every mistake with its place.

    With settings or a data folder also against what is there: zones and channels that are missing
    are mistakes, as they are for the server; a metric or a tag that no device has, and devices that
    are not known, may come yet and are said as notes.
    """
    from tocsin.ingest.rules.validation import validate
    from tocsin.rule_check import RuleCheck
    from tocsin.rule_files import read_rules
    from tocsin.settings import load_settings

    found = read_rules(files)
    has_settings = config or data or Path("tocsin.toml").is_file()
    check = RuleCheck(load_settings(config, data=data) if has_settings else None, zones or [])
    if problems := check.problems(found):
        raise Refusal("\n  ".join(["rules are not valid:", *problems]))
    for rule in found:
        typer.echo(f"{rule.severity:<8}  {rule.name}: {rule.when}  [{rule.devices}]")
        for doubt in check.doubts(validate(rule)):
            typer.echo(f"          note: {doubt}")
    typer.echo("1 rule, valid" if len(found) == 1 else f"{len(found)} rules, all valid")
    if check.unknown:
        typer.echo(f"note: metrics and tags are not checked: {check.unknown}", err=True)


@rules.command("explain")
def rules_explain(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, a rule a line.")] = False,
) -> None:
    """Say what judging rules takes: what wakes them, the windows they share, their cost."""
    import msgspec

    from tocsin.ingest.rules.explain import explain, lines
    from tocsin.ingest.rules.validation import validate
    from tocsin.rule_files import read_rules

    checked = [validate(rule) for rule in read_rules(files)]
    for rule in checked:
        explanation = explain(rule, (each for each in checked if each.rule.enabled))
        if as_json:
            typer.echo(msgspec.json.encode(explanation))
        else:
            typer.echo("\n".join(lines(explanation)))


@rules.command("backtest")
def rules_backtest(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="A time, or how long ago.")
    ] = "24h",
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The same [default: now].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Say how often rules would have rung, over the readings in the data folder.

    As if they had been put in force at [bold]--from[/bold]. Nothing is changed and nobody is told.
    Works beside a running server; what that has not written to history yet, about a minute, is
    not judged.
    """
    from tocsin.backtesting import run_backtest
    from tocsin.rule_files import read_rules
    from tocsin.settings import load_settings

    settings = load_settings(config, data=data)
    run_backtest(settings, read_rules(files), start, end, as_json=as_json)
