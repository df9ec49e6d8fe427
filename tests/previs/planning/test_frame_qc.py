"""Decide what frame QC marks, what is rendered once more, and which of two renders is shown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from previs.boards.retention import run_of
from previs.boards.runs import RunLocation
from previs.planning.cache import Found
from previs.planning.explain import MARKED, last_run, to_render, why
from previs.planning.fingerprint import derived_seed, retry_seed
from previs.planning.frame_qc import board_marks, look_marks, next_render, retry_of, shown_of, shown_record
from previs.planning.make_plan import make_plan
from previs.planning.parts import divide
from previs.planning.plan import Plan, PlannedTake, RunWorkflow
from previs.planning.schedule import Render, Reuse, ScheduledTake, TakeResult, make_schedule
from previs.publishing.results import RunIdentity, make_manifest
from previs.records.manifest import Manifest
from previs.records.takes import Frame, Pick, Pixels, TakeRecord
from previs.shots import read_shot_list
from previs.workflow import read_workflow
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE
from tests.previs.planning.test_passes import image_to_image, upscaler, workflow
from tests.previs.planning.test_schedule import MADE

BLACK = Pixels(darkest=(0, 0, 0), brightest=(2, 2, 2))
GREY = Pixels(darkest=(126, 126, 126), brightest=(127, 127, 127))
GOOD = Pixels(darkest=(0, 0, 0), brightest=(250, 250, 250))
FROZEN = Pixels(darkest=(0, 0, 0), brightest=(250, 250, 250), moves=False)
SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 1024, "height": 576}


def seedless() -> dict[str, Any]:
    """Return a graph whose sampler has no seed."""
    graph = copied(TEXT_TO_IMAGE)
    del graph["3"]["inputs"]["seed"]
    graph["6"]["_meta"] = {"title": "shot.prompt"}
    return graph


def plan(*shots: dict[str, Any], picks: dict[str, Pick] | None = None, **fields: Any) -> Plan:
    numbered = [
        {"shot_id": f"SH{number}", "prompt": "夜", "duration": 1} | each for number, each in enumerate(shots, 1)
    ]
    workflows = {None: RunWorkflow(read_workflow(SETTINGS, name="the workflow settings"))}
    return make_plan(read_shot_list(fields | {"shots": numbered}), workflows, {}, picks=picks)


def retried(*shots: dict[str, Any], **fields: Any) -> tuple[PlannedTake, PlannedTake]:
    """Return the first take of a list that asks for retries, and its retry."""
    take = plan(*(shots or ({},)), qc="retry", **fields).takes[0]
    assert take.retry is not None
    return take, take.retry


def record(take: PlannedTake, pixels: Pixels | None = GOOD, name: str = "", **fields: Any) -> TakeRecord:
    sha = (name or take.fingerprint)[:64]
    frame = Frame(
        **{"key": f"frames/{sha}", "sha256": sha, "size": 1, "media_type": "image/png", "pixels": pixels} | fields
    )
    known = {"fingerprint": take.fingerprint, "seed": take.seed, "prompt_id": "p", "server": "http://a", "seconds": 1.0}
    return TakeRecord(**known, finished=MADE, frames=(frame,), sources=dict(take.sources))


def result(take: PlannedTake, *how: Any, **fields: Any) -> TakeResult:
    return TakeResult(take, "rendered", record(take, *how, **fields))


def scheduled(take: PlannedTake, *stored: TakeRecord, wanted: bool = True) -> ScheduledTake:
    found = {each.fingerprint: Found(each) for each in stored}
    [made] = make_schedule(Plan(read_shot_list([take.shot.given()]), (take,), frozenset([take.label])), found)
    return replace(made, wanted=wanted)


def kinds(results: Sequence[TakeResult], aspect: str | None = None) -> dict[str, list[str]]:
    return {label: [mark.kind for mark in marks] for label, marks in board_marks(results, aspect).items()}


def test_qc_changes_no_fingerprint_and_a_retry_has_its_own() -> None:
    plain, (take, retry) = plan({}).takes[0], retried()
    assert (take.fingerprint, take.seed, take.graph) == (plain.fingerprint, plain.seed, plain.graph)
    assert plain.retry is None
    assert (retry.retry_of, retry.label, retry.number) == (take.fingerprint, take.label, take.number)
    assert len({take.fingerprint, retry.fingerprint}) == 2
    assert (retried()[1].fingerprint, retried()[1].seed) == (retry.fingerprint, retry.seed)


def test_the_seed_of_a_retry_differs_from_those_of_all_takes() -> None:
    seeds = [make("f" * 64, take) for take in range(1, 200) for make in (derived_seed, retry_seed)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("fields", "shot", "retries"),
    [
        ({}, {}, False),
        ({"qc": "mark"}, {}, False),
        ({"qc": "retry"}, {}, True),
        ({"qc": "retry"}, {"qc": "off"}, False),
        ({"qc": "off"}, {"qc": "retry"}, True),
        ({"sequences": {"SQ": {"qc": "retry"}}}, {"sequence": "SQ"}, True),
        ({"qc": "retry"}, {"seed": 5}, False),
    ],
)
def test_the_nearest_level_says_what_becomes_of_a_faulty_frame(
    fields: dict[str, Any], shot: dict[str, Any], *, retries: bool
) -> None:
    made = plan(shot, **fields)
    assert (made.takes[0].retry is not None) is retries
    assert ("qc: retry only marks shots that set their own seed: SH1" in made.notices) is ("seed" in shot)


@pytest.mark.parametrize(
    ("pixels", "marks"),
    [
        (BLACK, [("black", "")]),
        (GREY, [("grey", "#7e7e7e")]),
        (Pixels(darkest=(9, 20, 90), brightest=(9, 20, 90)), [("blank", "#09145a")]),
        (FROZEN, [("frozen", "")]),
        (GOOD, []),
        (None, []),
    ],
)
def test_a_frame_is_marked_by_what_was_measured(pixels: Pixels | None, marks: list[tuple[str, str]]) -> None:
    assert [(mark.kind, mark.detail) for mark in look_marks(record(plan({}).takes[0], pixels))] == marks


def test_a_faulty_frame_is_rendered_once_more_and_a_good_one_is_not() -> None:
    take, retry = retried()
    order = retry_of(scheduled(take), result(take, BLACK), [], None)
    assert order is not None
    assert (order[0], order[1][0].kind) == (Render(retry), "black")
    assert retry_of(scheduled(take), result(take), [], None) is None
    assert retry_of(scheduled(take), TakeResult(take, "failed", error="no"), [], None) is None
    assert retry_of(scheduled(take, wanted=False), result(take, BLACK), [], None) is None
    marked = plan({}).takes[0]
    assert retry_of(scheduled(marked), result(marked, BLACK), [], None) is None


def test_a_stored_retry_is_reused_also_that_of_an_equal_take() -> None:
    take, retry = retried()
    made = record(retry)
    order = retry_of(scheduled(take, made, wanted=False), result(take, BLACK), [], None)
    assert order is not None
    assert order[0] == Reuse(retry, made)
    leader = shown_of(result(take, BLACK), result(retry), [], order[1])
    of_leader = retry_of(scheduled(take), leader.first, [], leader)
    assert of_leader is not None
    assert of_leader[0] == Reuse(retry, made)


def test_the_second_render_is_shown_if_it_is_better_and_else_the_first() -> None:
    take, retry = retried()
    first = result(take, BLACK)
    marks = look_marks(record(take, BLACK))
    better = shown_of(first, result(retry), [], marks)
    assert (better.take, better.retried and better.retried.other, better.first) == (retry, first, first)
    for second in (result(retry, GREY), TakeResult(retry, "failed", error="no server")):
        kept = shown_of(first, second, [], marks)
        assert (kept.take, kept.record, kept.first) == (take, first.record, kept)
        assert kept.retried is not None
        assert kept.retried.other is second


def test_a_copy_of_another_take_is_better_than_a_black_frame_and_no_better_than_a_copy() -> None:
    one, two = plan({"takes": 2}, qc="retry").takes
    assert two.retry is not None
    copy, marks = result(two.retry, name="a"), look_marks(record(two, BLACK))
    assert shown_of(result(two, BLACK), copy, [result(one, name="a")], marks).take is two.retry
    order = retry_of(scheduled(two), result(two, name="a"), [result(one, name="a")], None)
    assert order is not None
    assert shown_of(result(two, name="a"), copy, [result(one, name="a")], order[1]).take is two


def test_a_wrong_aspect_is_marked_and_never_rendered_once_more() -> None:
    take, _ = retried({"width": 1024, "height": 576})
    wrong = result(take, width=1024, height=1024)
    assert [(mark.kind, mark.detail) for mark in board_marks([wrong])[take.label]] == [
        ("aspect", "1024×1024 / 1024×576")
    ]
    assert retry_of(scheduled(take), wrong, [], None) is None


@pytest.mark.parametrize(
    ("shot", "aspect", "size", "marked"),
    [
        ({"width": 1024, "height": 576}, "1:1", (2048, 1152), False),
        ({}, "16:9", (1024, 1024), True),
        ({}, "16:9", (1024, 576), False),
        ({}, None, (1024, 1024), False),
        ({"width": 1024}, "16:9", (1024, 1024), False),
        ({"width": 1024, "height": 576, "overrides": {"empty.width": 512}}, None, (512, 576), False),
        ({"width": 1024, "height": 576, "qc": "off"}, None, (512, 576), False),
        ({"width": 1024, "height": 576}, None, (None, None), False),
    ],
)
def test_an_aspect_is_that_of_the_shots_size_or_else_of_the_list(
    shot: dict[str, Any], aspect: str | None, size: tuple[int | None, int | None], *, marked: bool
) -> None:
    take = plan(shot).takes[0]
    found = kinds([result(take, width=size[0], height=size[1])], aspect)
    assert found == ({take.label: ["aspect"]} if marked else {})


def test_the_same_picture_with_another_seed_is_marked_by_its_bytes_or_its_thumbnail() -> None:
    one, two, three = plan({"takes": 3}).takes
    takes = [
        result(one, name="a", thumbnail="data:1"),
        result(two, name="b", thumbnail="data:1"),
        result(three, name="c", thumbnail="data:2"),
    ]
    assert kinds(takes) == {"SH1 · take 2": ["same"]}
    assert board_marks(takes)["SH1 · take 2"][0].detail == "SH1 · take 1"
    films = [
        result(each, name=name, thumbnail="data:1", media_type="video/mp4", duration=2.0)
        for each, name in ((one, "a"), (two, "b"), (three, "a"))
    ]
    assert kinds(films) == {"SH1 · take 3": ["same"]}


def test_equal_takes_passes_and_frames_of_one_colour_are_no_copies() -> None:
    one, two = plan({"takes": 2}).takes
    equal = plan({"shot_id": "A", "seed": 5}, {"shot_id": "B", "seed": 5}).takes
    assert kinds([result(each, name="a") for each in equal]) == {}
    assert kinds([result(each, BLACK, "a") for each in (one, two)]) == {
        "SH1 · take 1": ["black"],
        "SH1 · take 2": ["black"],
    }
    passes = [replace(each, pass_name="finish") for each in (one, two)]  # noqa: S106 - no password
    assert kinds([result(each, name="a") for each in passes]) == {}


def test_the_same_picture_as_a_take_with_a_lower_number_is_rendered_once_more() -> None:
    made = plan({"takes": 2}, qc="retry")
    one, two = made.takes
    before = [result(one, name="a")]
    order = retry_of(scheduled(two), result(two, name="a"), before, None)
    assert order is not None
    assert order[1][0].kind == "same"
    assert retry_of(scheduled(two), result(two, name="b"), before, None) is None


def found_of(*records: TakeRecord) -> dict[str, Found]:
    return {each.fingerprint: Found(each) for each in records}


def test_a_plan_knows_what_is_still_to_be_rendered() -> None:
    take, retry = retried()
    assert next_render(take, {}) == take
    assert next_render(take, found_of(record(take))) is None
    assert next_render(take, found_of(record(take, BLACK))) == retry
    both = found_of(record(take, BLACK), record(retry))
    assert next_render(take, both) is None
    assert shown_record(take, both) == record(retry)
    assert shown_record(take, found_of(record(take, BLACK), record(retry, GREY))) == record(take, BLACK)


def test_a_retry_to_come_is_part_of_what_is_explained_and_divided() -> None:
    made = plan({}, {"prompt": "雨"}, qc="retry")
    one, two = made.takes
    found = found_of(record(one, BLACK), record(two))
    assert to_render(made.takes, found) == {one.label: MARKED}
    assert why(one, last_run(None), known=MARKED) == (MARKED,)
    assert divide(made, found, 1) == [("SH1",)]


def manifest(made: Plan, *results: TakeResult) -> Manifest:
    frames = [frame for each in results if each.record for frame in each.record.frames]
    identity = RunIdentity("b", "r", MADE, {})
    return make_manifest(made, results, identity, {frame.key: frame.key for frame in frames}, finished=MADE)


def test_what_builds_on_a_retried_shot_is_stored_made_from_the_frame_that_is_shown() -> None:
    builds = {"references": [{"url": "shot:SH1", "reference_id": "before"}]}
    made = plan({}, builds, qc="retry")
    one, two = made.takes
    assert one.retry is not None
    assert two.retry is not None
    found = found_of(record(one, BLACK), record(one.retry))
    shown = record(one.retry).frames[0]
    bound = two.with_sources({one.frame: shown})
    assert bound.sources == {one.fingerprint: shown.sha256}
    assert bound.retry is not None
    assert bound.retry.sources == bound.sources
    assert to_render(made.takes, found | found_of(record(bound))) == {}
    assert list(to_render(made.takes, found | found_of(record(two)))) == [two.label]


def test_the_manifest_names_both_renders_and_neither_is_pruned_or_new() -> None:
    made = plan({}, qc="retry")
    [take] = made.takes
    assert take.retry is not None
    marks = look_marks(record(take, BLACK))
    written = manifest(made, shown_of(result(take, BLACK), result(take.retry), [], marks))
    entry = written.shots[0].takes[0]
    assert entry.retried is not None
    assert (entry.fingerprint, entry.seed) == (take.retry.fingerprint, take.retry.seed)
    assert (entry.planned_fingerprint, entry.retried.fingerprint) == (take.fingerprint, take.fingerprint)
    assert (entry.retried.seed, entry.retried.shown, entry.marks) == (take.seed, "second", ())
    assert run_of(RunLocation("b", "r"), written).takes.keys() == {take.fingerprint, take.retry.fingerprint}
    assert why(take, last_run(written)) == ("its record is gone",)


def test_a_picked_render_stays_whichever_of_the_two_it_is() -> None:
    take, retry = retried()

    def picked(fingerprint: str) -> Plan:
        return plan({}, qc="retry", picks={"SH1": Pick(shot_id="SH1", take=1, fingerprint=fingerprint, picked=MADE)})

    assert picked(take.fingerprint).takes[0].retry is None
    assert picked(retry.fingerprint).takes[0].retry == retry
    for each in (take, retry):
        made = picked(each.fingerprint)
        assert made.chosen == {"SH1": 1}
        assert [notice for notice in made.notices if "pick" in notice] == []


def test_a_pass_is_rendered_once_more_unless_its_workflow_takes_no_seed() -> None:
    shots = [{"shot_id": "A", "prompt": "夜", "duration": 1}]
    listed = read_shot_list({"qc": "retry", "passes": ["finish", "up"], "shots": shots})
    workflows = {"finish": workflow(image_to_image()), "up": workflow(upscaler())}
    workflows |= {None: RunWorkflow(read_workflow(SETTINGS, name="the workflow settings"))}  # type: ignore[dict-item]
    take, finish, up = make_plan(listed, workflows, {}).takes  # type: ignore[arg-type]
    assert finish.retry is not None
    assert (finish.retry.pass_name, finish.retry.builds_on) == ("finish", (take.frame,))
    assert up.retry is None


def test_a_workflow_that_takes_no_seed_is_named() -> None:
    listed = read_shot_list({"qc": "retry", "shots": [{"shot_id": "A", "prompt": "夜", "duration": 1}]})
    made = make_plan(listed, {None: workflow(seedless())}, {})
    assert made.takes[0].retry is None
    assert "qc: retry only marks shots whose workflow takes no seed: A" in made.notices
