"""Test that a prompt moves forward through its phases, and that recorded sessions end as they did."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.frames import (
    Alive,
    Ending,
    Executed,
    Executing,
    Frame,
    Other,
    Started,
    Status,
    Step,
    read_frame,
)
from previs.comfyui.protocol.history import End, Loss, OutputFile, Success, read_entry
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from tests.previs.comfyui.recordings import ENDS, SESSIONS, events, files, message, without_seconds


class Replay:
    """Track all prompts of a recorded session."""

    def __init__(self) -> None:
        self.states: dict[str, PromptState] = {}
        self.places: dict[str, str] = {}
        self.absent: set[str] = set()
        self.refused = 0

    def take(self, event: dict[str, Any]) -> None:
        if event.get("ws") == "recv":
            frame = read_frame(message(event))
            if state := self.states.get(getattr(frame, "prompt_id", "")):
                state.on_frame(frame, event["t"])
        elif "response" in event:
            self._answer(event["http"], event["path"], event["response"], event["t"])

    def _answer(self, method: str, path: str, response: dict[str, Any], now: float) -> None:
        body = response.get("json")
        if (method, path) == ("POST", "/prompt"):
            self.refused += response["status"] >= 400
            if response["status"] == 200:
                state = self.states.setdefault(body["prompt_id"], PromptState(body["prompt_id"]))
                state.submit()
                state.accept()
        elif path == "/queue" and body is not None:
            listed = {entry[1]: "running" for entry in body["queue_running"]}
            listed |= {entry[1]: "pending" for entry in body["queue_pending"]}
            for state in self.states.values():
                state.on_queue(listed.get(state.prompt_id), now)
            self.absent = set(self.states) - set(listed)
        elif path.startswith("/history/") and (state := self.states.get(path.removeprefix("/history/"))):
            state.on_history(body.get(state.prompt_id), absent_from_queue=state.prompt_id in self.absent)
        elif method == "GET" and (state := self.states.get(path.removeprefix("/api/jobs/"))):
            ended = {"outputs": body["outputs"], "status": body["execution_status"]} if "outputs" in body else None
            state.on_history(ended, absent_from_queue=response["status"] == 404)


def replay(session: str) -> Replay:
    replayed = Replay()
    for event in events(session):
        replayed.take(event)
    return replayed


def test_there_are_nineteen_sessions_with_the_older_server_and_twenty_two_with_the_newer() -> None:
    assert sorted(ENDS) == SESSIONS
    newer = [session for session in SESSIONS if session.startswith("0.33.0/")]
    assert (len(SESSIONS) - len(newer), len(newer)) == (19, 22)


NEVER_ASKED = {"delete_pending", "0.33.0/delete_pending", "0.33.0/prompt_ids"}
"""Sessions that did not read the entry of a prompt that ended well."""
REFUSED = {"rejected_by_validation": 13, "0.33.0/rejected_by_validation": 13, "0.33.0/prompt_ids": 3}


@pytest.mark.parametrize("session", SESSIONS)
def test_a_recorded_session_comes_to_its_end(session: str) -> None:
    replayed = replay(session)
    ends = [without_seconds(state.end) for state in replayed.states.values()]
    if session in NEVER_ASKED:
        assert ends.count(None) == 1
        ends.remove(None)
    read = [end for end in ENDS[session] if session not in NEVER_ASKED or not isinstance(end, Success)]
    assert ends == read
    assert replayed.refused == REFUSED.get(session, 0)


@pytest.mark.parametrize("session", [session for session in SESSIONS if ENDS[session]])
def test_no_frame_alone_ends_a_prompt(session: str) -> None:
    replayed = Replay()
    for event in events(session):
        if "http" not in event or event["path"] == "/prompt":
            replayed.take(event)
    assert all(state.end is None for state in replayed.states.values())


def test_the_seconds_are_those_between_the_servers_own_timestamps() -> None:
    [state] = replay("text_to_image_success").states.values()
    assert isinstance(state.end, Success)
    assert state.end.seconds == pytest.approx(10.348)


def test_a_running_prompt_has_its_node_and_step() -> None:
    replayed = Replay()
    seen = []
    for event in events("text_to_image_success"):
        replayed.take(event)
        running = [state for state in replayed.states.values() if state.phase is Phase.RUNNING and state.steps]
        seen += [(state.node, state.step, state.steps) for state in running]
    assert list(dict.fromkeys(seen)) == [("3", 1, 3), ("3", 2, 3), ("3", 3, 3)]


IMAGE = {"filename": "a.png", "subfolder": "", "type": "output"}
PREVIEW = IMAGE | {"type": "temp"}
STARTED = Started("p")
NODE = Executing("p", "9")
MADE = Executed("p", "9", {"images": [IMAGE]})
ALSO_MADE = Executed("p", "12", {"images": [IMAGE | {"filename": "b.png"}]})
SUCCEEDED = Ending("p", succeeded=True)
OVER = Executing("p", None)
ENTRY = {"outputs": {"9": {"images": [IMAGE]}}, "status": {"status_str": "success", "messages": []}}

STEPS: list[tuple[Phase, Callable[[PromptState], None]]] = [
    (Phase.UPLOADED, lambda state: state.upload()),
    (Phase.SUBMITTED, lambda state: state.submit()),
    (Phase.WAITING, lambda state: state.accept()),
    (Phase.WAITING, lambda state: state.on_queue("pending", 1.0)),
    (Phase.RUNNING, lambda state: state.on_queue("running", 2.0)),
    (Phase.RUNNING, lambda state: state.on_frame(NODE, 3.0)),
    (Phase.ENDED, lambda state: state.on_history(ENTRY, absent_from_queue=True)),
]
NUMBERS = {phase: number for number, phase in enumerate(Phase)}


def state_in(phase: Phase) -> PromptState:
    state = PromptState("p")
    for reached, step in STEPS:
        if NUMBERS[reached] <= NUMBERS[phase]:
            step(state)
    return state


def hear(state: PromptState, *frames: Frame) -> None:
    for frame in frames:
        state.on_frame(frame, 1.0)


def test_the_phases_are_planned_uploaded_submitted_waiting_running_ended() -> None:
    assert [phase.value for phase in Phase] == ["planned", "uploaded", "submitted", "waiting", "running", "ended"]
    assert PromptState("p").phase is Phase.PLANNED


def test_in_any_order_the_phase_only_moves_forward() -> None:
    for order in itertools.permutations(STEPS):
        state, furthest = PromptState("p"), Phase.PLANNED
        for reached, step in order:
            step(state)
            furthest = max(furthest, reached, key=NUMBERS.__getitem__)
            assert state.phase is furthest


@pytest.mark.parametrize("frame", [STARTED, NODE, Step("p", "3", 1, 9), MADE, SUCCEEDED, OVER, Alive("p")])
def test_any_frame_about_a_prompt_means_that_it_runs(frame: Frame) -> None:
    state = PromptState("p")
    state.on_frame(frame, 7.0)
    assert (state.phase, state.running_since) == (Phase.RUNNING, 7.0)


@pytest.mark.parametrize("frame", [Status(1), Other("feature_flags")])
def test_a_frame_about_no_prompt_changes_nothing(frame: Frame) -> None:
    state = PromptState("p")
    before = vars(state).copy()
    state.on_frame(frame, 7.0)
    assert vars(state) == before


def test_a_prompt_runs_since_the_first_sign_of_it() -> None:
    state = PromptState("p")
    state.on_queue("pending", 1.0)
    assert state.running_since is None
    state.on_queue("running", 2.0)
    state.on_frame(NODE, 3.0)
    state.on_queue("running", 4.0)
    assert state.running_since == 2.0


def test_a_new_node_begins_without_steps() -> None:
    state = PromptState("p")
    hear(state, Step("p", "3", 4, 9))
    assert (state.node, state.step, state.steps) == ("3", 4, 9)
    hear(state, NODE)
    assert (state.node, state.step, state.steps) == ("9", 0, 0)


@pytest.mark.parametrize("phase", Phase)
def test_only_an_accepted_prompt_can_be_lost(phase: Phase) -> None:
    state = state_in(phase)
    had = phase in {Phase.WAITING, Phase.RUNNING, Phase.ENDED}
    assert state.accepted is had
    if phase is not Phase.ENDED:
        state.on_queue(None, 2.0)
        state.on_history(None, absent_from_queue=False)
        assert (state.phase, state.end) == (phase, None)
        state.on_history(None, absent_from_queue=True)
        assert state.end == (Loss() if had else None)


@pytest.mark.parametrize("phase", Phase)
def test_a_history_entry_ends_a_prompt_in_any_phase(phase: Phase) -> None:
    state = state_in(phase)
    state.on_history(ENTRY, absent_from_queue=False)
    assert (state.phase, state.end) == (Phase.ENDED, files("a.png"))


@pytest.mark.parametrize("ended_from", [Phase.PLANNED, Phase.WAITING, Phase.RUNNING])
def test_an_ended_prompt_never_changes(ended_from: Phase) -> None:
    state = state_in(ended_from)
    state.on_history(ENTRY, absent_from_queue=True)
    before = copy.deepcopy(vars(state))
    for _, step in STEPS:
        step(state)
    hear(state, STARTED, Step("p", "3", 1, 9), ALSO_MADE, Ending("p", succeeded=False), OVER)
    failed = {"status": {"status_str": "error", "messages": [["execution_interrupted", {}]]}}
    for entry in (None, failed):
        state.on_history(entry, absent_from_queue=True)
    assert vars(state) == before


def test_the_frame_after_the_last_node_keeps_the_node_and_its_steps() -> None:
    state = PromptState("p")
    hear(state, Step("p", "3", 4, 9), SUCCEEDED, OVER)
    assert (state.node, state.step, state.steps, state.end) == ("3", 4, 9, None)


TWO = (OutputFile("a.png", "", "output"), OutputFile("b.png", "", "output"))
GAP = "gap"
WHOLE = [STARTED, MADE, ALSO_MADE, SUCCEEDED]
WITHOUT_ENTRY: dict[str, tuple[list[Any], End]] = {
    "complete": (WHOLE, Success(TWO)),
    "each frame twice": ([frame for frame in WHOLE for _ in range(2)], Success(TWO)),
    "started again among the outputs": ([STARTED, MADE, STARTED, ALSO_MADE, SUCCEEDED], Success(TWO)),
    "a gap before": ([GAP, *WHOLE], Success(TWO)),
    "a gap after": ([*WHOLE, GAP], Success(TWO)),
    "a gap, and then another complete run": ([STARTED, GAP, SUCCEEDED, *WHOLE], Success(TWO)),
    "a gap in the middle": ([STARTED, GAP, ALSO_MADE, SUCCEEDED], Loss()),
    "joined in the middle": ([ALSO_MADE, SUCCEEDED], Loss()),
    "failed": ([STARTED, MADE, Ending("p", succeeded=False)], Loss()),
    "failed when it ran once more": ([*WHOLE, STARTED, Ending("p", succeeded=False)], Loss()),
    "not ended": ([STARTED, MADE, ALSO_MADE], Loss()),
    "only previews": ([STARTED, Executed("p", "9", {"images": [PREVIEW]}), SUCCEEDED], Loss()),
    "no outputs": ([STARTED, SUCCEEDED], Loss()),
}


@pytest.mark.parametrize("case", WITHOUT_ENTRY)
def test_frames_replace_an_evicted_entry_only_after_a_complete_successful_run(case: str) -> None:
    state = PromptState("p")
    state.accept()
    heard, end = WITHOUT_ENTRY[case]
    for frame in heard:
        if frame == GAP:
            state.on_reconnect()
        else:
            hear(state, frame)
    state.on_history(None, absent_from_queue=True)
    assert state.end == end


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
