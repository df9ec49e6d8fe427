"""Test that the earliest of a prompt's deadlines counts, and only while it applies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.deadlines import Limits, OngoingError, Signals, time_left
from previs.comfyui.protocol.frames import Alive, read_frame
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.queue import read_queue
from previs.errors import (
    AccessDenied,
    PrevisError,
    RenderTimedOut,
    ServerUnavailable,
    ServerUnreachable,
)
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE
from tests.previs.comfyui.recordings import events, message

SERVER = "http://render-01:8188"
LIMITS = Limits(render=300, unreachable=5)
GONE = ServerUnreachable(SERVER, "GET /queue timed out")
BUSY = ServerUnavailable(SERVER, "GET /queue", "HTTP 503", 30.0)
ODD = ServerUnavailable(SERVER, "GET /history", "HTTP 500")


def running(since: float, *, heard: float | None = None) -> PromptState:
    """Return a prompt that the queue showed as running, with a later frame about it."""
    state = PromptState("p")
    state.accept()
    state.on_queue("running", since)
    if heard is not None:
        state.on_frame(Alive("p"), heard)
    return state


def waiting() -> PromptState:
    state = PromptState("p")
    state.accept()
    return state


def left(state: PromptState, signals: Signals, now: float, limits: Limits = LIMITS) -> float | None:
    return time_left(SERVER, state, signals, limits, now)


def test_a_prompt_that_waits_on_a_server_that_answers_has_no_deadline() -> None:
    assert left(waiting(), Signals(last_server_frame=1e6), 1e9) is None


def test_the_render_limit_counts_from_when_the_prompt_was_first_seen_running() -> None:
    state = running(100)
    state.on_queue("running", 390)
    assert left(state, Signals(), 399) == 1
    with pytest.raises(RenderTimedOut) as over:
        left(state, Signals(), 400)
    assert over.value.args == (SERVER, 300)


def test_frames_do_not_matter_while_a_prompt_runs() -> None:
    for state in (running(100), running(100, heard=110)):
        assert left(state, Signals(last_server_frame=110), 399) == 1


def test_a_recorded_render_without_a_frame_for_330_seconds_meets_no_deadline() -> None:
    state, graph, longest, latest = PromptState(""), TEXT_TO_IMAGE, 0.0, 0.0
    for event in events("silent_node", "0.33.0"):
        now = event["t"]
        if state.accepted and state.end is None:
            assert left(state, Signals(last_server_frame=latest), now, Limits().for_graph(graph)) != 0
        if event.get("path") == "/prompt":
            state, graph = PromptState(event["response"]["json"]["prompt_id"]), event["json"]["prompt"]
            state.accept()
        elif event.get("path") == "/queue":
            state.on_queue(read_queue(event["response"]["json"]).place_of(state.prompt_id), now)
        elif event.get("http") == "GET":
            state.on_history(event["response"]["json"][state.prompt_id], absent_from_queue=True)
        elif event["ws"] == "recv":
            state.on_frame(read_frame(message(event)), now)
            longest, latest = max(longest, now - (latest or now)), now
    assert longest > 325
    assert isinstance(state.end, Success)


def test_without_a_limit_a_render_has_no_deadline() -> None:
    assert left(running(100), Signals(), 1e9, Limits()) is None


def with_class(class_type: str) -> Graph:
    return TEXT_TO_IMAGE | {"20": {"class_type": class_type, "inputs": {}}}


@pytest.mark.parametrize(
    "class_type", ["SaveVideo", "VHS_VideoCombine", "SaveWEBM", "SaveAnimatedWEBP", "SaveAudioMP3", "WanImageToVideo"]
)
def test_video_and_sound_may_take_hours_and_images_half_an_hour(class_type: str) -> None:
    assert Limits().for_graph(with_class(class_type)) == Limits(render=4 * 3600)
    assert Limits(unreachable=7).for_graph(TEXT_TO_IMAGE) == Limits(render=1800, unreachable=7)


def test_a_render_may_take_ten_times_what_such_renders_took() -> None:
    assert Limits().for_graph(TEXT_TO_IMAGE, 1000).render == 10_000
    assert Limits().for_graph(TEXT_TO_IMAGE, 100).render == 1800
    assert Limits().for_graph(with_class("SaveVideo"), 1441).render == 14_410


def test_a_limit_that_is_set_counts_for_every_graph() -> None:
    assert LIMITS.for_graph(with_class("SaveVideo"), 1000) is LIMITS


def test_an_outage_has_the_same_limit_for_waiting_and_running_prompts() -> None:
    for state in (waiting(), running(100)):
        assert left(state, Signals(OngoingError(200, GONE)), 204) == 1
        with pytest.raises(ServerUnreachable) as over:
            left(state, Signals(OngoingError(200, GONE)), 205)
        assert over.value is GONE


def test_a_frame_during_an_outage_restarts_its_limit() -> None:
    assert left(waiting(), Signals(OngoingError(200, GONE), last_server_frame=204), 205) == 4
    assert left(waiting(), Signals(OngoingError(200, GONE), last_server_frame=10), 204) == 1


@pytest.mark.parametrize("error", [BUSY, AccessDenied(SERVER, 401)])
def test_a_server_with_unusable_answers_counts_as_unreachable(error: PrevisError) -> None:
    with pytest.raises(ServerUnreachable, match=r"render-01:8188 is unreachable: ") as over:
        left(waiting(), Signals(OngoingError(200, error)), 205)
    assert str(error) in str(over.value)


@pytest.mark.parametrize("asked_for", [1.0, 30.0, 300.0])
def test_time_that_a_server_asked_to_wait_does_not_count(asked_for: float) -> None:
    signals = Signals(OngoingError(200 + asked_for, BUSY))
    assert left(waiting(), signals, 200) == asked_for + 5
    assert left(waiting(), signals, 200 + asked_for + 4) == 1


def test_an_error_of_the_history_entry_is_raised_unchanged() -> None:
    assert (
        left(waiting(), Signals(history_error=OngoingError(200, ODD, latest=204.9), last_server_frame=204), 205) is None
    )
    with pytest.raises(ServerUnavailable) as over:
        left(waiting(), Signals(history_error=OngoingError(200, ODD, latest=205), last_server_frame=204), 205)
    assert over.value is ODD


def test_a_history_error_seen_only_once_never_counts() -> None:
    assert left(waiting(), Signals(history_error=OngoingError(200, ODD, latest=200)), 300) is None


moments = st.floats(0, 1e6).map(lambda each: round(each, 3))
lengths = st.floats(0.001, 1e4).map(lambda each: round(each, 3))
troubles = st.none() | st.builds(OngoingError, moments, st.sampled_from([GONE, BUSY, ODD]))
states = st.just(waiting()) | st.builds(running, moments) | st.builds(lambda at: running(at, heard=at), moments)
signal_sets = st.builds(Signals, troubles, troubles, moments)
limit_sets = st.builds(Limits, st.none() | lengths, lengths)


@given(states, signal_sets, limit_sets)
def test_the_earliest_deadline_counts(state: PromptState, signals: Signals, limits: Limits) -> None:
    """Check that each deadline alone would not come earlier."""
    alone: list[tuple[PromptState, Signals]] = [
        (waiting(), Signals(outage=signals.outage, last_server_frame=signals.last_server_frame)),
        (waiting(), Signals(history_error=signals.history_error)),
        (state, Signals()),
    ]
    each = [left(one, heard, -1.0, limits) for one, heard in alone]
    together = left(state, signals, -1.0, limits)
    assert together == min((seconds for seconds in each if seconds is not None), default=None)


@given(states, signal_sets, limit_sets)
def test_a_deadline_is_over_at_its_moment_and_at_every_later_one(
    state: PromptState, signals: Signals, limits: Limits
) -> None:
    seconds = left(state, signals, 0.0, limits)
    if seconds is None:
        assert left(state, signals, 1e12, limits) is None
        return
    assert seconds > 0
    assert left(state, signals, seconds * 0.5, limits) == pytest.approx(seconds * 0.5)
    for later in (seconds, seconds + 1, seconds * 1e3):
        with pytest.raises(PrevisError):
            left(state, signals, later, limits)
