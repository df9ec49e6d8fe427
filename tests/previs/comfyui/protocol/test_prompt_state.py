"""A life goes forward through its phases, and the recorded sessions come to the right end."""

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
    """Lives of all prompts of a session, fed with what the server said, in its order."""

    def __init__(self) -> None:
        self.lives: dict[str, PromptState] = {}
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
                life = self.lives.setdefault(body["prompt_id"], PromptState(body["prompt_id"]))
                life.submit()
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


def test_all_nineteen_sessions_are_here() -> None:
    assert sorted(ENDS) == SESSIONS
    assert len(SESSIONS) == 19


@pytest.mark.parametrize("session", SESSIONS)
def test_a_recorded_session_comes_to_its_end(session: str) -> None:
    replayed = replay(session)
    # Nobody asked for the entry of the one whose successor was deleted.
    never_asked = session == "delete_pending"
    assert [without_seconds(life.end) for life in replayed.lives.values()] == [
        None if never_asked and isinstance(end, Success) else end for end in ENDS[session]
    ]
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
    (Phase.UPLOADED, lambda life: life.upload()),
    (Phase.SUBMITTED, lambda life: life.submit()),
    (Phase.WAITING, lambda life: life.accept()),
    (Phase.WAITING, lambda life: life.see_queue("pending", 1.0)),
    (Phase.RUNNING, lambda life: life.see_queue("running", 2.0)),
    (Phase.RUNNING, lambda life: life.see_frame(NODE, 3.0)),
    (Phase.ENDED, lambda life: life.see_history(ENTRY, absent_from_queue=True)),
]
NUMBERS = {phase: number for number, phase in enumerate(Phase)}


def life_in(phase: Phase) -> PromptState:
    life = PromptState("p")
    for reached, step in STEPS:
        if NUMBERS[reached] <= NUMBERS[phase]:
            step(life)
    return life


def hear(life: PromptState, *frames: Frame) -> None:
    for frame in frames:
        life.see_frame(frame, 1.0)


def test_the_phases_are_planned_uploaded_submitted_waiting_running_ended() -> None:
    assert [phase.value for phase in Phase] == ["planned", "uploaded", "submitted", "waiting", "running", "ended"]
    assert PromptState("p").phase is Phase.PLANNED


def test_in_any_order_and_with_any_left_out_the_steps_only_lead_forward() -> None:
    for order in itertools.permutations(STEPS):
        life, furthest = PromptState("p"), Phase.PLANNED
        for reached, step in order:
            step(life)
            furthest = max(furthest, reached, key=NUMBERS.__getitem__)
            assert life.phase is furthest


@pytest.mark.parametrize("frame", [STARTED, NODE, Step("p", "3", 1, 9), MADE, SUCCEEDED, OVER, Alive("p")])
def test_any_frame_about_a_prompt_says_that_it_runs(frame: Frame) -> None:
    life = PromptState("p")
    life.see_frame(frame, 7.0)
    assert (life.phase, life.running_since, life.last_frame) == (Phase.RUNNING, 7.0, 7.0)


@pytest.mark.parametrize("frame", [Status(1), Other("feature_flags")])
def test_a_frame_about_no_prompt_changes_nothing(frame: Frame) -> None:
    life = PromptState("p")
    before = vars(life).copy()
    life.see_frame(frame, 7.0)
    assert vars(life) == before


def test_it_runs_since_the_first_sign_of_it() -> None:
    life = PromptState("p")
    life.see_queue("pending", 1.0)
    assert life.running_since is None
    life.see_queue("running", 2.0)
    life.see_frame(NODE, 3.0)
    life.see_queue("running", 4.0)
    assert (life.running_since, life.last_frame) == (2.0, 3.0)


def test_a_new_node_begins_without_steps() -> None:
    life = PromptState("p")
    hear(life, Step("p", "3", 4, 9))
    assert (life.node, life.step, life.steps) == ("3", 4, 9)
    hear(life, NODE)
    assert (life.node, life.step, life.steps) == ("9", 0, 0)


@pytest.mark.parametrize("phase", Phase)
def test_only_what_the_server_is_known_to_have_had_can_be_lost(phase: Phase) -> None:
    life = life_in(phase)
    had = phase in {Phase.WAITING, Phase.RUNNING, Phase.ENDED}
    assert life.accepted is had
    if phase is not Phase.ENDED:
        life.see_queue(None, 2.0)
        life.see_history(None, absent_from_queue=False)
        assert (life.phase, life.end) == (phase, None)
        life.see_history(None, absent_from_queue=True)
        assert life.end == (Loss() if had else None)


@pytest.mark.parametrize("phase", Phase)
def test_an_entry_ends_a_life_in_whatever_phase_it_is(phase: Phase) -> None:
    life = life_in(phase)
    life.see_history(ENTRY, absent_from_queue=False)
    assert (life.phase, life.end) == (Phase.ENDED, files("a.png"))


@pytest.mark.parametrize("ended_from", [Phase.PLANNED, Phase.WAITING, Phase.RUNNING])
def test_after_its_end_nothing_changes_a_life(ended_from: Phase) -> None:
    life = life_in(ended_from)
    life.see_history(ENTRY, absent_from_queue=True)
    before = copy.deepcopy(vars(life))
    for _, step in STEPS:
        step(life)
    hear(life, STARTED, Step("p", "3", 1, 9), ALSO_MADE, Ending("p", succeeded=False), OVER)
    failed = {"status": {"status_str": "error", "messages": [["execution_interrupted", {}]]}}
    for entry in (None, failed):
        life.see_history(entry, absent_from_queue=True)
    assert vars(life) == before


def test_the_end_of_a_prompt_is_told_before_and_after_its_history_exists() -> None:
    life = PromptState("p")
    hear(life, SUCCEEDED)
    assert (life.ending, life.over, life.end) == (True, False, None)
    hear(life, OVER)
    assert life.over


def test_of_a_prompt_that_starts_once_more_the_end_is_told_once_more() -> None:
    life = PromptState("p")
    hear(life, STARTED, SUCCEEDED, OVER, STARTED)
    assert (life.ending, life.over) == (False, False)


TWO = (OutputFile("a.png", "", "output"), OutputFile("b.png", "", "output"))
GAP = "gap"
WHOLE = [STARTED, MADE, ALSO_MADE, SUCCEEDED]
WITHOUT_ENTRY: dict[str, tuple[list[Any], End]] = {
    "heard whole": (WHOLE, Success(TWO)),
    "each frame twice": ([frame for frame in WHOLE for _ in range(2)], Success(TWO)),
    "started told again among the outputs": ([STARTED, MADE, STARTED, ALSO_MADE, SUCCEEDED], Success(TWO)),
    "a gap before": ([GAP, *WHOLE], Success(TWO)),
    "a gap after": ([*WHOLE, GAP], Success(TWO)),
    "a gap, and then another run heard whole": ([STARTED, GAP, SUCCEEDED, *WHOLE], Success(TWO)),
    "a gap in the middle": ([STARTED, GAP, ALSO_MADE, SUCCEEDED], Loss()),
    "joined in the middle": ([ALSO_MADE, SUCCEEDED], Loss()),
    "failed": ([STARTED, MADE, Ending("p", succeeded=False)], Loss()),
    "failed when it ran once more": ([*WHOLE, STARTED, Ending("p", succeeded=False)], Loss()),
    "not ended": ([STARTED, MADE, ALSO_MADE], Loss()),
    "only previews": ([STARTED, Executed("p", "9", {"images": [PREVIEW]}), SUCCEEDED], Loss()),
    "no outputs": ([STARTED, SUCCEEDED], Loss()),
}


@pytest.mark.parametrize("case", WITHOUT_ENTRY)
def test_frames_make_up_for_an_evicted_entry_only_if_a_run_that_succeeded_was_heard_whole(case: str) -> None:
    life = PromptState("p")
    life.accept()
    heard, end = WITHOUT_ENTRY[case]
    for frame in heard:
        if frame == GAP:
            life.see_gap()
        else:
            hear(life, frame)
    life.see_history(None, absent_from_queue=True)
    assert life.end == end


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
