"""A server's prompts are watched at a calm pace, and come to their end whatever becomes of the socket."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.client.tracker import MAX_PAUSE
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import PromptInterrupted, PromptLost, ServerUnavailable, ServerUnreachable
from previs.simulator import Simulator, make_app, serve
from tests.previs.comfyui.graphs import graph

ALWAYS = float("inf")
PATIENT = Limits(render=30, silence=20, unreachable=2)
FAR = 20
"""Seconds within which whatever is waited for has come."""


@dataclass
class Asked:
    """What a server was asked: when, and the method and path; of sockets the ``clientId``."""

    requests: list[tuple[float, str]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)

    def times(self, *starts: str) -> list[float]:
        return [at for at, line in self.requests if line.startswith(starts)]

    @property
    def looks(self) -> list[float]:
        return self.times("GET /queue", "GET /history")


class Witness:
    """Keeps what comes, before the server's faults concern it."""

    def __init__(self, app: ASGIApp, asked: Asked) -> None:
        self.app = app
        self.asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.requests.append((time.monotonic(), f"{scope['method']} {scope['path']}"))
        elif scope["type"] == "websocket":
            self.asked.clients += parse_qs(scope["query_string"].decode())["clientId"]
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def witnessed(**settings: Any) -> AsyncIterator[tuple[Simulator, Asked, str]]:
    simulator = Simulator(**{"seconds": 0.05, "draw": False, "previews": False} | settings)
    asked = Asked()
    async with serve(simulator, app=Witness(make_app(simulator), asked)) as url:
        yield simulator, asked, url


@contextlib.asynccontextmanager
async def client(url: str) -> AsyncIterator[Server]:
    async with Server(Address(url)) as server:
        yield server


def new_id() -> str:
    return str(uuid.uuid4())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(FAR):
        while not holds():
            await asyncio.sleep(0.01)


async def submitted(server: Server, seed: int = 5, prompt: str = "") -> str:
    prompt = prompt or new_id()
    await server.submit(graph(seed), prompt)
    return prompt


def following(server: Server, prompt: str, limits: Limits = PATIENT, **options: Any) -> asyncio.Task[Success]:
    return asyncio.create_task(asyncio.wait_for(server.follow(prompt, limits, **options), FAR))


async def test_the_first_looks_are_quick_and_then_none_comes_sooner_than_every_two_seconds() -> None:
    async with witnessed() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        asked.requests.clear()
        began = time.monotonic()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 5)
        looks = [began, *asked.times("GET /queue")]
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert pauses[0] < 1
    assert all(after > min(before * 1.5, MAX_PAUSE - 0.1) for before, after in pairwise(pauses[1:]))
    assert pauses[-1] > MAX_PAUSE - 0.1


async def test_the_first_looks_at_a_prompt_are_quick_however_long_nobody_looked() -> None:
    async with witnessed() as (simulator, asked, url), client(url) as server:
        await following(server, await submitted(server))
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server, 6)
        began, before = time.monotonic(), len(asked.looks)
        waiting = following(server, prompt)
        await until(lambda: len(asked.looks) > before)
        assert asked.looks[before] - began < 1
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)


async def test_looking_takes_at_most_a_fifth_of_the_time_where_an_answer_takes_long() -> None:
    async with witnessed() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        simulator.faults.answer_after = 0.3
        asked.requests.clear()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 2)
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)
    first, second = asked.times("GET /queue")[:2]
    assert second - first > 0.3 * 5 - 0.1


async def test_one_read_of_the_queue_serves_all_prompts() -> None:
    async with witnessed(seconds=0.02) as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompts = [await submitted(server, seed) for seed in range(40)]
        asked.requests.clear()
        ends = [following(server, prompt) for prompt in prompts]
        await until(lambda: len(asked.times("GET /queue")) >= 3)
        assert len(asked.requests) == len(asked.times("GET /queue"))
        asked.requests.clear()
        began = time.monotonic()
        simulator.faults.heal()
        simulator.interrupt(prompts[0])
        results = await asyncio.gather(*ends, return_exceptions=True)
        looks = len(asked.times("GET /queue"))
    assert [type(result) for result in results[1:]] == [Success] * 39
    assert looks <= 4 + (time.monotonic() - began) / MAX_PAUSE


async def test_an_end_is_seen_at_once_and_not_at_the_next_look() -> None:
    async with witnessed(seconds=0) as (_, asked, url), client(url) as server:
        for seed in range(5):
            prompt = await submitted(server, seed)
            asked.requests.clear()
            await following(server, prompt)
            assert [line for _, line in asked.requests] == [f"GET /history/{prompt}"]


async def test_with_the_socket_down_for_good_prompts_come_to_their_end() -> None:
    async with witnessed(seconds=0.1) as (simulator, _, url):
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/ws",)
        async with client(url) as server:
            prompts = await asyncio.gather(*(submitted(server, seed) for seed in range(3)))
            results = await asyncio.gather(*(following(server, prompt) for prompt in prompts))
            assert server._tracker.socket.reason == "its socket was refused with HTTP 503"
    assert len({file.filename for result in results for file in result.files}) == 3
    assert sorted(simulator.started) == sorted(prompts)


async def test_after_reconnecting_the_same_client_id_brings_the_frames_of_what_still_runs() -> None:
    async with witnessed(seconds=1.5) as (simulator, asked, url), client(url) as server:
        running, steps = asyncio.Event(), list[tuple[int, int]]()

        def see(state: PromptState) -> None:
            if state.phase is Phase.RUNNING:
                running.set()
                steps.append((len(asked.clients), state.step))

        prompt = await submitted(server)
        end = following(server, prompt, on_change=see)
        await asyncio.wait_for(running.wait(), FAR)
        simulator.cut_all()
        assert len((await end).files) == 1
    assert asked.clients == [server._tracker.socket.client_id] * 2
    assert [step for opened, step in steps if opened == 2 and step > 0]
    assert simulator.posted == [prompt]


@pytest.mark.parametrize("gap", [False, True], ids=["no gap", "a gap"])
async def test_where_the_history_forgets_frames_alone_prove_a_success_unless_some_may_be_missing(
    gap: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    async with witnessed(seconds=0.8) as (simulator, _, url), client(url) as server:
        simulator.faults.history_limit = 0
        running = asyncio.Event()
        prompt = await submitted(server)
        end = following(server, prompt, on_change=lambda state: running.set() if state.step else None)
        await asyncio.wait_for(running.wait(), FAR)
        if gap:
            simulator.cut_all()
            with pytest.raises(PromptLost):
                await end
        else:
            assert len((await end).files) == 1


@pytest.mark.parametrize("path", ["/queue", "/history"])
async def test_a_server_that_asks_for_time_gets_it_and_is_not_unreachable_meanwhile(path: str) -> None:
    limits = Limits(render=30, silence=20, unreachable=0.5)
    async with witnessed(seconds=0.4) as (simulator, asked, url), client(url) as server:
        prompt = await submitted(server)
        faults = simulator.faults
        faults.only_paths, faults.refuse, faults.refuse_status, faults.retry_after = (path,), 1, 429, 2
        end = following(server, prompt, limits)
        await until(lambda: faults.refuse == 0)
        refused = asked.times(f"GET {path}")[-1]
        result = await end
    later = [at for at in asked.looks if at > refused]
    assert later
    assert min(later) - refused > 1.9
    assert len(result.files) == 1


async def test_a_server_that_asks_for_time_again_and_again_is_unreachable_when_it_does_not_any_more() -> None:
    async with witnessed(seconds=30) as (simulator, _, url), client(url) as server:
        faults = simulator.faults
        prompt = await submitted(server)
        faults.only_paths, faults.refuse, faults.refuse_status, faults.retry_after = ("/queue",), ALWAYS, 503, 1
        began = time.monotonic()
        end = following(server, prompt, Limits(render=30, silence=20, unreachable=0.3))
        await until(lambda: server._tracker.outage and server._tracker.outage.since > began + 2)
        assert not end.done()
        faults.retry_after = None
        with pytest.raises(ServerUnreachable, match="HTTP 503"):
            await end


async def test_a_server_that_fails_without_a_word_is_asked_calmly_and_given_up() -> None:
    async with witnessed(seconds=0.3) as (simulator, asked, url), client(url) as server:
        prompt = await submitted(server)
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/queue", "/history")
        asked.requests.clear()
        with pytest.raises((ServerUnreachable, ServerUnavailable), match="HTTP 503"):
            await following(server, prompt, Limits(render=30, silence=20, unreachable=2))
    # Its end was told by a frame, and nothing could be learned of it.
    assert len(simulator.queue.history) == 1
    assert len(asked.looks) <= 10


async def test_a_history_that_lags_is_looked_for_often_at_first_and_then_calmly() -> None:
    async with witnessed(seconds=0) as (simulator, asked, url), client(url) as server:
        simulator.faults.history_lag = 2
        prompt = await submitted(server)
        asked.requests.clear()
        assert len((await following(server, prompt)).files) == 1
    assert len(asked.looks) <= 12


async def test_an_entry_that_was_not_to_be_had_at_once_is_looked_for_soon_however_calm_the_pace_was() -> None:
    async with witnessed() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        asked.requests.clear()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 4)
        simulator.faults.refuse, simulator.faults.only_paths = 1, ("/history",)
        simulator.interrupt(prompt)
        with pytest.raises(PromptInterrupted):
            await waiting
    refused, found = asked.times("GET /history")
    assert found - refused < 1


async def doubled(simulator: Simulator, *servers: Server) -> str:
    """A prompt that several clients post at the same moment: each had looked before any of them posted."""
    prompt = new_id()
    simulator.faults.answer_after = 0.1
    await asyncio.gather(*(submitted(server, 7, prompt) for server in servers))
    simulator.faults.answer_after = 0
    assert simulator.posted.count(prompt) == len(servers)
    return prompt


@pytest.mark.parametrize("busy", [False, True], ids=["one of them runs", "all wait"])
async def test_what_two_clients_posted_at_the_same_moment_is_rendered_once_and_both_get_it(
    busy: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    async with witnessed(seconds=1.6) as (simulator, _, url), client(url) as one, client(url) as other:
        ahead = following(one, await submitted(one)) if busy else None
        prompt = await doubled(simulator, one, other)
        # Frames go to the client whose post is left: to the other one this must not be silence.
        limits = Limits(render=30, silence=0.8, unreachable=2)
        ends = await asyncio.gather(following(one, prompt, limits), following(other, prompt, limits))
        if ahead is not None:
            await ahead
        await until(lambda: simulator.queue.remaining == 0)
    assert ends[0] == ends[1]
    assert len(ends[0].files) == 1
    assert simulator.started.count(prompt) == 1
    assert simulator.deleted == [prompt]
    assert simulator.interrupted == []


async def test_a_prompt_that_only_somebody_else_posted_is_never_taken_out() -> None:
    async with witnessed(seconds=0.5) as (simulator, _, url), client(url) as one, client(url) as other:
        ahead = await submitted(one)
        prompt = await submitted(one, 6)
        ends = [following(server, prompt) for server in (one, other)]
        assert await ends[0] == await ends[1]
        assert len((await following(one, ahead)).files) == 1
    assert simulator.deleted == []


async def test_a_queue_that_nothing_can_read_is_an_outage_and_not_an_empty_one() -> None:
    async with witnessed(seconds=30) as (simulator, _, url), client(url) as server:
        prompt = await submitted(server)
        end = following(server, prompt, Limits(render=30, silence=20, unreachable=1))
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/queue",)
        simulator.faults.refuse_status = 500
        with pytest.raises(ServerUnreachable, match="HTTP 500"):
            await end
        assert server._tracker.outage is not None
        assert not server.up


async def test_an_outage_is_over_with_the_first_answer() -> None:
    async with witnessed(seconds=1.5) as (simulator, _, url), client(url) as server:
        prompt = await submitted(server)
        simulator.faults.refuse, simulator.faults.only_paths = 2, ("/queue",)
        end = following(server, prompt)
        await until(lambda: server._tracker.outage)
        assert server._tracker.outage is not None
        assert isinstance(server._tracker.outage.error, ServerUnavailable)
        assert len((await end).files) == 1
        assert server._tracker.outage is None
        assert server.up


async def test_the_queue_of_everybody_is_known_from_the_sockets_frames() -> None:
    async with witnessed(seconds=30) as (simulator, _, url), client(url) as server, client(url) as somebody:
        for seed in range(3):
            await submitted(somebody, seed)
        await until(lambda: server.queue_remaining == 3)
        simulator.queue.clear()
        await until(lambda: server.queue_remaining == 1)
