"""Users' functions in a real process: what they make, and what they cannot do."""

from pathlib import Path

from tests.ingest.functions.hosting import hosting, until, write
from tocsin.ingest.facts import Derived
from tocsin.ingest.functions.ledger import FunctionView
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.storage.journal import Journal

POWER = """
    @on_reading("boiler-*", metrics=["volts", "amps"])
    def power(reading):
        "Electric power."
        return {"power_kw": reading["volts"] * reading["amps"] / 1000}
"""


async def test_what_a_function_makes_is_a_reading_of_the_device_and_rings(tmp_path: Path):
    async with hosting(tmp_path, write(tmp_path / "functions", power=POWER)) as bench:
        await bench.engine.put_rule(Rule(name="much", when="power_kw > 2"), "ada")
        await bench.ready()
        await bench.publish("boiler-1", volts=230, amps=10)
        await bench.publish("boiler-2", volts=230)
        await bench.publish("pump-1", volts=230, amps=10)
        await bench.derived("boiler-1", "power_kw", 2.3)
        [alert] = bench.engine.pipeline.alerts.open()
        assert (alert.rule, alert.device) == ("much", "boiler-1")
        power = await until("its account", lambda: bench.function("power.power"))
        assert (power.doc, power.calls_total, power.readings_total) == ("Electric power.", 1, 1)
        assert bench.value("pump-1", "power_kw") is None


async def test_the_vectorised_form_gets_and_gives_arrays(tmp_path: Path):
    arrays = """
        import numpy as np

        @on_readings("*", metrics=["a", "b"])
        def both(readings):
            assert readings.device == ["d"] * len(readings), readings.device
            total = readings["a"] + readings["b"]
            return {"total": total, "even": np.where(total % 2 == 0, total, np.nan)}
    """
    async with hosting(tmp_path, write(tmp_path / "functions", arrays=arrays)) as bench:
        await bench.ready()
        await bench.publish("d", a=1, b=True, text="is no number")
        await bench.derived("d", "total", 2.0)
        assert bench.value("d", "even") == 2.0
        await bench.publish("d", a=2, b=1)
        await bench.derived("d", "total", 3.0)
        assert bench.value("d", "even") == 2.0, "NaN is nothing"


async def test_nothing_that_functions_make_comes_back_to_functions(tmp_path: Path):
    loop = """
        @on_reading()
        def again(reading):
            return {f"x{len(reading.values)}": 1.0}

        @on_alert()
        def comment(alert):
            return f"seen at {alert.event}"
    """
    async with hosting(tmp_path, write(tmp_path / "functions", loop=loop)) as bench:
        await bench.engine.put_rule(Rule(name="hot", when="temp_c > 80"), "ada")
        await bench.ready()
        await bench.publish("d", temp_c=90)
        await bench.derived("d", "x1", 1.0)
        [alert] = bench.engine.pipeline.alerts.open()

        def commented() -> bool:
            found = bench.engine.pipeline.alerts.get(alert.id)
            return found is not None and len(found.comments) > 0

        await until("a comment", commented)
        # A second message comes behind everything that could have come back.
        await bench.publish("d", temp_c=91, flow=1)
        await bench.derived("d", "x2", 1.0)
        found = bench.engine.pipeline.alerts.get(alert.id)
        assert found is not None
        assert [(c.by, c.note) for c in found.comments] == [
            ("function loop.comment", "seen at holds")
        ]
        again = bench.function("loop.again")
        assert again is not None
        assert again.calls_total == 2
        assert bench.value("d", "x3") is None


async def test_what_a_device_says_is_not_replaced(tmp_path: Path):
    silence = """
        @on_reading()
        def calm(reading):
            return {"temp_c": 20.0}
    """
    async with hosting(tmp_path, write(tmp_path / "functions", silence=silence)) as bench:
        await bench.engine.put_rule(Rule(name="hot", when="temp_c > 80"), "ada")
        await bench.ready()
        await bench.publish("d", temp_c=95)

        def refused() -> FunctionView | None:
            found = bench.function("silence.calm")
            return found if found and found.last_error else None

        calm = await until("a refusal", refused)
        assert calm.refused_total == 1
        assert calm.readings_total == 0
        assert "sent by the device itself" in (calm.last_error or "")
        assert bench.value("d", "temp_c") == 95.0
        assert len(bench.engine.pipeline.alerts.open()) == 1


async def test_a_restart_has_what_functions_made_and_does_not_run_them_again(tmp_path: Path):
    folder = write(tmp_path / "functions", power=POWER)
    async with hosting(tmp_path, folder) as bench:
        await bench.ready()
        await bench.publish("boiler-1", volts=230, amps=10)
        await bench.derived("boiler-1", "power_kw", 2.3)
    entries = Journal.open(tmp_path / "journal").replay(0)
    facts = [r for entry in entries for r in entry.records if isinstance(r, Derived)]
    assert [(f.function, f.rows[0].values) for f in facts] == [("power.power", {"power_kw": 2.3})]
    async with hosting(tmp_path, None) as bench:
        assert bench.value("boiler-1", "power_kw") == 2.3
        assert bench.host.view().starts_total == 0


async def test_one_that_raises_or_returns_rubbish_is_counted_and_costs_the_others_nothing(
    tmp_path: Path,
):
    bad = """
        @on_reading()
        def raises(reading):
            return {"x": 1 / 0}

        @on_reading()
        def rubbish(reading):
            return [object()]

        @on_reading()
        def infinite(reading):
            return {"y": float("inf")}

        @on_reading()
        def leaves(reading):
            raise SystemExit(3)
    """
    folder = write(tmp_path / "functions", bad=bad, power=POWER, broken="import nowhere")
    async with hosting(tmp_path, folder) as bench:
        await bench.ready()
        await bench.publish("boiler-1", volts=230, amps=10)
        await bench.derived("boiler-1", "power_kw", 2.3)
        said = {
            name: (found.errors_total, (found.last_error or "").splitlines())
            for name in ("raises", "rubbish", "infinite", "leaves")
            if (found := bench.function(f"bad.{name}"))
        }
        assert said["raises"][0] == 1
        assert said["raises"][1] == ["ZeroDivisionError: division by zero", "  bad.py:5 in raises"]
        assert said["rubbish"][1][0] == (
            "Rubbish: returned a list; expected a dictionary of metrics or None"
        )
        assert said["infinite"][1][0].startswith("Rubbish: metric 'y' is inf; expected a finite")
        assert said["leaves"][1][0] == "SystemExit: 3"
        errors = {source.name: source.error for source in bench.host.view().sources}
        assert (errors["bad.py"], errors["power.py"]) == (None, None)
        assert (errors["broken.py"] or "").startswith("ModuleNotFoundError: No module named 'now")
        assert bench.host.view().starts_total == 1


async def test_a_changed_file_is_loaded_again(tmp_path: Path):
    folder = write(tmp_path / "functions", power=POWER)
    async with hosting(tmp_path, folder) as bench:
        await bench.ready()
        write(folder, power=POWER.replace("power_kw", "power_watt"))
        await until("a second worker", lambda: bench.host.view().starts_total == 2)
        await bench.ready()
        await bench.publish("boiler-1", volts=230, amps=10)
        await bench.derived("boiler-1", "power_watt", 2.3)
        assert bench.value("boiler-1", "power_kw") is None
