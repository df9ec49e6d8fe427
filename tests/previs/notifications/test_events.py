"""A payload of ``shot-list.ready`` is read, or all its faults are reported; outgoing events report what happened."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from previs.errors import ShotListFaults
from previs.farm.circuit_breaker import FarmChange
from previs.notifications import events
from previs.notifications.events import (
    BoardReady,
    EventName,
    FarmDegraded,
    FarmRecovered,
    RunStatus,
    ShotFailed,
    ShotListReady,
    board_ready,
    farm_changed,
    is_ready,
    make_ready,
    read_ready,
    shot_failed,
)
from previs.notifications.webhook import Message
from previs.planning.plan import PlannedTake
from previs.planning.schedule import TakeResult
from previs.publishing.results import RunIdentity
from previs.records.marks import Mark
from previs.records.takes import Attempt
from previs.shots import Shot, ShotList, read_shot_list
from previs.workflow import WorkflowSettings
from tests.previs.records.field_tables import check_table
from tests.previs.records.published import BEGAN, manifest, take
from tests.previs.records.published import shot as shot_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"
READY = "previs.shot-list-ready/1"
SHOT: dict[str, Any] = {
    "shot_id": "SH01",
    "prompt": '电影 "quoted" {{ x }} {% y %}\n雨 \\',
    "duration": 2.5,
    "镜头": [1, None],
}
SENT: tuple[type[BaseModel], ...] = (BoardReady, ShotFailed, FarmDegraded, FarmRecovered, RunStatus)
DESCRIBED = (ShotListReady, *SENT)

texts = st.text(max_size=8)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        "schema": st.just(READY) | junk,
        "shot_list": junk | st.lists(st.just(SHOT) | junk, max_size=3) | st.fixed_dictionaries({"shots": junk}),
        "board": texts | junk,
        "workflow": texts | st.dictionaries(texts, junk, max_size=2) | junk,
        "more": junk,
    },
)


def nested(depth: int) -> Any:
    inner: Any = []
    for _ in range(depth):
        inner = [inner]
    return inner


def payload(**changes: Any) -> dict[str, Any]:
    return {"schema": READY, "shot_list": [SHOT], "board": "夜景", "workflow": None} | changes


def faults(given: object) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read_ready(given)
    assert caught.value.source == "the event shot-list.ready"
    return [str(fault) for fault in caught.value.faults]


@given(junk | nearly)
@example({"schema": READY, "shot_list": [SHOT]})
def test_any_json_is_read_or_its_faults_are_reported(given: Any) -> None:
    try:
        ready = read_ready(given)
    except ShotListFaults as error:
        result = error.faults
    else:
        result = ()
        assert isinstance(ready.shot_list, str) or read_shot_list(ready.shot_list).shots
    assert all(fault.place and fault.remedy for fault in result)


@pytest.mark.parametrize("depth", [900, 5_000, 100_000])
@pytest.mark.parametrize("field", [None, "schema", "shot_list", "board", "workflow"])
def test_a_payload_nested_deeper_than_any_stack_is_refused(field: str | None, depth: int) -> None:
    deep = nested(depth)
    assert faults(payload(**{field: deep}) if field else deep)


def test_a_payload_with_all_of_its_fields_is_read() -> None:
    ready = read_ready(payload(workflow={"checkpoint": "夜.safetensors"}, unknown=1))
    assert (ready.shot_list, ready.board, ready.workflow) == ([SHOT], "夜景", {"checkpoint": "夜.safetensors"})


@pytest.mark.parametrize("empty", [{}, {"board": None, "workflow": None}])
def test_what_a_payload_does_not_say_is_left_to_the_deployment(empty: dict[str, Any]) -> None:
    ready = read_ready({"schema": READY, "shot_list": "s3://b/list.json"} | empty)
    assert (ready.shot_list, ready.board, ready.workflow) == ("s3://b/list.json", "", None)


@pytest.mark.parametrize("nothing", [None, [], "s3://b/list.json", 7, True])
def test_what_is_no_object_is_refused(nothing: Any) -> None:
    assert faults(nothing) == [f"the payload: {nothing!r}: an object with schema and shot_list"]


SEEN = "what the camera sees, as text that is not blank; or a description"


def test_every_fault_is_reported_at_once_with_its_place() -> None:
    wrong = payload(
        schema="previs.shot-list-ready/2", shot_list=[{"shot_id": "SH01", "duration": 0}], board=7, workflow=[1]
    )
    assert faults(wrong) == [
        "the payload, schema: 'previs.shot-list-ready/2': the one known is previs.shot-list-ready/1",
        "the payload, board: 7: the board's name, as text",
        "the payload, workflow: [1]: an object of settings, or a path or URL",
        f"shot 1 (shot_id SH01), prompt: missing; give {SEEN}",
        "shot 1 (shot_id SH01), duration: 0: seconds, a number above 0 and at most 86400, such as 3.0",
    ]


@pytest.mark.parametrize("missing", ["schema", "shot_list"])
def test_a_field_that_is_needed_is_missed(missing: str) -> None:
    [fault] = faults({name: value for name, value in payload().items() if name != missing})
    assert fault.startswith(f"the payload, {missing}: ")


@pytest.mark.parametrize("no_list", [5, True, {}, [], {"shots": []}, {"shots": 1}, [1], [[SHOT]], b"[]"])
def test_an_invalid_list_has_the_same_faults_as_any_other_list(no_list: Any) -> None:
    assert faults(payload(shot_list=no_list))


def test_a_value_is_shown_only_so_far() -> None:
    [fault] = faults(payload(board=list(range(10_000))))
    assert len(fault) < 150


@pytest.mark.parametrize(
    ("shots", "is_one"),
    [
        (payload(), True),
        ({"schema": "previs.shot-list-ready/9"}, True),
        ({"shot_list": "s3://b/list.json"}, True),
        ({"shots": [SHOT]}, False),
        ({"shots": [SHOT], "shot_list": 1}, False),
        ({"schema": 1}, False),
        ([SHOT], False),
        ("s3://b/list.json", False),
        (None, False),
    ],
)
def test_a_payload_is_distinguished_from_a_shot_list(shots: object, *, is_one: bool) -> None:
    assert is_ready(shots) is is_one


@pytest.mark.parametrize(
    ("shot_list", "sent"),
    [
        ([SHOT], [SHOT]),
        ((SHOT,), [SHOT]),
        ([Shot.model_validate(SHOT)], [SHOT]),
        (Shot.model_validate(SHOT), SHOT),
        (ShotList(title="夜", shots=(Shot.model_validate(SHOT),)), {"title": "夜", "shots": [SHOT]}),
        ({"title": "夜", "shots": [SHOT], "fps": 25}, {"title": "夜", "shots": [SHOT], "fps": 25}),
        (Path("/mnt/夜/list.yaml"), "/mnt/夜/list.yaml"),
        ("s3://b/夜.json", "s3://b/夜.json"),
    ],
    ids=["list", "tuple", "models", "model", "model of a list", "object", "path", "place"],
)
def test_a_payload_comes_through_json_as_it_was_given(shot_list: object, sent: object) -> None:
    made = make_ready(shot_list, board='夜 "景" {{x}}', workflow=WorkflowSettings(checkpoint="夜.safetensors"))
    assert made == {
        "schema": READY,
        "shot_list": sent,
        "board": '夜 "景" {{x}}',
        "workflow": {"checkpoint": "夜.safetensors"},
    }
    ready = read_ready(json.loads(json.dumps(made)))
    assert ready.model_dump(mode="json", by_alias=True) == made
    if not isinstance(sent, str):
        assert read_shot_list(ready.shot_list).shots == (Shot.model_validate(SHOT),)


@given(st.text(st.characters(codec="utf-8")).map(lambda text: f"x{text}"), st.text(st.characters(codec="utf-8")))
def test_every_text_comes_through(prompt: str, board: str) -> None:
    made = make_ready([SHOT | {"prompt": prompt}], board=board)
    ready = read_ready(json.loads(json.dumps(made)))
    assert (ready.shot_list[0]["prompt"], ready.board) == (prompt, board)


@pytest.mark.parametrize(
    "wrong", [None, "", 5, [], nested(5_000), b'[{"shot_id": 1}]', iter([SHOT]), {SHOT["prompt"]}, object()]
)
def test_a_sender_gets_the_faults_before_anything_is_sent(wrong: object) -> None:
    with pytest.raises(ShotListFaults):
        make_ready(wrong)


def test_a_board_that_is_ready_says_what_was_made_of_it() -> None:
    made = manifest(
        shot_of("SH01", take(1, b"a"), take(2, b"b", outcome="cached"), take(3, b"c", outcome="joined")),
        shot_of(7, take(1, error="no")),
        shot_of("SH03", take(1, outcome="skipped")),
        shot_of("SH04", *(take(number, b"d", outcome="cached", marks=[Mark(kind="black")]) for number in (1, 2))),
        number=3,
    )
    ready = board_ready(made, manifest_uri="s3://b/manifest.json", page="s3://b/index.html")
    assert ready.model_dump(mode="json", by_alias=True) == {
        "schema": "previs.board-ready/1",
        "board": made.board,
        "run": made.run,
        "number": made.number,
        "complete": False,
        "shot_count": 4,
        "rendered": 1,
        "joined": 1,
        "cached": 3,
        "failed": [7, "SH03"],
        "marked": ["SH04"],
        "manifest": "s3://b/manifest.json",
        "page": "s3://b/index.html",
    }


def test_a_board_whose_shots_have_all_their_frames_is_complete() -> None:
    ready = board_ready(manifest(shot_of(1, take(1, b"a"))), manifest_uri="m", page="p")
    assert (ready.complete, ready.failed) == (True, ())


def failed(error: str | None, *servers: str | None) -> ShotFailed:
    planned = PlannedTake(
        shot=Shot.model_validate(SHOT), number=1, graph={}, seed=5, fingerprint="f", pictures={}, checkpoint=None
    )
    attempts = tuple(Attempt(at=BEGAN, server=server, error="no") for server in servers)
    facts = RunIdentity("夜景", "20261031-174000-abcdef01", BEGAN, {})
    return shot_failed(facts, TakeResult(planned, "failed", error=error, attempts=attempts))


def test_a_shot_that_failed_says_why_and_where() -> None:
    assert failed("坏", "http://b", None, "http://a", "http://b").model_dump(mode="json", by_alias=True) == {
        "schema": "previs.shot-failed/1",
        "board": "夜景",
        "run": "20261031-174000-abcdef01",
        "shot_id": "SH01",
        "take": 1,
        "pass_name": None,
        "error": "坏",
        "servers": ["http://b", "http://a"],
    }


def test_an_error_is_cut_to_what_an_event_can_carry() -> None:
    assert len(failed("坏" * 100_000).error) == 10_000
    assert failed(None).error == ""


BROKEN = "坏\ud83d \udc80"


def sent(payload: BaseModel | None) -> Any:
    """What comes out where it is read; JSON in UTF-8 holds no half of a surrogate pair."""
    assert payload is not None
    return json.loads(json.dumps(payload.model_dump(mode="json", by_alias=True), ensure_ascii=False).encode())


def test_what_is_no_text_that_utf_8_can_hold_is_sent_as_far_as_it_is() -> None:
    assert sent(failed(f"node 3 failed: {BROKEN}", f"http://{BROKEN}"))["error"] == "node 3 failed: 坏\ufffd \ufffd"
    assert sent(farm_changed(FarmChange("http://a", False, BROKEN, 2, 3)))["reason"] == "坏\ufffd \ufffd"  # noqa: FBT003
    assert sent(farm_changed(FarmChange("http://a", True, BROKEN, 3, 3)))["reason"] == "坏\ufffd \ufffd"  # noqa: FBT003
    unnamed = manifest(shot_of(BROKEN, take(1, error="no"))).model_copy(update={"board": BROKEN})
    ready = sent(board_ready(unnamed, manifest_uri=f"m/{BROKEN}", page="p"))
    assert (ready["board"], ready["failed"]) == ("坏\ufffd \ufffd", ["坏\ufffd \ufffd"])


@given(st.text(st.characters(codec=None)))
def test_whatever_a_server_says_is_sent(said: str) -> None:
    assert sent(failed(said, said))["servers"]


def change(fit_servers: int, *, fit: bool) -> FarmChange:
    return FarmChange("http://a", fit, "because", fit_servers, 3)


@pytest.mark.parametrize("fit_servers", [0, 1, 2])
def test_each_lost_server_is_reported(fit_servers: int) -> None:
    result = farm_changed(change(fit_servers, fit=False))
    assert result == FarmDegraded(server="http://a", reason="because", fit=fit_servers, servers=3)


def test_recovery_is_reported_with_the_last_server() -> None:
    assert [farm_changed(change(each, fit=True)) for each in (1, 2)] == [None, None]
    assert farm_changed(change(3, fit=True)) == FarmRecovered(server="http://a", reason="because", servers=3)


@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.__name__)
def test_what_is_sent_can_be_read_back(model: type[BaseModel]) -> None:
    assert model.model_fields["schema_name"].alias == "schema"
    with pytest.raises(ValidationError, match="schema"):
        model.model_validate({"schema": "previs.another/1"})


@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.__name__)
def test_the_document_has_every_field_as_the_model_says_it(model: type[BaseModel]) -> None:
    check_table(DOCUMENT, model)


def fences(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


def test_the_document_knows_every_event_and_no_other() -> None:
    names = {events.SHOT_LIST_READY, *get_args(EventName), *get_args(events.StatusEvent)}
    assert set(re.findall(r"^\| \[`([^`]+)`\]", DOCUMENT.read_text("utf-8"), re.MULTILINE)) == names


def test_the_report_in_the_document_is_that_of_its_payload() -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_ready({"shot_list": [{"shot_id": "SH01", "duration": 0}], "board": 7})
    assert fences("text") == [f"{caught.value}\n"]


def test_the_request_in_the_document_holds_a_payload() -> None:
    [request] = fences("sh")
    [event] = json.loads(request.partition("<<JSON\n")[2].partition("\nJSON\n")[0])
    assert event["event"] == events.SHOT_LIST_READY
    assert read_ready(event["payload"]).board == "night-city"


def test_the_fields_that_triggers_in_the_document_use_are_there() -> None:
    used = {name for each in fences("yaml") for name in re.findall(r"event\.payload\.(\w+)", each)}
    assert used <= set(BoardReady.model_fields)


def test_the_message_in_the_document_is_one_that_is_sent() -> None:
    [shown] = [json.loads(each) for each in fences("json")]
    assert ShotFailed.model_validate(shown["data"])
    at = datetime.fromisoformat(shown["timestamp"])
    assert json.loads(Message(shown["id"], shown["type"], at, shown["data"]).body()) == shown
    assert at.tzinfo == UTC


@pytest.mark.parametrize("program", fences("python"))
def test_every_program_in_the_document_is_python(program: str) -> None:
    compile(program, "docs/events.md", "exec")


def test_the_list_that_the_document_sends_is_in_order() -> None:
    sent: list[object] = []

    def shot_list_ready(shot_list: object, *, board: str = "", workflow: object = None) -> None:
        sent.append(make_ready(shot_list, board=board, workflow=workflow))

    [program] = [each for each in fences("python") if "shot_list_ready(" in each]
    exec(program.partition("\n\n")[2], {"shot_list_ready": shot_list_ready})  # noqa: S102 - the document's own
    assert len(sent) == 1
