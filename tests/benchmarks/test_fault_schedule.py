"""A fault schedule has every fault, and no outage that a client could not survive."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fault_schedule import BETWEEN_OUTAGES, LONGEST_OUTAGE, fault_schedule
from previs.simulator import ALWAYS, Cue

seeds, servers = st.integers(0, 10_000), st.integers(0, 20)


def is_outage(cue: Cue) -> bool:
    return cue.door == "closed" or not {"refuse", "hang_up"}.isdisjoint(cue.set)


@given(seeds, servers)
@settings(max_examples=20, deadline=None)
def test_outages_are_short_and_lie_apart(seed: int, server: int) -> None:
    outages = [cue for cue in fault_schedule(seed, server, seconds=60) if is_outage(cue)]
    assert all(0 < (cue.for_seconds or ALWAYS) <= LONGEST_OUTAGE for cue in outages)
    ends = [cue.at + (cue.for_seconds or 0) for cue in outages]
    assert all(later.at - end >= BETWEEN_OUTAGES for end, later in zip(ends, outages[1:], strict=False))


@given(seeds, servers)
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_schedule(seed: int, server: int) -> None:
    assert fault_schedule(seed, server, seconds=20) == fault_schedule(seed, server, seconds=20)


def test_each_server_and_seed_has_its_own_schedule() -> None:
    assert len({fault_schedule(seed, server, seconds=20)[0].at for seed in range(5) for server in range(4)}) == 20


@pytest.mark.parametrize(
    "fault",
    [
        *("refuse", "retry_after", "hang_up", "answer_after", "lose_prompt_answer", "drop_sockets"),
        *("skip_frames", "repeat_frames", "delay_frames", "history_lag", "history_limit", "memory_full"),
        *("cut_downloads", "garbage", "short_files", "long_files"),
    ],
)
def test_every_fault_comes(fault: str) -> None:
    assert any(cue.set.get(fault) for number in range(4) for cue in fault_schedule(0, number))


def test_restarts_and_closed_doors_come() -> None:
    cues = [cue for number in range(4) for cue in fault_schedule(0, number)]
    assert any(cue.restart for cue in cues)
    assert any(cue.door == "closed" and not cue.restart for cue in cues)
    assert any(cue.cut for cue in cues)
