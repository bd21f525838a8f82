"""`tocsin functions test`, as a person runs it."""

from pathlib import Path

from tests.ingest.functions.hosting import write
from tests.tocsin.command import run

POWER = """
    @on_reading("boiler-*", metrics=["volts", "amps"])
    def power(reading):
        print("got", reading.device)
        return {"power_kw": reading["volts"] * reading["amps"] / 1000}

    @on_alert()
    def whom(alert):
        return f"call 4711 for {alert.rule}"
"""


def test_it_shows_what_functions_make_of_given_readings(tmp_path: Path):
    folder = write(tmp_path / "functions", power=POWER)
    given = tmp_path / "given.jsonl"
    given.write_text(
        '{"device": "boiler-1", "volts": 230, "amps": 10}\n\n'
        '{"device": "boiler-2", "volts": 230}\n{"device": "boiler-1", "volts": 230, "amps": 20}\n'
    )
    ran = run(tmp_path, "functions", "test", str(folder / "power.py"), "--input", str(given))
    assert ran.status == 0, ran.out + ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "power.py"
    assert lines[1] == "  power.power  (reading: boiler-* with volts, amps)"
    assert lines[2].startswith("    2 calls, ")
    assert lines[3:7] == [
        "    → boiler-1  power_kw = 2.3",
        "    → boiler-1  power_kw = 4.6",
        "    | got boiler-1",
        "    | got boiler-1",
    ]
    assert "    → comment: call 4711 for test" in lines
    assert lines[-1] == "2 functions, no problem"


def test_without_readings_each_function_gets_one_and_problems_are_an_exit_status(tmp_path: Path):
    bad = """
        @on_reading("*", metrics=["n"])
        def same(reading):
            return {"n": 2.0}

        @on_reading()
        def hangs(reading):
            while True: pass

        @on_reading()
        def raises(reading):
            return reading["absent"]
    """
    folder = write(tmp_path / "functions", bad=bad, broken="import nowhere", good=POWER)
    ran = run(tmp_path, "functions", "test", str(folder))
    assert ran.status == 1, ran.out + ran.err
    assert "problem: 1/n is sent by the device itself; expected another name" in ran.out
    assert "problem: a call took longer than 2 s; its worker was killed" in ran.out
    assert "problem: KeyError: 'absent'\n               bad.py:13 in raises" in ran.out
    assert "problem: ModuleNotFoundError: No module named 'nowhere'" in ran.out
    assert "→ boiler-1  power_kw = 0.001" in ran.out
    assert ran.out.splitlines()[-1] == "5 functions, 4 problems"


def test_what_cannot_be_tested_is_refused_with_a_line(tmp_path: Path):
    folder = write(tmp_path / "functions", power=POWER)
    given = tmp_path / "given.jsonl"
    given.write_text('{"device": "a"}\n[1]\n')
    for arguments, said in (
        (["nowhere.py"], "nowhere.py: expected a Python file or a folder of them that is there"),
        ([str(tmp_path)], f"{tmp_path}: no Python file in it; expected one at least"),
        (
            [str(folder), "--input", str(given)],
            f"--input {given}, line 2: expected an object with a device and its metrics, as in "
            '{"device": "boiler-1", "temp_c": 21.5}',
        ),
    ):
        assert run(tmp_path, "functions", "test", *arguments).refusal() == said


def test_functions_get_all_of_many_readings_and_each_the_same(tmp_path: Path):
    counts = """
        seen = []

        @on_reading(metrics=["n"])
        def counts(reading):
            seen.append(reading["n"])
            return {"seen": len(seen)} if reading["n"] == 29999 else None

        @on_readings(metrics=["n"])
        def sums(readings):
            print("rows", len(readings))
    """
    folder = write(tmp_path / "functions", counts=counts)
    given = tmp_path / "given.jsonl"
    # Two metrics and a time of its own each: more readings than the worker gets at once.
    given.write_text(
        "".join(f'{{"device": "a", "n": {n}, "m": 1, "ts": {1.7e9 + n}}}\n' for n in range(30_000))
    )
    ran = run(tmp_path, "functions", "test", str(folder), "--input", str(given))
    assert ran.status == 0, ran.out + ran.err
    assert "→ a  seen = 30000" in ran.out
    rows = [int(line.split()[-1]) for line in ran.out.splitlines() if "| rows" in line]
    assert sum(rows) == 30_000
