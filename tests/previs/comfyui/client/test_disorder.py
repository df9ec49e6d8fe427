"""Test that recorded prompts end once and as they did, with frames lost, doubled, late or mixed up."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.frames import Executing, Frame, Started
from previs.comfyui.protocol.history import End, Loss, read_entry
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from tests.previs.comfyui.recordings import ENDS, SESSIONS, Moment, events, moments, without_seconds

WITH_PROMPTS = [session for session in SESSIONS if ENDS[session]]
ORDER = list(Phase)


class RecordedState(PromptState):
    """Record every value that the phase and the end of a prompt are set to."""

    def __init__(self, prompt_id: str) -> None:
        self.phases: list[Phase] = []
        self.ends: list[End] = []
        super().__init__(prompt_id)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase":
            self.phases.append(value)
        if name == "end" and value is not None:
            self.ends.append(value)
        super().__setattr__(name, value)


class Client:
    """Follow prompts by the rule: frames decide when to poll; the queue, then the history, decide what is true."""

    def __init__(self, prompt_ids: list[str], *, polls_always: bool) -> None:
        self.states = {prompt_id: RecordedState(prompt_id) for prompt_id in prompt_ids}
        self._history_ready: set[str] = set()
        self._polls_always = polls_always
        for state in self.states.values():
            state.upload()
            state.submit()

    def apply(self, moment: Moment) -> None:
        if moment.accepted is not None:
            self.states[moment.accepted].accept()
        if moment.opens:
            for state in self.states.values():
                state.on_reconnect()
        if moment.frame is not None:
            self._on_frame(moment.frame, moment)
        if moment.opens or self._polls_always:
            self.poll(moment)

    def _on_frame(self, frame: Frame, moment: Moment) -> None:
        state = self.states.get(getattr(frame, "prompt_id", ""))
        if state is None:
            return
        state.on_frame(frame, 0.0)
        if isinstance(frame, Started):
            self._history_ready.discard(state.prompt_id)
        if isinstance(frame, Executing) and frame.node is None:
            self._history_ready.add(state.prompt_id)
        if state.prompt_id in self._history_ready and moment.answers:
            self._history_ready.discard(state.prompt_id)
            state.on_history(moment.entries.get(state.prompt_id), absent_from_queue=False)

    def poll(self, moment: Moment) -> None:
        for state in [state for state in self.states.values() if state.accepted] if moment.answers else ():
            place = moment.places.get(state.prompt_id)
            state.on_queue(place, 0.0)
            if place is None:
                state.on_history(moment.entries.get(state.prompt_id), absent_from_queue=True)


def follow(session: list[Moment], *, polls_always: bool = False) -> Client:
    """Return a client after all events and a last poll, with each prompt ended once and phases in order."""
    client = Client(prompts_of(session), polls_always=polls_always)
    for moment in session:
        client.apply(moment)
    client.poll(session[-1])
    for state in client.states.values():
        assert [state.end] == state.ends
        numbers = [ORDER.index(phase) for phase in state.phases]
        assert numbers == sorted(set(numbers))
    return client


def prompts_of(session: list[Moment]) -> list[str]:
    return list(dict.fromkeys(moment.accepted for moment in session if moment.accepted is not None))


@cache
def recorded(session: str) -> list[Moment]:
    return moments(events(session))


@cache
def ends_of(session: str) -> dict[str, list[End]]:
    """Return how each prompt of a recorded session may end; a prompt that ran twice has two ends."""
    ends: dict[str, list[End]] = {}
    for prompt_id, end in zip(prompts_of(recorded(session)), ENDS[session], strict=True):
        entries = [moment.entries[prompt_id] for moment in recorded(session) if prompt_id in moment.entries]
        ends[prompt_id] = [read_entry(entry) for entry in {id(entry): entry for entry in entries}.values()] or [Loss()]
        assert {without_seconds(each) for each in ends[prompt_id]} == {end}
    return ends


def assert_right(client: Client, ends: dict[str, list[End]]) -> None:
    assert client.states.keys() == ends.keys()
    assert all(state.end in ends[prompt_id] for prompt_id, state in client.states.items())


def frames_at(session: list[Moment]) -> list[int]:
    return [number for number, moment in enumerate(session) if moment.frame is not None]


def without(session: list[Moment], *dropped: int) -> list[Moment]:
    return [replace(each, frame=None) if number in dropped else each for number, each in enumerate(session)]


both_rates = pytest.mark.parametrize("polls_always", [False, True], ids=["polls-when-needed", "polls-always"])
each_session = pytest.mark.parametrize("session", WITH_PROMPTS)


@each_session
@both_rates
def test_undisturbed_every_prompt_ends_as_recorded(session: str, *, polls_always: bool) -> None:
    assert_right(follow(recorded(session), polls_always=polls_always), ends_of(session))


@each_session
def test_undisturbed_every_entry_is_read_as_soon_as_a_frame_reports_it(session: str) -> None:
    client = Client(prompts_of(recorded(session)), polls_always=False)
    for moment in recorded(session):
        client.apply(moment)
        if isinstance(moment.frame, Executing) and moment.frame.node is None:
            assert client.states[moment.frame.prompt_id].end is not None


@each_session
def test_an_entry_built_from_the_frames_says_what_the_servers_own_says(session: str) -> None:
    never_asked = [event for event in events(session) if not event.get("path", "").startswith("/history")]
    for prompt_id, entry in recorded(session)[-1].entries.items():
        assert read_entry(moments(never_asked)[-1].entries[prompt_id]) == read_entry(entry)


@each_session
@both_rates
def test_any_one_frame_and_any_two_neighbours_can_be_missing(session: str, *, polls_always: bool) -> None:
    whole = recorded(session)
    positions = frames_at(whole)
    for missing in [*zip(positions), *pairwise(positions)]:
        assert_right(follow(without(whole, *missing), polls_always=polls_always), ends_of(session))


@each_session
def test_all_frames_can_be_missing(session: str) -> None:
    whole = recorded(session)
    assert_right(follow(without(whole, *frames_at(whole))), ends_of(session))


def outages(session: list[Moment]) -> Iterator[list[Moment]]:
    """Yield the session with its socket closed after each frame, and reopened after any number of frames."""
    deaf = without(session, *frames_at(session))
    for closed in frames_at(session):
        for opened in range(closed + 1, len(session)):
            missed = deaf[closed + 1 : opened]
            yield [*session[: closed + 1], *missed, replace(deaf[opened], opens=True), *session[opened + 1 :]]


@each_session
def test_the_socket_can_close_after_any_frame_and_open_after_any_later_one(session: str) -> None:
    whole = recorded(session)
    for disturbed in outages(whole):
        assert_right(follow(disturbed), ends_of(session))


@each_session
@both_rates
def test_each_frame_can_come_twice(session: str, *, polls_always: bool) -> None:
    whole = recorded(session)
    doubled = {number: [whole[number], replace(whole[number], accepted=None)] for number in frames_at(whole)}
    each_one = [[*whole[:number], *two, *whole[number + 1 :]] for number, two in doubled.items()]
    all_of_them = [each for number, moment in enumerate(whole) for each in doubled.get(number, [moment])]
    for disturbed in [*each_one, all_of_them]:
        assert_right(follow(disturbed, polls_always=polls_always), ends_of(session))


@each_session
@both_rates
def test_the_answer_to_the_post_can_come_after_any_frame(session: str, *, polls_always: bool) -> None:
    whole = recorded(session)
    for prompt_id in prompts_of(whole):
        unanswered = [replace(moment, accepted=None) if moment.accepted == prompt_id else moment for moment in whole]
        [posted, *_] = [number for number, moment in enumerate(whole) if moment.accepted == prompt_id]
        for number in range(posted, len(whole)):
            answer = replace(whole[number], frame=None, opens=False, accepted=prompt_id)
            late = [*unanswered[: number + 1], answer, *unanswered[number + 1 :]]
            assert_right(follow(late, polls_always=polls_always), ends_of(session))


@each_session
def test_frames_that_come_after_the_end_change_nothing(session: str) -> None:
    whole = recorded(session)
    for delayed in [*zip(frames_at(whole)), frames_at(whole)]:
        client = follow(without(whole, *delayed))
        assert_right(client, ends_of(session))
        before = {prompt_id: copy.deepcopy(vars(state)) for prompt_id, state in client.states.items()}
        for number in delayed:
            client.apply(whole[number])
        client.poll(whole[-1])
        assert {prompt_id: vars(state) for prompt_id, state in client.states.items()} == before


def another(prompt_id: str) -> str:
    return f"another-{prompt_id}"


@cache
def of_another_client(session: str) -> list[Moment]:
    """Return a recorded session with other ids for its prompts."""
    content = json.dumps(events(session))
    for prompt_id in prompts_of(recorded(session)):
        content = content.replace(prompt_id, another(prompt_id))
    return moments(json.loads(content))


def mixed(one: list[Moment], other: list[Moment], turns: list[bool]) -> list[Moment]:
    """Merge two sessions on one server, taking the next moment of each by turns."""
    pending = {True: list(reversed(one)), False: list(reversed(other))}
    standing: dict[bool, Moment | None] = {True: None, False: None}
    together = []
    for turn in [*turns, *[True] * len(one), *[False] * len(other)]:
        if pending[turn]:
            now = standing[turn] = pending[turn].pop()
            there = standing[not turn]
            together.append(
                replace(
                    now,
                    answers=now.answers and (there is None or there.answers),
                    places={**now.places, **(there.places if there else {})},
                    entries={**now.entries, **(there.entries if there else {})},
                )
            )
    return together


@settings(deadline=None)
@given(st.sampled_from(WITH_PROMPTS), st.sampled_from(WITH_PROMPTS), st.lists(st.booleans(), max_size=60), st.data())
def test_frames_of_other_prompts_can_be_mixed_in_and_those_prompts_followed_too(
    session: str, other: str, turns: list[bool], data: st.DataObject
) -> None:
    together = mixed(recorded(session), of_another_client(other), turns)
    everywhere = st.integers(0, len(together) - 1)
    dropped = data.draw(st.sets(everywhere, max_size=6), "dropped")
    reopened = data.draw(st.sets(everywhere, max_size=3), "reopened")
    disturbed = [
        replace(moment, opens=moment.opens or number in reopened)
        for number, moment in enumerate(without(together, *dropped))
    ]
    client = follow(disturbed, polls_always=data.draw(st.booleans(), "polls always"))
    others = {another(prompt_id): ends for prompt_id, ends in ends_of(other).items()}
    assert_right(client, ends_of(session) | others)
