"""Results of takes become the run's record, and the answer for an upstream system."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from previs.planning.make_plan import make_plan
from previs.planning.plan import Plan, PlannedTake, ReferenceImage, RunWorkflow
from previs.planning.schedule import TakeResult
from previs.publishing.results import (
    RunIdentity,
    failure_message,
    make_manifest,
    missing_shots,
    name_run,
    result_of,
)
from previs.records.manifest import Manifest
from previs.records.takes import Frame, TakeRecord
from previs.shots import read_shot_list
from previs.workflow import read_workflow

STARTED = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)
FACTS = RunIdentity("夜景", "20261031-174000-abcdef01", STARTED, {"checkpoint": "a.safetensors"})
UPSTREAM = {
    "shot_id": 1,
    "prompt": "电影风格，广角镜头，城市夜景...",
    "references": [],
    "duration": 3.0,
    "镜头": "广角",
}


def plan(*shots: dict[str, Any], **fields: Any) -> Plan:
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    return make_plan(read_shot_list({"shots": list(shots)} | fields), {None: RunWorkflow(workflow)}, {})


def shot(shot_id: int | str, **fields: Any) -> dict[str, Any]:
    return {"shot_id": shot_id, "prompt": f"镜头 {shot_id}", "duration": 2.0} | fields


def frame(name: str) -> Frame:
    mark = hashlib.sha256(name.encode()).hexdigest()
    return Frame(key=f"frames/{name}.png", sha256=mark, size=3, media_type="image/png", width=4, height=4)


def rendered(take: PlannedTake, *names: str, outcome: Any = "rendered") -> TakeResult:
    record = TakeRecord(
        fingerprint=take.fingerprint,
        seed=take.seed,
        prompt_id=f"prompt of {take.label}",
        server="http://render-01:8188",
        seconds=1.5,
        finished=STARTED,
        frames=tuple(frame(name) for name in names),
    )
    return TakeResult(take, outcome, record)


def failed(take: PlannedTake, error: str) -> TakeResult:
    return TakeResult(take, "failed", error=error)


def links(*names: str) -> dict[str, str]:
    return {f"frames/{name}.png": f"https://cdn/{name}.png" for name in names}


def manifest(made: Plan, *results: TakeResult, **how: Any) -> Manifest:
    frames = [each for result in results if result.record for each in result.record.frames]
    addresses = {each.key: f"s3://board/{each.key}" for each in frames}
    return make_manifest(made, results, FACTS, addresses, **({"finished": STARTED + timedelta(minutes=4)} | how))


def test_the_record_is_in_the_order_of_the_plan_whatever_ended_first() -> None:
    made = plan(shot("B", takes=2), shot("A"))
    b1, b2, a1 = made.takes
    record = manifest(made, rendered(a1, "a"), rendered(b2, "b2"), rendered(b1, "b1", outcome="cached"))
    assert [(each.shot_id, [take.take for take in each.takes]) for each in record.shots] == [("B", [1, 2]), ("A", [1])]
    assert [take.outcome for take in record.shots[0].takes] == ["cached", "rendered"]
    assert record.shots[0].image_url == "s3://board/frames/b1.png"


def test_a_shot_of_which_nothing_is_known_is_left_out() -> None:
    made = plan(shot("A"), shot("B"))
    assert [each.shot_id for each in manifest(made, rendered(made.takes[1], "b")).shots] == ["B"]
    assert manifest(made).shots == ()


def test_a_take_is_recorded_with_all_that_made_it() -> None:
    made = plan(shot("A", seed=7))
    [take] = made.takes
    [entry] = manifest(made, rendered(take, "one", "two")).shots[0].takes
    assert (entry.take, entry.outcome, entry.seed, entry.seconds) == (1, "rendered", 7, 1.5)
    assert (entry.fingerprint, entry.graph) == (take.fingerprint, take.graph)
    assert (entry.server, entry.prompt_id) == ("http://render-01:8188", "prompt of A · take 1")
    assert [each.key for each in entry.frames] == ["frames/one.png", "frames/two.png"]
    assert entry.image_url == "s3://board/frames/one.png"
    assert entry.error is None


def test_a_failed_take_is_recorded_with_its_reason_and_costs_its_shot_the_success_alone() -> None:
    made = plan(shot("A", takes=2))
    first, second = made.takes
    [entry] = manifest(made, failed(first, "out of memory"), rendered(second, "two")).shots
    assert entry.success is False
    assert entry.image_url == "s3://board/frames/two.png"
    assert [(take.outcome, take.error, take.image_url) for take in entry.takes] == [
        ("failed", "out of memory", None),
        ("rendered", None, "s3://board/frames/two.png"),
    ]


def test_shot_and_list_are_recorded_as_they_were_given() -> None:
    made = plan(UPSTREAM, title="雨夜", fps=25, director="陈")
    record = manifest(made, rendered(made.takes[0], "a"), servers=iter(["http://a"]), problems=iter(["b is away"]))
    assert record.shots[0].shot == UPSTREAM
    assert (record.title, record.fps, record.shot_list) == ("雨夜", 25, {"director": "陈"})
    assert (record.board, record.run, record.started) == (FACTS.board, FACTS.run, STARTED)
    assert (record.workflow, record.servers, record.problems) == (
        FACTS.workflow,
        ("http://a",),
        ("kept, not used: fields of the list: director; fields of shots: 镜头 (like shot_id?)", "b is away"),
    )
    assert record.duration == 3.0


def test_a_record_survives_being_written_and_read_and_names_its_schema_first() -> None:
    made = plan(UPSTREAM, shot("SQ010_SH010"))
    record = manifest(made, rendered(made.takes[0], "a"), failed(made.takes[1], "节点失败"))
    written = record.model_dump_json(by_alias=True)
    assert Manifest.model_validate_json(written) == record
    assert next(iter(json.loads(written).items())) == ("schema", "previs.manifest/2")
    assert "电影风格" in written


def test_an_upstream_system_reads_back_what_it_gave_with_links_that_work_now() -> None:
    made = plan(UPSTREAM, shot("SH02"))
    first, second = made.takes
    record = manifest(made, rendered(first, "one", "two"), failed(second, "stalled"))
    assert result_of(record, links("one", "two")) == [
        {
            "shot_id": 1,
            "success": True,
            "image_url": "https://cdn/one.png",
            "prompt": UPSTREAM["prompt"],
            "takes": [
                {
                    "take": 1,
                    "outcome": "rendered",
                    "seed": first.seed,
                    "image_urls": ["https://cdn/one.png", "https://cdn/two.png"],
                    "error": None,
                }
            ],
        },
        {
            "shot_id": "SH02",
            "success": False,
            "image_url": None,
            "prompt": "镜头 SH02",
            "takes": [{"take": 1, "outcome": "failed", "seed": second.seed, "image_urls": [], "error": "stalled"}],
        },
    ]


def test_what_is_read_back_is_json() -> None:
    made = plan(UPSTREAM)
    result = result_of(manifest(made, rendered(made.takes[0], "a")), links("a"))
    assert json.loads(json.dumps(result)) == result


def test_the_failure_names_every_shot_and_the_reasons_of_the_first() -> None:
    made = plan(*(shot(f"SH{number:02d}") for number in range(1, 9)))
    record = manifest(made, rendered(made.takes[0], "a"), *(failed(take, "no room") for take in made.takes[1:]))
    head, *reasons = failure_message(record).splitlines()
    assert head == "7 of 8 shots failed: SH02, SH03, SH04, SH05, SH06, SH07, SH08"
    assert reasons == [f"SH{number:02d}: no room" for number in range(2, 7)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (STARTED, STARTED + timedelta(milliseconds=1)),
        (STARTED, STARTED + timedelta(seconds=1)),
        (STARTED, STARTED.replace(year=2027, month=1, day=1)),
        (STARTED.replace(hour=9), STARTED.replace(hour=10)),
    ],
)
def test_names_of_runs_sort_by_time(earlier: datetime, later: datetime) -> None:
    assert name_run(earlier, "ffffffff-0000") < name_run(later, "00000000-0000")
    assert name_run(STARTED, "01234567-89ab-cdef") == "20261031-174000-000-01234567"


def test_two_runs_of_one_second_have_names_of_their_own() -> None:
    assert name_run(STARTED, "01234567") != name_run(STARTED, "01234568")


def test_signatures_of_signed_addresses_are_no_part_of_the_record() -> None:
    signed = "https://cdn.studio/ref.png?X-Amz-Signature=s3cret"
    shots = read_shot_list([shot(1, references=[{"url": signed, "reference_id": "a"}])])
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    made = make_plan(shots, {None: RunWorkflow(workflow)}, {signed: ReferenceImage(b"picture", ".png", "ab" * 32)})
    written = manifest(made, failed(made.takes[0], "no")).model_dump_json()
    assert "https://cdn.studio/ref.png" in written
    assert "s3cret" not in written


def test_shots_that_are_not_on_the_board_are_named() -> None:
    made = plan(shot("A"), shot("B"), shot("C"))
    ends = [rendered(take, take.shot.label) for take in made.takes]
    assert missing_shots(made, ends) == ()
    assert missing_shots(made, ends[1:2]) == (
        "2 shots are not on the board: not selected, and not rendered yet as listed: A, C",
    )
