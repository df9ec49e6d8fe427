"""Test that prompts are polled at growing intervals, and end whatever happens to the socket."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from previs.comfyui.client import server as server_module
from previs.comfyui.client import tracker
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import PromptInterrupted, PromptLost, ServerUnavailable, ServerUnreachable
from previs.simulator import Simulator, make_app, serve
from tests.previs.comfyui.client.clients import FAR, client, new_id, until
from tests.previs.comfyui.graphs import graph

ALWAYS = float("inf")
PATIENT = Limits(render=30, unreachable=2)


@dataclass
class Requests:
    """Record the time, method and path of each request, and the ``clientId`` of each socket."""

    requests: list[tuple[float, str]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)

    def times(self, *starts: str) -> list[float]:
        return [at for at, line in self.requests if line.startswith(starts)]

    @property
    def polls(self) -> list[float]:
        return self.times("GET /queue", "GET /history")


class RequestLog:
    """Record what arrives, before the server's faults apply."""

    def __init__(self, app: ASGIApp, asked: Requests) -> None:
        self.app = app
        self.asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.requests.append((time.monotonic(), f"{scope['method']} {scope['path']}"))
        elif scope["type"] == "websocket":
            self.asked.clients += parse_qs(scope["query_string"].decode())["clientId"]
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def logged(**settings: Any) -> AsyncIterator[tuple[Simulator, Requests, str]]:
    simulator = Simulator(**{"seconds": 0.05, "draw": False, "previews": False} | settings)
    asked = Requests()
    async with serve(simulator, app=RequestLog(make_app(simulator), asked)) as url:
        yield simulator, asked, url


async def submitted(server: Server, seed: int = 5, prompt: str = "") -> str:
    prompt = prompt or new_id()
    await server.submit(graph(seed), prompt)
    return prompt


def following(server: Server, prompt: str, limits: Limits = PATIENT, **options: Any) -> asyncio.Task[Success]:
    return asyncio.create_task(asyncio.wait_for(server.follow(prompt, limits, **options), FAR))


def test_the_longest_pause_between_polls_is_two_seconds() -> None:
    assert tracker.MAX_PAUSE == 2


async def test_the_first_polls_are_quick_and_pauses_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "MAX_PAUSE", 0.6)
    async with logged() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        asked.requests.clear()
        began = time.monotonic()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 4)
        polls = [began, *asked.times("GET /queue")]
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)
    pauses = [later - earlier for earlier, later in pairwise(polls)]
    assert pauses[0] < 1
    assert all(after > min(before * 1.5, 0.5) for before, after in pairwise(pauses[1:]))
    assert pauses[-1] > 0.5


async def test_the_first_polls_of_a_prompt_are_quick_after_any_pause() -> None:
    async with logged() as (simulator, asked, url), client(url) as server:
        await following(server, await submitted(server))
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server, 6)
        began, before = time.monotonic(), len(asked.polls)
        waiting = following(server, prompt)
        await until(lambda: len(asked.polls) > before)
        assert asked.polls[before] - began < 1
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)


async def test_slow_answers_limit_polling_to_a_fifth_of_the_time() -> None:
    async with logged() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        simulator.faults.answer_after = 0.2
        asked.requests.clear()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 2)
        simulator.interrupt(prompt)
        await asyncio.gather(waiting, return_exceptions=True)
    first, second = asked.times("GET /queue")[:2]
    assert second - first > 0.2 * 5 - 0.1


async def test_one_read_of_the_queue_serves_all_prompts() -> None:
    async with logged(seconds=0.02) as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompts = [await submitted(server, seed) for seed in range(20)]
        asked.requests.clear()
        ends = [following(server, prompt) for prompt in prompts]
        await until(lambda: len(asked.times("GET /queue")) >= 2)
        assert len(asked.requests) == len(asked.times("GET /queue"))
        asked.requests.clear()
        began = time.monotonic()
        simulator.faults.heal()
        simulator.interrupt(prompts[0])
        results = await asyncio.gather(*ends, return_exceptions=True)
        polls = len(asked.times("GET /queue"))
    assert [type(result) for result in results[1:]] == [Success] * 19
    assert polls <= 4 + (time.monotonic() - began) / tracker.MAX_PAUSE


async def test_an_end_is_noticed_at_once_and_not_at_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "_FIRST_PAUSE", FAR)
    async with logged(seconds=0) as (_, asked, url), client(url) as server:
        for seed in range(5):
            prompt = await submitted(server, seed)
            asked.requests.clear()
            await following(server, prompt)
            assert [line for _, line in asked.requests] == [f"GET /history/{prompt}"]


async def test_prompts_end_even_if_the_socket_never_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_PAUSE", 0.2)
    async with logged(seconds=0.1) as (simulator, _, url):
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/ws",)
        async with client(url) as server:
            prompts = await asyncio.gather(*(submitted(server, seed) for seed in range(3)))
            results = await asyncio.gather(*(following(server, prompt) for prompt in prompts))
            assert server._tracker.socket.reason == "its socket was refused with HTTP 503"
    assert len({file.filename for result in results for file in result.files}) == 3
    assert sorted(simulator.started) == sorted(prompts)


async def test_reconnecting_with_the_same_client_id_resumes_the_frames() -> None:
    async with logged(seconds=1) as (simulator, asked, url), client(url) as server:
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
async def test_without_history_frames_prove_a_success_unless_some_may_be_missing(
    gap: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    async with logged(seconds=0.8) as (simulator, _, url), client(url) as server:
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
async def test_a_server_that_asks_to_wait_is_not_unreachable_meanwhile(path: str) -> None:
    limits = Limits(render=30, unreachable=0.5)
    async with logged(seconds=0.4) as (simulator, asked, url), client(url) as server:
        prompt = await submitted(server)
        faults = simulator.faults
        faults.only_paths, faults.refuse, faults.refuse_status, faults.retry_after = (path,), 1, 429, 1
        end = following(server, prompt, limits)
        await until(lambda: faults.refuse == 0)
        refused = asked.times(f"GET {path}")[-1]
        result = await end
    later = [at for at in asked.polls if at > refused]
    assert later
    assert min(later) - refused > 0.95
    assert len(result.files) == 1


async def test_a_server_that_stops_asking_to_wait_becomes_unreachable() -> None:
    async with logged(seconds=30) as (simulator, _, url), client(url) as server:
        faults = simulator.faults
        prompt = await submitted(server)
        faults.only_paths, faults.refuse, faults.refuse_status, faults.retry_after = ("/queue",), ALWAYS, 503, 1
        began = time.monotonic()
        end = following(server, prompt, Limits(render=30, unreachable=0.3))
        await until(lambda: server._tracker.outage and server._tracker.outage.since > began + 2)
        assert not end.done()
        faults.retry_after = None
        with pytest.raises(ServerUnreachable, match="HTTP 503"):
            await end


async def test_a_failing_server_is_polled_slowly_and_then_unreachable() -> None:
    async with logged(seconds=0.3) as (simulator, asked, url), client(url) as server:
        prompt = await submitted(server)
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/queue", "/history")
        asked.requests.clear()
        with pytest.raises((ServerUnreachable, ServerUnavailable), match="HTTP 503"):
            await following(server, prompt, Limits(render=30, unreachable=1))
    # A frame reported the end, but the history could not be read.
    assert len(simulator.queue.history) == 1
    assert len(asked.polls) <= 7


async def test_a_lagging_history_is_polled_quickly_and_then_slowly() -> None:
    async with logged(seconds=0) as (simulator, asked, url), client(url) as server:
        simulator.faults.history_lag = 1
        prompt = await submitted(server)
        asked.requests.clear()
        assert len((await following(server, prompt)).files) == 1
    assert len(asked.polls) <= 12


async def test_a_missing_entry_is_requested_again_soon_at_any_pace() -> None:
    async with logged() as (simulator, asked, url), client(url) as server:
        simulator.faults.stall_on = "夜"
        prompt = await submitted(server)
        asked.requests.clear()
        waiting = following(server, prompt)
        await until(lambda: len(asked.times("GET /queue")) >= 3)
        simulator.faults.refuse, simulator.faults.only_paths = 1, ("/history",)
        simulator.interrupt(prompt)
        with pytest.raises(PromptInterrupted):
            await waiting
    refused, found = asked.times("GET /history")
    assert found - refused < 1


async def doubled(simulator: Simulator, *servers: Server) -> str:
    """Return a prompt that several clients posted at once: each had checked before any of them posted."""
    prompt = new_id()
    simulator.faults.answer_after = 0.1
    await asyncio.gather(*(submitted(server, 7, prompt) for server in servers))
    simulator.faults.answer_after = 0
    assert simulator.posted.count(prompt) == len(servers)
    return prompt


@pytest.mark.parametrize("busy", [False, True], ids=["one of them runs", "all wait"])
async def test_a_prompt_posted_by_two_clients_at_once_is_rendered_once_for_both(
    busy: bool,  # noqa: FBT001 - a parameter of pytest's
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker, "MAX_PAUSE", 0.4)
    async with logged(seconds=1.2) as (simulator, _, url), client(url) as one, client(url) as other:
        ahead = following(one, await submitted(one)) if busy else None
        prompt = await doubled(simulator, one, other)
        ends = await asyncio.gather(following(one, prompt), following(other, prompt))
        if ahead is not None:
            await ahead
        await until(lambda: simulator.queue.remaining == 0)
    assert ends[0] == ends[1]
    assert len(ends[0].files) == 1
    assert simulator.started.count(prompt) == 1
    assert simulator.deleted == [prompt]
    assert simulator.interrupted == []


async def test_a_prompt_that_only_another_client_posted_is_never_removed() -> None:
    async with logged(seconds=0.3) as (simulator, _, url), client(url) as one, client(url) as other:
        ahead = await submitted(one)
        prompt = await submitted(one, 6)
        ends = [following(server, prompt) for server in (one, other)]
        assert await ends[0] == await ends[1]
        assert len((await following(one, ahead)).files) == 1
    assert simulator.deleted == []


async def test_an_unavailable_queue_is_an_outage_and_not_an_empty_queue() -> None:
    async with logged(seconds=30) as (simulator, _, url), client(url) as server:
        prompt = await submitted(server)
        end = following(server, prompt, Limits(render=30, unreachable=1))
        simulator.faults.refuse, simulator.faults.only_paths = ALWAYS, ("/queue",)
        simulator.faults.refuse_status = 500
        with pytest.raises(ServerUnreachable, match="HTTP 500"):
            await end
        assert server._tracker.outage is not None
        assert not server.up


async def test_an_outage_is_over_with_the_first_answer() -> None:
    async with logged(seconds=0.9) as (simulator, _, url), client(url) as server:
        prompt = await submitted(server)
        simulator.faults.refuse, simulator.faults.only_paths = 2, ("/queue",)
        end = following(server, prompt)
        await until(lambda: server._tracker.outage)
        assert server._tracker.outage is not None
        assert isinstance(server._tracker.outage.error, ServerUnavailable)
        assert len((await end).files) == 1
        assert server._tracker.outage is None
        assert server.up


async def test_frames_report_the_length_of_the_queue() -> None:
    async with logged(seconds=30) as (simulator, _, url), client(url) as server, client(url) as other:
        for seed in range(3):
            await submitted(other, seed)
        await until(lambda: server.queue_remaining == 3)
        simulator.queue.clear()
        await until(lambda: server.queue_remaining == 1)
