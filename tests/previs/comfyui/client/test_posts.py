"""Test that a post in flight continues to its answer even if its caller is cancelled."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Posted
from previs.comfyui.client.posts import Posts
from previs.comfyui.client.server import Server
from previs.errors import ServerUnavailable, ServerUnreachable
from previs.simulator import VERSIONS, VersionName
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import FAR, api_of, new_id, until
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.comfyui.graphs import graph


@contextlib.asynccontextmanager
async def posts_to(url: str) -> AsyncIterator[Posts]:
    async with api_of(url) as api:
        posts = Posts(api)
        try:
            yield posts
        finally:
            await posts.stop()


def sending(posts: Posts, prompt: str) -> asyncio.Task[Posted]:
    return asyncio.create_task(posts.send(graph(), prompt, "ours"))


async def in_flight(posts: Posts, prompt: str) -> asyncio.Task[Posted]:
    """Start a post that has no answer yet."""
    task = sending(posts, prompt)
    await asyncio.sleep(0)
    assert prompt in posts._open
    return task


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_post_is_answered(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with posts_to(url) as posts:
        prompt = new_id()
        posted = await posts.send(graph(), prompt, "ours")
        assert (posted.accepted, posted.body["prompt_id"]) == (True, prompt)
        assert simulator.posted == [prompt]
        assert posts._open == {}


async def test_a_post_continues_when_its_caller_is_cancelled(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=30)
    simulator.faults.answer_after = 0.3
    async with posts_to(url) as posts:
        prompt = new_id()
        await cancel(await in_flight(posts, prompt))
        assert simulator.posted == []
        await posts.wait_for_answer(prompt, FAR)
        assert simulator.posted == [prompt]
        assert posts._open == {}


async def test_waiting_for_an_answer_has_a_limit() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await answer.wait()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with silent, posts_to(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}") as posts:
        prompt, began = new_id(), time.monotonic()
        task = sending(posts, prompt)
        await asyncio.wait_for(asked.wait(), FAR)
        await posts.wait_for_answer(prompt, 0.2)
        assert 0.15 < time.monotonic() - began < FAR
        assert not task.done()
        await posts.wait_for_answer(new_id(), FAR)
        assert not task.done()
        await posts.stop()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert posts._open == {}
        answer.set()


@pytest.mark.parametrize(
    ("fault", "error"), [("refuse", ServerUnavailable), ("hang_up", ServerUnreachable)], ids=["refused", "cut"]
)
async def test_a_post_without_an_answer_raises(simulate: Serve, fault: str, error: type[Exception]) -> None:
    simulator, url = await simulate()
    setattr(simulator.faults, fault, 1)
    async with posts_to(url) as posts:
        with pytest.raises(error):
            await posts.send(graph(), new_id(), "ours")
        assert posts._open == {}
    assert simulator.posted == []


async def test_an_unretrieved_error_is_not_logged() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with answering(lambda _: response(503, {})) as (url, asked), posts_to(url) as posts:
        prompt = new_id()
        await cancel(await in_flight(posts, prompt))
        await posts.wait_for_answer(prompt, FAR)
        assert asked.lines == ["POST /prompt"]
        gc.collect()
    assert reported == []


async def test_a_post_of_an_id_in_flight_joins_the_first(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=30)
    simulator.faults.answer_after = 0.2
    async with posts_to(url) as posts:
        prompt = new_id()
        first = await in_flight(posts, prompt)
        await cancel(first)
        later = await asyncio.gather(*(posts.send(graph(), prompt, "ours") for _ in range(3)))
        assert all(posted.accepted for posted in later)
        assert simulator.posted == [prompt]


async def test_an_id_is_posted_again_once_its_first_post_was_answered(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with posts_to(url) as posts:
        prompt = new_id()
        for _ in range(2):
            await posts.send(graph(), prompt, "ours")
    assert simulator.posted == [prompt, prompt]


async def test_posts_of_different_ids_do_not_wait_for_each_other(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=30)
    simulator.faults.answer_after = 0.2
    async with posts_to(url) as posts:
        prompts, began = [new_id() for _ in range(8)], time.monotonic()
        await asyncio.gather(*(sending(posts, prompt) for prompt in prompts))
        assert time.monotonic() - began < 8 * 0.2
    assert sorted(simulator.posted) == sorted(prompts)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_prompt_cancelled_while_its_post_is_in_flight_is_removed(simulate: Serve, version: VersionName) -> None:
    simulator, url = await simulate(seconds=2, version=version)
    async with Server(Address(url)) as server:
        assert await server._tracker.socket.opened(FAR)
        prompt = new_id()
        simulator.faults.answer_after = 0.2
        submitting = asyncio.create_task(server.submit(graph(), prompt))
        await until(lambda: prompt in server._posts._open)
        assert simulator.posted == []
        await cancel(submitting)
        simulator.faults.answer_after = 0
        assert await server.cancel_prompt(prompt)
        await until(lambda: simulator.queue.remaining == 0)
    assert simulator.posted == [prompt]
    assert simulator.interrupted + simulator.deleted == [prompt]
