from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tocsin.simulators.hazards import BUILD_S, FIRST_START_S, GAP_S, REST_S, Hazard, schedule

KINDS = ("fire", "flood")


def hazards(seed: int, devices: int, count: int) -> list[Hazard]:
    return list(islice(schedule(seed, [(f"d-{n}", KINDS) for n in range(devices)]), count))


@given(seed=st.integers(0, 2**32), devices=st.integers(1, 40))
def test_a_seed_decides_the_hazards(seed: int, devices: int) -> None:
    assert hazards(seed, devices, 20) == hazards(seed, devices, 20)
    assert hazards(seed, devices, 20) != hazards(seed + 1, devices, 20)


@given(seed=st.integers(), devices=st.integers(1, 40))
def test_hazards_begin_at_once_and_leave_each_device_time_to_recover(
    seed: int, devices: int
) -> None:
    planned = hazards(seed, devices, 40)
    assert FIRST_START_S[0] <= planned[0].start <= FIRST_START_S[1]
    rested_at: dict[str, float] = {}
    for hazard in planned:
        assert hazard.start >= rested_at.get(hazard.device, 0.0)
        assert BUILD_S[0] <= hazard.repair - hazard.start <= BUILD_S[1]
        rested_at[hazard.device] = hazard.start + REST_S
    for earlier, later in pairwise(planned):
        assert later.start - earlier.start >= GAP_S[0]
        if devices > REST_S / GAP_S[0]:  # somebody is always rested
            assert later.start - earlier.start <= GAP_S[1]


@given(start=st.floats(0, 1e6), build_s=st.floats(*BUILD_S), part=st.floats(0, 1))
def test_a_fault_grows_from_nothing_to_one(start: float, build_s: float, part: float) -> None:
    hazard = Hazard("d-1", "fire", start, start + build_s)
    assert hazard.severity(start - 1.0) == hazard.severity(start) == 0.0
    assert hazard.severity(hazard.repair) == hazard.severity(hazard.repair + 1.0) == 1.0
    grown = hazard.severity(start + part * build_s)
    assert part - 1e-3 <= grown <= 1.0
