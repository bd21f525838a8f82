"""What the figures should be, what they are, and under which load Tocsin breaks."""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.charts import number
from benchmarks.costs import cost_rows
from benchmarks.figures import Report, percentile_cell, rounds, table, usable
from benchmarks.product import CLAIM_MESSAGES
from benchmarks.series import KEPT_UP, keeps_up
from tocsin.simulators.bench.packets import METRICS

OURS = "tocsin"
TARGETS = {"product-qos0": 1 / 5, "product-qos1": 1 / 4}
"""Most CPU per message, as a part of what Mosquitto with the paho consumer takes."""
TARGET_PEER = "mosquitto+paho"
CLAIM_LATE = 1e-5
"""The part of readings that may reach a viewer later than 250 ms."""


def targets(report: Report) -> str:
    by_name = {series["workload"]["name"]: series for series in report["series"]}
    rows = [_cost_target(by_name[name], most) for name, most in TARGETS.items() if name in by_name]
    if "claim" in by_name:
        rows.append(_claim(by_name["claim"]))
    rows += cost_rows(by_name)
    parts = ["## Targets", ""]
    if rows:
        parts.append(table(["", "target", "measured", ""], rows))
    if "claim" in by_name:
        parts += ["", _claim_conditions(by_name["claim"])]
    if limit := _breaking_point([by_name[name] for name in by_name if name.startswith("load-")]):
        parts += ["", limit]
    return "\n".join([*parts, ""]) if len(parts) > 2 else ""


def _cost_target(series: Report, most: float) -> list[str]:
    ratios = series["ratios"].get(TARGET_PEER, {}).get("cpu_us")
    what = f"CPU per message ÷ that of {TARGET_PEER}: {series['workload']['title']}"
    target = f"at most 1/{1 / most:.0f}"
    if not ratios:
        return [what, target, "–", "no figure"]
    ratio = median(ratios)
    reached = "reached" if ratio <= most else "missed"
    return [what, target, f"{ratio:.2f} ({rounds(len(ratios))})", reached]


def _claim(series: Report) -> list[str]:
    title = series["workload"]["title"]
    target = f"none lost, {1 - CLAIM_LATE:.3%} received → read by the viewer within 250 ms"
    runs = usable(series, OURS)
    if not runs:
        return [title, target, "–", "no figure"]
    late = sum(run["seen"]["viewer"]["received_late"] for run in runs)
    count = sum(run["seen"]["viewer"]["readings"] for run in runs)
    lost, sent = sum(run["lost"] for run in runs), sum(run["sent"] for run in runs)
    expected = sent * series["workload"]["load"].get("metrics", len(METRICS))
    measured = (
        f"{lost:,} of {sent:,} messages lost, {expected - count:,} of {expected:,} readings not"
        f" shown, {late:,} late"
    )
    if lost or count != expected or late > expected * CLAIM_LATE:
        return [title, target, measured, "missed"]
    enough = sent >= CLAIM_MESSAGES
    return [title, target, measured, "reached" if enough else "too few for the claim"]


def _claim_conditions(series: Report) -> str:
    lines = [
        "The claim is measured with one viewer that reads everything; a viewer and an MQTT"
        " subscriber to everything that take 2 KiB a second and connect again when they are"
        " cut off; a client that asks for charts of an hour one after the other; and one that"
        " has what arrived in the last hour judged by a rule, one backtest after the other. A"
        " reading is late when the frame it came in was read more than 250 ms after the server"
        " had received the oldest of its readings."
    ]
    for run in usable(series, OURS):
        seen = run["seen"]
        charts, tried = seen["queries"]["charts"], seen["queries"]["backtests"]
        lines.append(
            f"Meanwhile the slow viewer was cut off {seen['slow viewer']['cut']:,} times and the"
            f" slow subscriber {seen['slow subscriber']['cut']:,} times;"
            f" {charts['answers']:,} charts were drawn ({percentile_cell([charts['took_ms']])} ms)"
            f"{_failed(charts['failed'])}; {tried['answers']:,} backtests ran"
            f" ({percentile_cell([tried['took_ms']])} ms){_failed(tried['failed'])}."
        )
    return "\n\n".join(lines)


def _failed(reasons: Mapping[str, int]) -> str:
    return "".join(f", {count:,} were not ({why})" for why, count in reasons.items())


def _breaking_point(ladder: Sequence[Report]) -> str | None:
    """Up to which offered load nothing is lost and the viewer is not late, and what breaks then."""
    best = None
    unknown: list[str] = []
    for series in ladder:
        offered = series["workload"]["load"]["rate"]
        runs = usable(series, OURS)
        if not runs:
            unknown.append(f"{offered:,.0f}")
        broken = [run for run in runs if not keeps_up(run, offered)]
        if not broken:
            best = offered if runs else best
            continue
        viewer = broken[0]["seen"]["viewer"]["latency_ms"].get("p99")
        kept = f"keeps up with {best:,.0f} messages a second and" if best else ""
        return (
            f"Under the same conditions, Tocsin {kept} breaks at {offered:,.0f}:"
            f" {broken[0]['rate']:,} a second come through, {broken[0]['lost'] or 0:,} are lost,"
            f" publish → viewer is {'unknown' if viewer is None else number(viewer)} ms at p99."
            f" To keep up is: none lost, {KEPT_UP:.0%} of the offered rate through, p99 ≤ 250 ms."
        )
    kept = f"Tocsin keeps up with all loads tried, up to {best:,.0f} a second." if best else ""
    if unknown:
        kept += f" Where it breaks is not known: no figure for {', '.join(unknown)} a second."
    return kept.strip() or None
