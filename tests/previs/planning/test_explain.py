"""Check the sentences that explain why a take must be rendered."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from previs.planning.cache import Found
from previs.planning.explain import NEW_SHOT, NEW_TAKE, REFRESHED, LastRun, last_run, to_render, why
from previs.planning.make_plan import make_plan
from previs.planning.plan import PlannedTake, RunWorkflow, TakeFrame
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame, TakeRecord
from previs.shots import read_shot_list
from previs.workflow import read_workflow

STARTED = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)
SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "controlnet": "canny.safetensors"}


def shot(shot_id: int | str, prompt: str = "夜", **fields: Any) -> dict[str, Any]:
    return {"shot_id": shot_id, "prompt": prompt, "duration": 2.0} | fields


def planned(*shots: dict[str, Any], **workflow: Any) -> tuple[PlannedTake, ...]:
    made = read_workflow(SETTINGS | workflow, name="the workflow settings")
    return make_plan(read_shot_list(list(shots)), {None: RunWorkflow(made)}, {}).takes


def frame(take: PlannedTake) -> Frame:
    """Return the frame of a take, equal for equal fingerprints."""
    sha256 = hashlib.sha256(take.fingerprint.encode()).hexdigest()
    return Frame(
        key=f"frames/{sha256[:2]}/{sha256}.png", sha256=sha256, size=3, media_type="image/png", width=4, height=4
    )


def entry(take: PlannedTake, made: dict[TakeFrame, Frame], **fields: Any) -> TakeEntry:
    carried_out = take.with_sources({source: made[source] for source in take.builds_on})
    facts: dict[str, Any] = {
        "take": take.number,
        "outcome": "rendered",
        "fingerprint": take.fingerprint,
        "seed": take.seed,
        "frames": (frame(take),),
        "graph": dict(carried_out.graph),
    }
    return TakeEntry(**facts | fields)


def run(takes: Sequence[PlannedTake], **fields: Any) -> LastRun:
    """Return the run that rendered these takes."""
    made = {TakeFrame(take.shot.label, take.number, take.fingerprint): frame(take) for take in takes}
    shots: dict[str, list[PlannedTake]] = {}
    for take in takes:
        shots.setdefault(take.shot.label, []).append(take)
    entries = [
        ShotEntry(
            shot_id=of_shot[0].shot.shot_id,
            success=True,
            image_url=None,
            prompt=of_shot[0].shot.prompt,
            duration=2.0,
            shot=of_shot[0].shot.given(),
            takes=tuple(entry(take, made, **fields) for take in of_shot),
        )
        for of_shot in shots.values()
    ]
    manifest = Manifest(
        board="夜景",
        run="r1",
        started=STARTED,
        finished=STARTED,
        workflow="a",
        shots=tuple(entries),
        schema=Manifest.model_fields["schema_name"].default,
    )
    return last_run(Manifest.model_validate_json(manifest.model_dump_json(by_alias=True)))


def test_a_shot_that_the_last_run_did_not_have_is_new() -> None:
    assert why(planned(shot("B"))[0], run(planned(shot("A")))) == (NEW_SHOT,)
    assert why(planned(shot("B"))[0], last_run(None)) == (NEW_SHOT,)


def test_a_take_that_the_last_run_did_not_have_is_new() -> None:
    _, second = planned(shot("A", takes=2))
    assert why(second, run(planned(shot("A")))) == (NEW_TAKE,)


def test_a_shot_keeps_its_identity_where_its_number_became_a_text() -> None:
    [take] = planned(shot("7", "晨"))
    assert why(take, run(planned(shot(7)))) == ('prompt at node positive (CLIPTextEncode): "夜" → "晨"',)


def test_changes_are_reported_without_the_seed_derived_from_them() -> None:
    [take] = planned(shot("A", "晨"))
    [before] = planned(shot("A"))
    assert take.seed != before.seed
    assert why(take, run([before])) == ('prompt at node positive (CLIPTextEncode): "夜" → "晨"',)


@pytest.mark.parametrize(("first", "second"), [(3, 4), (None, 4), (3, None), (3, -1)])
def test_a_seed_of_the_shots_own_then_or_now_is_reported(first: int | None, second: int | None) -> None:
    [before], [take] = planned(shot("A", seed=first)), planned(shot("A", "晨", seed=second))
    assert why(take, run([before]))[1:] == (f"seed at node sampler (KSampler): {before.seed} → {take.seed}",)


def test_many_changes_are_shortened() -> None:
    changed = {"steps": 3, "cfg_scale": 2.0, "sampler": "heun", "scheduler": "karras", "checkpoint": "b.safetensors"}
    reasons = why(planned(shot("A", "晨"), **changed)[0], run(planned(shot("A"))))
    assert len(reasons) == 6
    assert reasons[:2] == (
        'prompt at node positive (CLIPTextEncode): "夜" → "晨"',
        'checkpoint at node checkpoint (CheckpointLoaderSimple): "sd_xl_base_1.0.safetensors" → "b.safetensors"',
    )
    assert reasons[-1] == "and 1 more change"


CHAIN = [shot("A"), shot("B", references=[{"url": "shot:A", "reference_id": "before"}])]


def test_a_shot_whose_source_changed_says_so_by_the_sources_name() -> None:
    first, second = planned(shot("A", "晨"), CHAIN[1])
    last = run(planned(*CHAIN))
    assert why(first, last) == ('prompt at node positive (CLIPTextEncode): "夜" → "晨"',)
    assert why(second, last) == (
        "shot A, take 1, the picture of reference (control) at node reference_1 (LoadImage) changed",
    )


def test_a_shot_that_builds_on_another_says_only_its_own_change() -> None:
    _, second = planned(CHAIN[0], CHAIN[1] | {"prompt": "晨"})
    assert why(second, run(planned(*CHAIN))) == ('prompt at node positive (CLIPTextEncode): "夜" → "晨"',)


def test_a_take_that_only_the_store_lost_says_so() -> None:
    takes = planned(shot("A"))
    assert why(takes[0], run(takes)) == ("its record is gone",)


def test_a_take_that_failed_says_with_what() -> None:
    takes = planned(shot("A"))
    failed = run(takes, outcome="failed", frames=(), error="node 3 (KSampler) failed on http://a: no")
    assert why(takes[0], failed) == ("it failed in the last run: node 3 (KSampler) failed on http://a: no",)
    assert why(takes[0], run(takes, outcome="failed", frames=())) == ("it failed in the last run",)
    skipped = run(takes, outcome="skipped", frames=(), error="shot B failed")
    assert why(takes[0], skipped) == ("it was skipped in the last run: shot B failed",)


def test_a_run_that_recorded_no_graph_is_not_compared() -> None:
    [take] = planned(shot("A", "晨"))
    assert why(take, run(planned(shot("A")), graph={})) == ("the last run did not record what it was made from",)


def test_another_fingerprint_of_the_same_graph_is_reported() -> None:
    takes = planned(shot("A"))
    assert why(takes[0], run(takes, fingerprint="0" * 64)) == (
        "this version of previs gives the same graph another fingerprint",
    )


def test_a_known_reason_goes_before_all_others() -> None:
    [take] = planned(shot("A", "晨"))
    assert why(take, run(planned(shot("A"))), known="frames/ab.png is missing") == ("frames/ab.png is missing",)
    assert why(replace(take, render_nonce="run 2"), run([take])) == (REFRESHED,)


def found_for(take: PlannedTake, picture: str, *, reason: str = "", **sources: str) -> dict[str, Found]:
    frame = Frame(key=f"frames/{picture}", sha256=picture, size=1, media_type="image/png")
    record = TakeRecord(
        fingerprint=take.fingerprint,
        seed=take.seed,
        prompt_id="p",
        server="http://a:8188",
        seconds=1,
        finished=datetime(2026, 11, 1, tzinfo=UTC),
        frames=(frame,),
        sources={each.fingerprint: sources[each.shot_id] for each in take.builds_on},
    )
    return {take.fingerprint: Found(record, reason)}


def chained() -> tuple[PlannedTake, ...]:
    """Return A and B, which builds on A."""
    return planned(shot("A"), shot("B", references=[{"url": "shot:A", "reference_id": "a"}]))


def test_a_stored_take_whose_sources_are_the_same_is_not_rendered() -> None:
    a, b = chained()
    assert to_render([a, b], found_for(a, "1") | found_for(b, "2", A="1")) == {}


def test_a_missing_or_unusable_take_is_rendered() -> None:
    a, b = chained()
    assert to_render([a, b], {}) == {a.label: "", b.label: ""}
    assert to_render([a], found_for(a, "1", reason="it is gone")) == {a.label: "it is gone"}
    assert to_render([replace(a, render_nonce="again")], found_for(a, "1")) == {a.label: ""}


def test_a_take_is_rendered_if_a_take_that_it_builds_on_is() -> None:
    a, b = chained()
    assert to_render([a, b], found_for(b, "2", A="1")) == {
        a.label: "",
        b.label: "A · take 1, which it builds on, is rendered again",
    }


def test_a_take_made_from_another_frame_is_rendered() -> None:
    a, b = chained()
    found = found_for(a, "new") | found_for(b, "2", A="old")
    assert to_render([a, b], found) == {b.label: "A · take 1, which it builds on, was rendered again"}
