"""Check the progress of a run, its events, and the lines that carry them between processes."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.planning.make_plan import make_plan
from previs.planning.plan import PlannedTake, RunWorkflow
from previs.publishing.views import Progress, RunningTake
from previs.rendering.progress import (
    BoardPublished,
    ProgressEvent,
    RunProgress,
    TakeSettled,
    emit,
    from_line,
    listening,
    to_line,
)
from previs.shots import read_shot_list
from previs.workflow import read_workflow

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
COUNTS = st.integers(0, 10_000)
SECONDS = st.floats(0, 1e6)
EVENTS = (
    TEXTS
    | st.builds(
        TakeSettled,
        label=TEXTS,
        outcome=st.sampled_from(["rendered", "cached", "failed", "skipped"]),
        place=TEXTS,
        seconds=SECONDS,
        error=TEXTS,
    )
    | st.builds(BoardPublished, page=TEXTS, manifest=TEXTS, message=TEXTS, complete=st.booleans())
    | st.builds(
        Progress,
        rendered=COUNTS,
        cached=COUNTS,
        failed=COUNTS,
        skipped=COUNTS,
        waiting=COUNTS,
        running=st.lists(
            st.builds(RunningTake, shot_id=COUNTS | TEXTS, take=COUNTS, server=TEXTS, step=COUNTS, steps=COUNTS),
            max_size=3,
        ).map(tuple),
        elapsed=SECONDS,
        title=TEXTS,
        notice=TEXTS,
    )
)


def takes(count: int) -> list[PlannedTake]:
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    shots = [{"shot_id": f"SH{number:02d}", "prompt": "夜", "duration": 1} for number in range(1, count + 1)]
    return list(make_plan(read_shot_list(shots), {None: RunWorkflow(workflow)}, {}).takes)


def counts(progress: Progress) -> tuple[int, int, int, int, int]:
    return progress.rendered, progress.cached, progress.failed, progress.waiting, len(progress.running)


@given(EVENTS)
def test_a_line_carries_any_event(event: ProgressEvent) -> None:
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event
    assert type(from_line(line)) is type(event)
    assert from_line(line.encode() + b"\n") == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "11:02:03 | INFO | Flow run 'x' - Created task run",
        "{",
        "[]",
        '["say"]',
        "null",
        "7",
        '"say"',
        "{}",
        '{"say": "a", "settled": {}}',
        '{"say": 7}',
        '{"shout": "a"}',
        '{"settled": {"label": "a"}}',
        '{"settled": {"label": "a", "outcome": "lost"}}',
        '{"settled": "a"}',
        '{"board": null}',
        '{"progress": {"waiting": "many"}}',
        b"\xff\xfe\x00",
        b"\x80\n",
        "9" * 10_000,
    ],
)
def test_a_line_without_event_reads_as_none(line: str | bytes) -> None:
    assert from_line(line) is None


@given(st.text() | st.binary())
def test_no_line_raises_an_error(line: str | bytes) -> None:
    from_line(line)


def test_an_event_reaches_the_innermost_listener_alone() -> None:
    first: list[ProgressEvent] = []
    second: list[ProgressEvent] = []
    emit("before")
    with listening(first.append):
        emit("one")
        with listening(second.append):
            emit("two")
        emit("three")
    emit("after")
    assert (first, second) == (["one", "three"], ["two"])


async def test_a_task_that_starts_under_a_listener_keeps_it_to_its_end() -> None:
    received: list[ProgressEvent] = []
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        emit("done")

    with listening(received.append):
        working = asyncio.create_task(work())
    go.set()
    await working
    assert received == ["done"]


def test_progress_counts_takes_by_state() -> None:
    progress, received = RunProgress(), list[Any]()
    one, two, three, four = takes(4)
    with listening(received.append):
        progress.expect("雨夜", [one, two, three, four])
        assert counts(progress.snapshot()) == (0, 0, 0, 4, 0)
        progress.settled(one, TakeSettled(one.label, "cached"))
        progress.running(two, "http://a")
        progress.running(two, "http://a", 3, 20)
        progress.running(three, "http://b")
        assert counts(progress.snapshot()) == (0, 1, 0, 1, 2)
        progress.waiting(three)
        assert counts(progress.snapshot()) == (0, 1, 0, 2, 1)
        progress.settled(two, TakeSettled(two.label, "rendered", "http://a", 1.5))
        progress.settled(three, TakeSettled(three.label, "failed", error="no room"))
        progress.settled(four, TakeSettled(four.label, "rendered"))
    assert counts(progress.snapshot()) == (2, 1, 1, 0, 0)
    assert progress.snapshot().title == "雨夜"
    assert [event.outcome for event in received if isinstance(event, TakeSettled)] == [
        "cached",
        "rendered",
        "failed",
        "rendered",
    ]
    assert max(event.total for event in received if isinstance(event, Progress)) == 4
    steps = [
        take.step
        for event in received
        if isinstance(event, Progress)
        for take in event.running
        if take.server == "http://a"
    ]
    assert max(steps) == 3


def test_a_skipped_take_is_settled_and_not_counted_as_failed() -> None:
    progress, received = RunProgress(), list[Any]()
    one, two = takes(2)
    with listening(received.append):
        progress.expect("雨夜", [one, two])
        progress.settled(one, TakeSettled(one.label, "failed", error="no room"))
        progress.settled(two, TakeSettled(two.label, "skipped", error="SH01, which it builds on, has no frame"))
    snapshot = progress.snapshot()
    assert (snapshot.failed, snapshot.skipped, snapshot.settled, snapshot.waiting) == (1, 1, 2, 0)
    assert TakeSettled(two.label, "skipped", error="SH01, which it builds on, has no frame") in received


def test_a_take_that_is_settled_again_counts_once() -> None:
    progress, [one] = RunProgress(), takes(1)
    progress.expect("雨夜", [one])
    progress.settled(one, TakeSettled(one.label, "failed", error="no room"))
    progress.settled(one, TakeSettled(one.label, "rendered", "http://a", 1.5))
    assert counts(progress.snapshot()) == (1, 0, 0, 0, 0)


def test_a_notice_is_emitted_and_stays_in_the_progress() -> None:
    progress, received = RunProgress(), list[Any]()
    with listening(received.append):
        progress.notice("http://a is unreachable")
    assert received == ["http://a is unreachable"]
    assert progress.snapshot().notice == "http://a is unreachable"


def test_a_line_holds_its_event_under_one_key() -> None:
    line = to_line(TakeSettled("SH01 · take 1", "rendered", "http://a", 1.5))
    assert json.loads(line) == {
        "settled": {
            "label": "SH01 · take 1",
            "outcome": "rendered",
            "place": "http://a",
            "seconds": 1.5,
            "error": "",
            "marks": "",
        }
    }
