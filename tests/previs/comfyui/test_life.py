"""The recorded sessions, and every disorder of them, come to the right end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.frames import Ending, Executed, Executing, Frame, Started, Step, read_frame
from previs.comfyui.history import Failure, Interruption, Loss, OutputFile, Success, read_entry
from previs.comfyui.life import Life, Phase
from tests.previs.comfyui.recordings import SESSIONS, events, message

SHOT = ("shot_00017_.png", "", "output")


class Replay:
    """Lives of all prompts of a session, fed with what the server said, in its order."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.places: dict[str, str] = {}
        self.absent: set[str] = set()
        self.refused = 0

    def take(self, event: dict[str, Any]) -> None:
        if event.get("ws") == "recv":
            frame = read_frame(message(event))
            if life := self.lives.get(getattr(frame, "prompt_id", "")):
                life.see_frame(frame, event["t"])
        elif "response" in event:
            self._answer(event["http"], event["path"], event["response"], event["t"])

    def _answer(self, method: str, path: str, response: dict[str, Any], now: float) -> None:
        body = response.get("json")
        if (method, path) == ("POST", "/prompt"):
            self.refused += response["status"] == 400
            if response["status"] == 200:
                life = self.lives.setdefault(body["prompt_id"], Life(body["prompt_id"]))
                life.accept()
        elif path == "/queue" and body is not None:
            listed = {entry[1]: "running" for entry in body["queue_running"]}
            listed |= {entry[1]: "pending" for entry in body["queue_pending"]}
            for life in self.lives.values():
                life.see_queue(listed.get(life.prompt_id), now)
            self.absent = set(self.lives) - set(listed)
        elif path.startswith("/history/") and (life := self.lives.get(path.removeprefix("/history/"))):
            life.see_history(body.get(life.prompt_id), absent_from_queue=life.prompt_id in self.absent)


def replay(session: str) -> Replay:
    replayed = Replay()
    for event in events(session):
        replayed.take(event)
    return replayed


def files(*names: str, subfolder: str = "") -> Success:
    return Success(tuple(OutputFile(name, subfolder, "output") for name in names))


ENDS: dict[str, list[Any]] = {
    "client_chosen_prompt_id": [files("shot_00012_.png")],
    # Nobody asked the server about the first one: it is not ended, but told to be over.
    "delete_pending": [None, Loss()],
    "execution_error": [
        Failure("1", "LoadImage", "PIL.UnidentifiedImageError", "cannot identify image file 'data/input/broken.png'")
    ],
    "image_only_graph": [files("plain_00001_.png")],
    "image_to_image_reference": [files("shot_00013_.png")],
    "interrupt_running": [Interruption()],
    "one_bad_output_among_two": [files("shot_00010_.png")],
    "previews_without_metadata": [files("shot_00016_.png")],
    "rejected_by_validation": [],
    "resubmit_fully_cached": [files("shot_00007_.png"), files("shot_00007_.png")],
    "server_facts": [],
    "server_killed_while_running": [Loss()],
    "several_outputs": [
        Success(
            (
                OutputFile("shot_00001_.png", "boards/第1场", "output"),
                OutputFile("shot_00002_.png", "boards/第1场", "output"),
                OutputFile("anim_00001_.webp", "", "output"),
            )
        )
    ],
    "socket_dropped_and_reopened": [files("shot_00014_.png")],
    "text_to_image_success": [files("shot_00017_.png")],
    "two_prompts_queued": [files("shot_00008_.png"), files("shot_00009_.png")],
    "upload_references": [],
    "video_output": [files("shot_00001_.mp4", subfolder="video")],
    "view_refusals": [],
}


def without_seconds(end: object) -> object:
    return Success(end.files) if isinstance(end, Success) else end


def test_all_nineteen_sessions_are_here() -> None:
    assert sorted(ENDS) == SESSIONS
    assert len(SESSIONS) == 19


@pytest.mark.parametrize("session", SESSIONS)
def test_a_recorded_session_comes_to_its_end(session: str) -> None:
    replayed = replay(session)
    assert [without_seconds(life.end) for life in replayed.lives.values()] == ENDS[session]
    assert replayed.refused == (13 if session == "rejected_by_validation" else 0)


@pytest.mark.parametrize("session", [session for session in SESSIONS if ENDS[session]])
def test_no_frame_ends_a_life_by_itself(session: str) -> None:
    replayed = Replay()
    for event in events(session):
        if "http" not in event or event["path"] == "/prompt":
            replayed.take(event)
    assert all(life.end is None for life in replayed.lives.values())


def test_the_seconds_are_those_between_the_servers_own_timestamps() -> None:
    [life] = replay("text_to_image_success").lives.values()
    assert isinstance(life.end, Success)
    assert life.end.seconds == pytest.approx(10.348)


def test_a_life_tells_node_and_step_while_it_runs() -> None:
    replayed = Replay()
    seen = []
    for event in events("text_to_image_success"):
        replayed.take(event)
        running = [life for life in replayed.lives.values() if life.phase is Phase.RUNNING and life.steps]
        seen += [(life.node, life.step, life.steps) for life in running]
    assert list(dict.fromkeys(seen)) == [("3", 1, 3), ("3", 2, 3), ("3", 3, 3)]


def test_the_end_of_a_prompt_is_told_before_and_after_its_history_exists() -> None:
    life = Life("p")
    life.see_frame(Ending("p", succeeded=True), 1.0)
    assert (life.ending, life.over, life.end) == (True, False, None)
    life.see_frame(Executing("p", None), 1.1)
    assert life.over


def test_an_evicted_history_of_a_prompt_that_succeeded_is_made_up_for_by_its_frames() -> None:
    life = Life("p")
    life.accept()
    image = {"filename": "a.png", "subfolder": "", "type": "output"}
    life.see_frame(Executed("p", "9", {"images": [image]}), 1.0)
    life.see_frame(Ending("p", succeeded=True), 1.0)
    life.see_history(None, absent_from_queue=True)
    assert life.end == Success((OutputFile("a.png", "", "output"),))


ENTRIES: list[tuple[dict[str, Any], object]] = [
    (event["response"]["json"][life.prompt_id], life.end)
    for session in ("text_to_image_success", "execution_error", "interrupt_running", "video_output")
    for life in replay(session).lives.values()
    for event in events(session)
    if event.get("path") == f"/history/{life.prompt_id}"
]

any_frame: st.SearchStrategy[Frame] = st.one_of(
    st.just(Started("p")),
    st.builds(Executing, st.just("p"), st.sampled_from(["3", "9", None])),
    st.builds(Step, st.just("p"), st.just("3"), st.integers(0, 9), st.just(9)),
    st.builds(Ending, st.just("p"), st.booleans()),
    st.just(Executed("p", "9", {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]})),
)
any_event = st.one_of(any_frame, st.sampled_from(["running", "pending", None, "no entry yet"]))


@given(st.lists(any_event), st.lists(any_event), st.sampled_from(ENTRIES))
def test_in_any_order_a_life_ends_once_and_as_the_history_says(
    before: list[object], after: list[object], entry: tuple[dict[str, Any], object]
) -> None:
    life = Life("p")
    life.accept()

    def take(event: object) -> None:
        if event is None or isinstance(event, str):
            if event == "no entry yet":
                life.see_history(None, absent_from_queue=False)
            else:
                life.see_queue(event, 2.0)
        else:
            life.see_frame(event, 2.0)  # type: ignore[arg-type]

    for event in before:
        take(event)
        assert life.end is None
    life.see_history(entry[0], absent_from_queue=True)
    for event in after:
        take(event)
        life.see_history(None, absent_from_queue=True)
    assert life.end == entry[1]
    assert life.phase is Phase.ENDED


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(str)))
def test_any_message_at_all_is_read_as_some_frame(content: str | bytes) -> None:
    assert read_frame(content) is not None


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(any_json)
def test_a_history_entry_of_any_form_is_read(found: object) -> None:
    outputs = [{"outputs": found}, {"outputs": {"9": found}}, {"outputs": {"9": {"images": found}}}]
    failed = {"status": {"status_str": "error", "messages": found}}
    timed = {"status": {"messages": [["execution_start", found], ["execution_success", {"timestamp": found}]]}}
    for entry in ({"status": found}, *outputs, failed, timed):
        assert read_entry(entry) is not None


@given(any_json, st.sampled_from(["status", "progress", "executed", "executing", "execution_error", "else"]))
def test_a_frame_of_any_form_is_read(found: object, kind: str) -> None:
    for data in (found, {"prompt_id": "p", "value": found, "max": found, "output": found}, {"status": found}):
        assert read_frame(json.dumps({"type": kind, "data": data})) is not None
