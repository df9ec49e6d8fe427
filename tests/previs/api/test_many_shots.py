"""A list is rendered with a bound on how many takes are in work, and every take settles."""

import asyncio
import json
from pathlib import Path

import pytest

import previs
from previs.errors import NodeFailed, PlanRefused, ShotListFaults
from previs.simulator import Faults
from previs.simulator.script import Cue
from tests.conftest import Serve
from tests.previs.api.sessions import SETTINGS, WITH_REFERENCES, most_in_work, session_of, shot
from tests.previs.planning.test_passes import image_to_image


async def test_as_many_takes_are_in_work_as_asked_for_on_all_servers_together(simulate: Serve, tmp_path: Path) -> None:
    served = [await simulate() for _ in range(2)]
    settled: list[previs.ShotResult] = []
    async with session_of(tmp_path, *(url for _, url in served)) as session:
        shots = [shot(number) for number in range(12)]
        results = await session.render_many(shots, SETTINGS, at_once=3, on_settled=settled.append)
    assert [(each.shot_id, each.take, each.outcome, each.success) for each in results] == [
        (number, 1, "rendered", True) for number in range(12)
    ]
    assert sorted(each.shot_id for each in settled) == list(range(12))
    assert most_in_work(simulator for simulator, _ in served) == 3


async def test_a_take_that_fails_stops_no_other_and_says_why(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate(faults=Faults(fail_on="雷"))
    async with session_of(tmp_path, url) as session:
        results = await session.render_many([shot(1), shot(2, "雷"), shot(3, "雷"), shot(4)], SETTINGS)
    assert [each.outcome for each in results] == ["rendered", "failed", "failed", "rendered"]
    assert [each.outputs is not None for each in results] == [True, False, False, True]
    assert isinstance(results[1].cause, NodeFailed)
    assert results[2].cause is results[1].cause
    assert results[1].error == str(results[1].cause)


async def test_shots_wait_for_the_frames_they_use_and_are_skipped_without(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(faults=Faults(fail_on="雷"))
    shots = [shot("B", "雨", "shot:A"), shot("A"), shot("D", "雪", "shot:C"), shot("C", "雷")]
    async with session_of(tmp_path, url) as session:
        results = await session.render_many(shots, WITH_REFERENCES, at_once=1)
    assert [(each.shot_id, each.outcome) for each in results] == [
        ("B", "rendered"),
        ("A", "rendered"),
        ("D", "skipped"),
        ("C", "failed"),
    ]
    assert "C · take 1, which it builds on, has no picture" in results[2].error
    assert results[2].cause is None
    assert len(simulator.uploads) == 1


async def test_a_list_at_a_path_is_rendered_with_its_takes_and_again_from_the_store(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    path = tmp_path / "shots.json"
    path.write_text(json.dumps([shot(1), shot(2, takes=3), shot(3, "夜 1")]))
    async with session_of(tmp_path / "store", url) as session:
        first = await session.render_many(path, SETTINGS)
        again = await session.render_many(str(path), SETTINGS)
    assert [(each.shot_id, each.take) for each in first] == [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)]
    # Shot 3 equals shot 1, and takes over its picture.
    assert [each.outcome for each in first] == [*["rendered"] * 4, "cached"]
    assert {each.outcome for each in again} == {"cached"}
    assert len(simulator.posted) == 4


async def test_a_list_and_single_shots_of_one_session_share_renders(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    async with session_of(tmp_path, url) as session:
        single, many = await asyncio.gather(
            session.render(shot(1, "夜"), SETTINGS), session.render_many([shot(7, "夜"), shot(8)], SETTINGS)
        )
    assert many[0].outputs is not None
    assert many[0].outputs.files == single.files
    assert len(simulator.posted) == 2


async def test_the_time_of_a_take_begins_when_it_is_in_work(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate(faults=Faults(stall_on="迷路"))
    shots = [shot(1, "迷路"), shot(2)]
    async with session_of(tmp_path, url) as session:
        results = await session.render_many(shots, SETTINGS, at_once=1, timeout=1.5)
    assert [each.outcome for each in results] == ["failed", "rendered"]
    assert isinstance(results[0].cause, TimeoutError)


async def test_what_cannot_be_rendered_is_reported_before_anything_is_posted(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    async with session_of(tmp_path, url) as session:
        with pytest.raises(ShotListFaults, match="2 faults"):
            await session.render_many([shot(1), shot(2, duration=0), shot(3, prompt=" ")], SETTINGS)
        with pytest.raises(PlanRefused, match="no server can render 2 takes"):
            await session.render_many([shot(1), shot(2)], SETTINGS | {"checkpoint": "none.safetensors"})
        with pytest.raises(ValueError, match="at_once is 0"):
            await session.render_many([shot(1)], SETTINGS, at_once=0)
    assert simulator.posted == []


async def test_a_pass_has_a_result_of_its_own_and_a_single_shot_says_that_its_passes_are_left_out(
    simulate: Serve, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "finish.json").write_text(json.dumps(image_to_image()))
    (tmp_path / "list.json").write_text(json.dumps([shot(1, passes=["finish.json"])]))
    async with session_of(tmp_path / "store", url) as session:
        results = await session.render_many(tmp_path / "list.json", SETTINGS)
        assert [(each.take, each.pass_name, each.success) for each in results] == [(1, "", True), (1, "finish", True)]
        bound = await session.build(shot(1, passes=[str(tmp_path / "finish.json")]), SETTINGS)
    assert "passes of a single shot are left out: render_many renders them" in bound.notices


async def test_a_faulty_frame_is_marked_or_rendered_once_more(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(faults=Faults(black_frames=1))
    async with session_of(tmp_path / "retry", url) as session:
        retried = await session.render_many([shot(1, qc="retry")], SETTINGS)
        again = await session.render_many([shot(1, qc="retry")], SETTINGS)
        assert len(simulator.posted) == 2
        [marked] = await session.render_many([shot(1)], SETTINGS)
    assert [(each.marks, each.outcome) for each in (*retried, *again)] == [((), "rendered"), ((), "cached")]
    assert (marked.marks, marked.outcome) == (("black frame",), "cached")
    assert retried[0].outputs is not None
    assert again[0].outputs is not None
    assert retried[0].outputs.main == again[0].outputs.main


async def test_a_second_render_that_fails_leaves_the_first(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(
        faults=Faults(black_frames=1), script=(Cue(after_prompts=2, set={"fail_on": "夜"}),)
    )
    async with session_of(tmp_path, url) as session:
        [result] = await session.render_many([shot(1, qc="retry")], SETTINGS)
    assert (result.success, result.marks, result.error) == (True, ("black frame",), "")
    assert len(simulator.posted) == 2
