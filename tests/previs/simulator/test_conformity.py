"""The simulator takes the place of each recorded ComfyUI, 0.3.64 and 0.33.0, in every recorded session."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from previs.simulator import Simulator, VersionName
from tests.previs.simulator.protocol_checks import Session, check, outline
from tests.previs.simulator.sessions import (
    SCENARIOS,
    Recorder,
    Served,
    http_client,
    object_info,
    recorded,
    served,
    text_to_image,
)

SECONDS = {
    "client_chosen_prompt_id": 0.1,
    "delete_pending": 0.4,
    "interrupt_running": 1.5,
    "jobs": 0.5,
    "server_killed_while_running": 0.1,
    "socket_dropped_and_reopened": 0.6,
    "two_prompts_queued": 0.1,
}
"""Seconds of a prompt where the client acts while it runs."""

SILENCE = 600.0
"""Seconds; the recorded client ends it, so that no test waits."""

SILENT = {("0.33.0", name) for name in ("silent_node", "interrupt_silent_node", "socket_dropped_and_reopened")}
"""Sessions in which the client acts while a node is silent; the node is done when the recording has its next frame."""

every_session = pytest.mark.parametrize(("version", "scenario"), SCENARIOS)


def cached_before(session: Session) -> set[str] | None:
    """Return the nodes that the recorded server had cached from earlier prompts."""
    for event in session:
        if event.get("text", {}).get("type") == "execution_cached":
            return set(event["text"]["data"]["nodes"])
    return None


async def run_to_its_end(host: Served, graph: dict[str, Any]) -> None:
    async with http_client(host.url) as client:
        prompt_id = (await client.post("/prompt", json={"prompt": graph})).json()["prompt_id"]
        while not (await client.get(f"/history/{prompt_id}")).json():
            pass


async def remember(host: Served, session: Session) -> None:
    """Make the server run a graph and so cache what the recorded server had cached."""
    cached = cached_before(session)
    asks_for_an_entry = any("max_items" in event.get("path", "") for event in session)
    if not cached and not asks_for_an_entry:
        return
    graph = text_to_image(seed=99, prefix="before")
    for node in cached or ():
        posted = next(event for event in session if event.get("path") == "/prompt")
        graph[node] = copy.deepcopy(posted["json"]["prompt"][node])
    for node, changes in {"5": {"width": 128}, "6": {"text": "else"}, "7": {"text": "else"}}.items():
        if node not in (cached or ()):
            graph[node]["inputs"] |= changes
    await run_to_its_end(host, graph)


@every_session
def test_the_checks_hold_for_the_real_server(version: VersionName, scenario: str) -> None:
    check(recorded(scenario, version), version)


@every_session
async def test_a_simulated_session_is_like_the_recorded_one(version: VersionName, scenario: str) -> None:
    session = recorded(scenario, version)
    simulator = Simulator(
        seconds=0,
        previews=any("binary" in event for event in session),
        object_info=object_info(version),
        version=version,
    )
    async with served(simulator) as host:
        await remember(host, session)
        simulator.seconds = SECONDS.get(scenario, 0)
        simulator.faults.silent_for = SILENCE if (version, scenario) in SILENT else 0
        driven = await Recorder(host).drive(session)
    check(driven, version)
    assert outline(driven) == outline(session)


def swap_two_frames(session: Session) -> None:
    places = [place for place, event in enumerate(session) if event.get("text", {}).get("type") == "executing"]
    session[places[0]], session[places[1]] = session[places[1]], session[places[0]]


def drop_the_end(session: Session) -> None:
    session[:] = [event for event in session if event.get("text", {}).get("type") != "execution_success"]


def add_a_key(session: Session) -> None:
    next(event for event in session if event.get("text", {}).get("type") == "progress")["text"]["data"]["more"] = 1


def tell_another_length(session: Session) -> None:
    next(event for event in session if event.get("path") == "/prompt")["response"]["headers"]["Content-Length"] = "1"


def forget_an_output(session: Session) -> None:
    entry = next(event for event in session if "/history/" in event.get("path", ""))["response"]["json"]
    next(iter(entry.values()))["outputs"].clear()


@pytest.mark.parametrize("spoil", [swap_two_frames, drop_the_end, add_a_key, tell_another_length, forget_an_output])
def test_the_checks_find_what_is_wrong_with_a_session(spoil: Callable[[Session], None]) -> None:
    session = copy.deepcopy(recorded("text_to_image_success"))
    spoil(session)
    with pytest.raises(AssertionError):
        check(session)
    assert outline(recorded("text_to_image_success")) != outline(recorded("previews_without_metadata"))
