"""The plant's laws: the seed decides everything, readings stay plausible, and only hazards leave
the normal band, as their ground truth says."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.simulators.hazards import Truth
from tocsin.simulators.plant import Plant, Sample

Values = dict[str, float | bool]

# metric → what the real machine could show at all, and the highest it shows when all is well
PLAUSIBLE: dict[str, dict[str, tuple[float, float, float]]] = {
    "boiler": {
        "temp_c": (60, 125, 79),
        "pressure_bar": (1.0, 5.0, 1.7),
        "flow_lpm": (2, 60, 60),
        "burner_on": (0, 1, 1),
    },
    "pump": {
        "rpm": (0, 1500, 1500),
        "vibration_mm_s": (0, 12, 2.6),
        "current_a": (0, 18, 14),
        "bearing_c": (20, 110, 61),
    },
    "gas": {
        "ch4_pct_lel": (0, 60, 5),
        "co_ppm": (0, 150, 18),
        "battery_v": (3.6, 4.2, 4.2),
    },
    "cold": {
        "temp_c": (1, 18, 7.5),
        "humidity_pct": (50, 100, 100),
        "door_open": (0, 1, 1),
        "compressor_on": (0, 1, 1),
    },
}
LEADING = {
    "overheat": "temp_c",
    "bearing": "bearing_c",
    "methane": "ch4_pct_lel",
    "carbon-monoxide": "co_ppm",
    "door": "temp_c",
}


def kind_of(device: str) -> str:
    return device.split("-")[0]


def play(plant: Plant, until: float) -> list[Sample]:
    samples: list[Sample] = []
    while plant.next_at <= until:
        samples.append(plant.sample())
    return samples


def hours(seed: int, devices: int, until: float) -> tuple[dict[str, list[Sample]], list[Truth]]:
    plant = Plant(devices, 1.0, seed)
    by_device: dict[str, list[Sample]] = defaultdict(list)
    for sample in play(plant, until):
        by_device[sample.device].append(sample)
    return by_device, plant.ended() + plant.unfinished()


@given(seed=st.integers(0, 2**32), devices=st.integers(1, 20), rate=st.sampled_from([0.3, 1, 4]))
@settings(max_examples=15)
def test_the_same_seed_gives_the_same_samples_and_hazards(
    seed: int, devices: int, rate: float
) -> None:
    one, two = Plant(devices, rate, seed), Plant(devices, rate, seed)
    assert play(one, 130.0) == play(two, 130.0)
    assert one.ended() + one.unfinished() == two.ended() + two.unfinished()
    assert play(Plant(devices, rate, seed + 1), 5.0) != play(Plant(devices, rate, seed), 5.0)


@pytest.mark.parametrize("seed", range(10))
def test_the_rate_changes_how_often_the_plant_is_looked_at_never_what_it_does(seed: int) -> None:
    slow, fast = Plant(15, 0.5, seed), Plant(15, 5.0, seed)
    play(slow, 400.0)
    play(fast, 400.0)
    fast_truth = {(t.device, t.start): t for t in fast.ended()}
    ended = [t for t in slow.ended() if t.end is not None and t.end < 390.0]
    assert ended
    assert all(fast_truth[t.device, t.start] == t for t in ended)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (1, {"pump": 1}),
        (4, {"pump": 1, "gas": 1, "boiler": 1, "cold": 1}),
        (30, {"boiler": 6, "pump": 10, "gas": 8, "cold": 6}),
        (1000, {"boiler": 200, "pump": 333, "gas": 267, "cold": 200}),
    ],
)
def test_any_number_of_devices_has_the_same_proportions(
    devices: int, expected: dict[str, int]
) -> None:
    plant = Plant(devices, 1.0, seed=1)
    assert Counter(map(kind_of, plant.devices)) == expected
    assert len(set(plant.devices)) == devices


def test_every_device_is_read_about_once_per_period_and_the_phases_are_spread() -> None:
    by_device, _ = hours(seed=3, devices=30, until=60.0)
    assert all(57 <= len(samples) <= 63 for samples in by_device.values())
    tenths = Counter(int(samples[0].at * 10) for samples in by_device.values())
    assert len(by_device) == 30
    assert len(tenths) >= 6


@pytest.mark.parametrize("seed", range(6))
def test_readings_are_plausible_and_only_a_hazard_leaves_the_normal_band(seed: int) -> None:
    by_device, truths = hours(seed, devices=15, until=1800.0)
    spans = defaultdict[str, list[tuple[float, float]]](list)
    for truth in truths:
        spans[truth.device].append((truth.start, truth.end or 1800.0))
    for device, samples in by_device.items():
        bands = PLAUSIBLE[kind_of(device)]
        for sample in samples:
            assert sample.values.keys() == bands.keys()
            in_hazard = any(start <= sample.at <= end for start, end in spans[device])
            for metric, (lowest, highest, normal) in bands.items():
                value = sample.values[metric]
                assert lowest <= value <= (highest if in_hazard else normal), (sample, metric)


@pytest.mark.parametrize("seed", range(6))
def test_the_truth_is_what_the_sensors_saw(seed: int) -> None:
    """
    value        ___/\\___  worst at `peak`, 55 to 66 s after `start`
          ______/        \\___________ normal again from `end` on
              start  peak   end
    """
    by_device, truths = hours(seed, devices=15, until=1800.0)
    ended = [truth for truth in truths if truth.end is not None and truth.end < 1795.0]
    assert len(ended) >= 10
    for truth in ended:
        metric = LEADING[truth.kind]
        normal = PLAUSIBLE[kind_of(truth.device)][metric][2]
        assert truth.end is not None
        during = [s for s in by_device[truth.device] if truth.start <= s.at <= truth.end]
        worst = max(during, key=lambda s: s.values[metric])
        assert worst.values[metric] > normal * 1.25
        assert abs(worst.at - truth.peak) < 8.0
        assert 50.0 <= truth.peak - truth.start <= 67.0
        assert truth.end - truth.start <= 200.0
        # It builds up: in the first ten seconds nothing is beyond the normal band.
        early = [s for s in during if s.at < truth.start + 10.0]
        assert all(s.values[metric] <= normal for s in early)
        after = next(s for s in by_device[truth.device] if s.at >= truth.end)
        assert after.values[metric] <= normal


@pytest.mark.parametrize("seed", range(10))
def test_boiler_and_cold_room_show_their_control_loops(seed: int) -> None:
    by_device, truths = hours(seed, devices=15, until=1200.0)
    failed = {truth.device for truth in truths}
    for device, samples in by_device.items():
        if device in failed or kind_of(device) not in ("boiler", "cold"):
            continue
        switch, sign = ("burner_on", 1) if kind_of(device) == "boiler" else ("compressor_on", -1)
        on, off = 0.0, 0.0
        for before, after in pairwise(samples):
            change = (after.values["temp_c"] - before.values["temp_c"]) * sign
            if before.values.get("door_open") or after.values.get("door_open"):
                continue
            if before.values[switch]:
                on += change
            else:
                off += change
        assert on > 0.0 > off, device


@pytest.mark.parametrize(
    ("devices", "rate", "error"),
    [
        (0, 1.0, "devices 0 is too few"),
        (1, 0.0, "rate 0.0 is out of range"),
        (1, float("nan"), "rate nan is out of range"),
    ],
)
def test_wrong_arguments_are_named(devices: int, rate: float, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Plant(devices, rate, seed=1)
