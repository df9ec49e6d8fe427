"""Test that prompts are followed to the right end, whatever fails."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from previs.comfyui.client import server as server_module
from previs.comfyui.client import tracker as tracker_module
from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import Failure, OutputFile, Success
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import (
    AccessDenied,
    FrameDamaged,
    NodeFailed,
    OutOfMemory,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerUnavailable,
    ServerUnreachable,
)
from previs.simulator import ALWAYS, VERSIONS, Faults, Simulator
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import client, new_id, until
from tests.previs.comfyui.client.listening import serving_app
from tests.previs.comfyui.graphs import graph


@pytest.fixture(params=list(VERSIONS))
def simulate(request: pytest.FixtureRequest, simulate: Serve) -> Serve:
    """Serve both versions: only newer servers have ``/api/jobs``, and accept only UUIDs as ids."""

    async def start(**settings: object) -> tuple[Simulator, str]:
        return await simulate(**{"version": request.param} | settings)

    return start


QUICK = Limits(render=30, unreachable=1)


async def run(server: Server, made: Graph, limits: Limits = QUICK) -> tuple[OutputFile, ...]:
    prompt = new_id()
    await server.submit(made, prompt)
    return (await server.follow(prompt, limits)).files


async def following_until(server: Server, prompt: str, phase: Phase, limits: Limits = QUICK) -> asyncio.Task[Any]:
    """Follow a prompt in the background, and return once it has reached a phase."""
    reached = asyncio.Event()

    def see(state: PromptState) -> None:
        if state.phase is phase:
            reached.set()

    following = asyncio.create_task(server.follow(prompt, limits, see))
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait([following, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return following


@pytest.mark.smoke
async def test_a_prompt_is_rendered_and_its_file_is_complete(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with client(url) as server, httpx.AsyncClient() as plain:
        [file] = await run(server, graph(filename_prefix="boards/第1场/shot"))
        assert file == OutputFile("shot_00001_.png", "boards/第1场", "output")
        downloaded = await server.api.download(file, tmp_path / "frame")
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        expected = (await plain.get(f"{url}/view", params=query)).content
    assert (tmp_path / "frame").read_bytes() == expected
    assert (downloaded.size, downloaded.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())


async def test_one_socket_follows_any_number_of_prompts(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.01)
    async with client(url) as server:
        results = await asyncio.gather(*(run(server, graph(seed)) for seed in range(20)))
        assert len(simulator.sockets.by_client) == 1
    assert len({file.filename for [file] in results}) == 20


async def test_steps_are_reported_while_a_prompt_runs(simulate: Serve) -> None:
    _, url = await simulate()
    async with client(url) as server:
        prompt, seen = new_id(), []
        await server.submit(graph(), prompt)
        await server.follow(prompt, QUICK, lambda state: seen.append((state.phase, state.step)))
    assert seen[-1][0] is Phase.ENDED
    assert any(phase is Phase.RUNNING and step > 0 for phase, step in seen)


async def test_a_prompt_of_another_client_is_joined(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.3)
    prompt = new_id()
    async with client(url) as first:
        await first.submit(graph(), prompt)
    async with client(url) as second:
        await second.submit(graph(), prompt)
        assert len((await second.follow(prompt, QUICK)).files) == 1
    assert simulator.posted == [prompt]


async def test_a_finished_prompt_is_found_in_the_history(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with client(url) as server:
        prompt = new_id()
        for _ in range(2):
            await server.submit(graph(), prompt)
            assert len((await server.follow(prompt, QUICK)).files) == 1
    assert simulator.posted == [prompt]


async def test_a_lost_answer_causes_no_second_post(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.lose_prompt_answer = 1
    async with client(url) as server:
        assert len(await run(server, graph())) == 1
    assert len(simulator.posted) == 1


async def test_a_partly_refused_graph_is_refused(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.3)
    made = graph() | {
        "10": {"class_type": "SaveImage", "inputs": {"images": ["11", 0], "filename_prefix": "x"}},
        "11": {"class_type": "LoadImage", "inputs": {"image": "not-uploaded.png"}},
    }
    async with client(url) as server:
        busy = new_id()
        await server.submit(graph(), busy)
        with pytest.raises(PromptRefused, match=r"node 11 \(LoadImage\), image"):
            await run(server, made)
        assert len((await server.follow(busy, QUICK)).files) == 1
    assert simulator.deleted == [simulator.posted[1]]
    assert simulator.started == [busy]


async def test_a_refusal_names_node_input_value_and_remedy(simulate: Serve) -> None:
    simulator, url = await simulate()
    made = graph(seed=-1)
    made["3"]["inputs"]["sampler_name"] = "euler_a"
    async with client(url) as server:
        with pytest.raises(PromptRefused) as refused:
            await run(server, made)
    sentence = str(refused.value)
    assert "node 3 (KSampler), seed: -1: must be from 0 to 18446744073709551615" in sentence
    others = len(simulator.object_info["KSampler"]["input"]["required"]["sampler_name"][0])
    assert f"sampler_name: 'euler_a': the server has {others} others, the closest are euler" in sentence


async def test_a_node_that_fails_is_named(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "夜"
    async with client(url) as server:
        with pytest.raises(NodeFailed, match=r"node 3 \(KSampler\) failed on http"):
            await run(server, graph())


async def test_out_of_memory_is_distinguished_from_a_failure(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.out_of_memory_on = "夜"
    async with client(url) as server:
        with pytest.raises(OutOfMemory, match=r"ran out of memory at node 3 \(KSampler\)"):
            await run(server, graph())


async def test_a_restart_loses_a_prompt_and_is_noticed(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=30)
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        following = await following_until(server, prompt, Phase.RUNNING)
        simulator.restart()
        with pytest.raises(PromptLost, match="no longer knows prompt"):
            await asyncio.wait_for(following, 10)


async def test_a_socket_dropped_at_any_frame_loses_nothing(simulate: Serve) -> None:
    for frames in range(1, 20, 3):
        simulator, url = await simulate()
        simulator.faults.drop_sockets = 3
        simulator.faults.drop_after_frames = frames
        async with client(url) as server:
            assert len(await run(server, graph())) == 1
        assert len(simulator.posted) == 1


async def test_a_history_that_lags_behind_the_frames_is_waited_for(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0)
    simulator.faults.history_lag = 0.3
    async with client(url) as server:
        assert len(await run(server, graph())) == 1


async def test_a_render_over_its_limit_is_cancelled_by_id(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=2)
    async with client(url) as server, client(url) as other:
        ours, theirs = new_id(), new_id()
        await server.submit(graph(1), ours)
        await other.submit(graph(2), theirs)
        with pytest.raises(RenderTimedOut, match=r"was not done after 0\.3 s"):
            await server.follow(ours, Limits(render=0.3))
        simulator.seconds = 0.05
        await server.cancel_prompt(ours)
        assert len((await other.follow(theirs, QUICK)).files) == 1
    assert simulator.interrupted == [ours]


async def test_a_node_that_sends_no_frame_is_waited_for_while_the_queue_names_its_prompt(
    simulate: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "MAX_PAUSE", 0.1)
    simulator, url = await simulate(seconds=0, faults=Faults(silent_for=600))
    async with client(url) as server:
        prompt, polls = new_id(), 0
        await server.submit(graph(), prompt)

        def count(_: PromptState) -> None:
            nonlocal polls
            polls += simulator.execution is not None and simulator.execution.silent
            if polls == 5:
                simulator.end_silence()

        await server.follow(prompt, Limits(render=30), count)
    assert (simulator.started, simulator.posted, simulator.interrupted) == ([prompt], [prompt], [])


async def test_a_server_that_dies_under_a_silent_node_is_unreachable(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0, faults=Faults(silent_for=600))
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        following = await following_until(server, prompt, Phase.RUNNING, Limits(unreachable=0.3))
        simulator.close_door()
        simulator.cut_all()
        with pytest.raises(ServerUnreachable):
            await following


async def test_a_prompt_that_a_restart_took_from_a_silent_node_is_lost(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0, faults=Faults(silent_for=600))
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        following = await following_until(server, prompt, Phase.RUNNING)
        simulator.restart()
        with pytest.raises(PromptLost):
            await following
    assert simulator.interrupted == []


async def test_a_prompt_that_waits_behind_others_has_no_deadline_yet(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.45)
    async with client(url) as server, client(url) as other:
        first, second = new_id(), new_id()
        await other.submit(graph(1), first)
        await other.submit(graph(2), second)
        # Each runs 0.45 s, so that ours waits 0.9 s.
        assert len(await run(server, graph(3), Limits(render=0.8))) == 1
    assert len(simulator.started) == 3


async def test_a_cancelled_pending_prompt_is_deleted(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.5)
    async with client(url) as server:
        first, second = new_id(), new_id()
        await server.submit(graph(1), first)
        await server.submit(graph(2), second)
        await server.cancel_prompt(second)
        assert len((await server.follow(first, QUICK)).files) == 1
    assert simulator.deleted == [second]
    assert simulator.started == [first]


async def test_a_server_that_stops_answering_is_unreachable_after_the_limit(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=60)
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        following = await following_until(server, prompt, Phase.RUNNING, Limits(unreachable=0.5))
        simulator.faults.hang_up = float("inf")
        for transport in list(simulator.connections.values()):
            transport.abort()
        with pytest.raises(ServerUnreachable):
            await asyncio.wait_for(following, 10)


@pytest.mark.parametrize("fault", ["cut_downloads", "garbage"])
async def test_a_truncated_file_is_damaged_and_complete_the_next_time(
    simulate: Serve, tmp_path: Path, fault: str
) -> None:
    simulator, url = await simulate()
    async with client(url) as server:
        [file] = await run(server, graph())
        whole = await server.api.download(file, tmp_path / "whole")
        setattr(simulator.faults, fault, 1)
        if fault == "cut_downloads":
            with pytest.raises(FrameDamaged, match=r"stopped sending after|bytes arrived"):
                await server.api.download(file, tmp_path / "frame")
        else:
            assert (await server.api.download(file, tmp_path / "frame")).sha256 != whole.sha256
        assert (await server.api.download(file, tmp_path / "frame")).sha256 == whole.sha256


async def test_a_file_that_the_server_no_longer_has_is_damaged(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with client(url) as server:
        with pytest.raises(FrameDamaged, match="no longer has it"):
            await server.api.download(OutputFile("gone.png", "", "output"), tmp_path / "frame")


async def test_a_name_taken_by_other_bytes_gets_the_servers_own_name(simulate: Serve, tmp_path: Path) -> None:
    for content in ("1", "2"):
        (tmp_path / content).write_text(content)
    _, url = await simulate()
    async with client(url) as server:
        names = [
            await server.api.upload_image("ref.png", tmp_path / content, subfolder="previs")
            for content in ("1", "1", "2")
        ]
    assert names == ["previs/ref.png", "previs/ref.png", "previs/ref (1).png"]


async def test_every_request_and_the_socket_send_the_token(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.header = ("Authorization", "Bearer s3cret")
    async with client(url, Authorization="Bearer s3cret") as server:
        assert await server._tracker.socket.opened(5)
        assert len(await run(server, graph())) == 1
    async with client(url) as stranger:
        with pytest.raises(AccessDenied, match=r"denies access \(HTTP 401\)"):
            await stranger.probe()
    assert "s3cret" not in repr(Address(url, {"Authorization": "Bearer s3cret"}))


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_an_unusable_answer_may_succeed_later(simulate: Serve, status: int) -> None:
    simulator, url = await simulate()
    simulator.faults.refuse, simulator.faults.refuse_status = 1, status
    simulator.faults.only_paths = ("/system_stats",)
    async with client(url) as server:
        with pytest.raises(ServerUnavailable, match=f"GET /system_stats with HTTP {status}"):
            await server.probe()
        assert not server.up
        await server.probe()
        assert server.up


async def test_a_server_that_is_not_comfyui_is_reported(simulate: Serve) -> None:
    _, url = await simulate()
    async with client(f"{url}/nothing/here") as server:
        with pytest.raises(ServerUnavailable, match="HTTP 404"):
            await server.probe()
    async with client("http://127.0.0.1:1") as nowhere:
        with pytest.raises(ServerUnreachable, match="refused or not possible"):
            await nowhere.probe()


def test_a_base_url_keeps_its_path_and_loses_its_credentials_in_names() -> None:
    address = Address("https://user:pass@farm.studio:8443/comfy/")
    assert address.name == "https://farm.studio:8443/comfy"
    assert Address("https://farm.studio/comfy").socket_url == "wss://farm.studio/comfy/ws"


@contextlib.asynccontextmanager
async def odd_server(path: str, answer: object) -> AsyncIterator[str]:
    """Serve an idle ComfyUI that answers one path with ``answer``."""

    async def reply(request: Request) -> Response:
        asked = request.url.path
        if asked.startswith(path):
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        return JSONResponse({"queue_running": [], "queue_pending": []} if asked == "/queue" else {})

    async with serving_app(Route("/{_:path}", reply, methods=["GET", "POST"])) as url:
        yield url


async def test_a_server_that_ignores_prompt_ids_of_clients_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_PAUSE", 0.1)
    answer = {"prompt_id": "its-own", "number": 1, "node_errors": {}}
    async with odd_server("/prompt", answer) as url, client(url) as server:
        with pytest.raises(PromptRefused, match="ignores prompt ids of clients"):
            await run(server, graph())


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"[" * 100_000, b'{"p": ' + b"9" * 5000 + b"}", b"\xff"],
    ids=["html", "a list", "endless", "a huge number", "no text"],
)
async def test_an_unreadable_body_raises_unavailable(body: bytes) -> None:
    answer = Response(body, media_type="application/json")
    async with odd_server("/queue", answer) as url, client(url) as server:
        with pytest.raises(ServerUnavailable):
            await server.api.queue()


async def test_a_body_that_cannot_be_decompressed_raises_unavailable() -> None:
    answer = Response(b"not gzip", headers={"Content-Encoding": "gzip"})
    async with odd_server("/system_stats", answer) as url, client(url) as server:
        with pytest.raises(ServerUnavailable):
            await server.probe()


async def test_an_unreadable_history_entry_affects_its_own_prompt_alone(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.2)
    async with client(url) as server:
        bad, good = new_id(), new_id()
        await server.submit(graph(1), bad)
        simulator.faults.refuse, simulator.faults.refuse_status = float("inf"), 500
        simulator.faults.only_paths = (f"/history/{bad}",)
        await server.submit(graph(2), good)
        following = asyncio.create_task(server.follow(bad, Limits(unreachable=0.5)))
        assert len((await server.follow(good, QUICK)).files) == 1
        with pytest.raises(ServerUnavailable, match="HTTP 500"):
            await following


async def abandoned(server: Server, simulator: Simulator) -> str:
    """Return a running prompt that could not be cancelled and that nobody follows."""
    prompt = new_id()
    await server.submit(graph(), prompt)
    with pytest.raises(RenderTimedOut):
        await server.follow(prompt, Limits(render=0.1))
    simulator.faults.hang_up, simulator.faults.only_paths = ALWAYS, ("/queue", "/jobs")
    with pytest.raises(ServerUnreachable):
        await server.cancel_prompt(prompt)
    server.up = False
    simulator.faults.heal()
    return prompt


async def test_a_prompt_is_cancelled_although_a_request_is_lost(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=2)
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        following = await following_until(server, prompt, Phase.RUNNING)
        simulator.faults.hang_up, simulator.faults.only_paths = 2, ("/queue", "/jobs")
        assert await server.cancel_prompt(prompt)
        assert simulator.queue.remaining == 0
        with pytest.raises(PromptInterrupted):
            await following
    assert simulator.interrupted == [prompt]


async def test_a_post_whose_caller_was_cancelled_is_cancelled_once_it_is_answered(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=2)
    async with client(url) as server:
        prompt = new_id()
        await server.probe()
        simulator.faults.answer_after = 0.2
        submitting = asyncio.create_task(server.submit(graph(), prompt))
        while prompt not in server._posts._open:
            await asyncio.sleep(0.01)
        submitting.cancel()
        await asyncio.wait([submitting])
        assert simulator.posted == []
        simulator.faults.heal()
        assert await server.cancel_prompt(prompt)
    assert simulator.posted == [prompt]
    assert simulator.queue.remaining == 0


async def test_a_prompt_that_could_not_be_cancelled_is_once_the_server_answers_again(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=2)
    async with client(url) as server:
        prompt = await abandoned(server, simulator)
        await server.probe()
        await server.probe()
        while simulator.queue.remaining:
            await asyncio.sleep(0.01)
    assert simulator.interrupted == [prompt]


async def test_a_prompt_that_could_not_be_cancelled_is_left_alone_if_it_is_followed_again(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=1.2)
    async with client(url) as server:
        prompt = await abandoned(server, simulator)
        await server.probe()
        following = asyncio.create_task(server.follow(prompt, QUICK))
        await asyncio.sleep(0)
        await server.probe()
        assert len((await following).files) == 1
    assert simulator.interrupted == simulator.deleted == []


async def test_a_dequeued_prompt_has_no_status(simulate: Serve) -> None:
    _, url = await simulate(seconds=3)
    async with client(url) as server:
        running, waiting = new_id(), new_id()
        await server.submit(graph(1), running)
        await server.submit(graph(2), waiting)
        assert await server.cached_status(waiting) is Phase.WAITING
        await server.dequeue(waiting)
        with pytest.raises(PromptLost):
            await server.follow(waiting, QUICK)
        assert await server.cached_status(waiting) is None


async def test_a_failed_prompt_has_no_cached_running_status(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.3)
    simulator.faults.memory_full, simulator.faults.history_lag = True, 0.3
    async with client(url) as server:
        prompt = new_id()
        await server.submit(graph(), prompt)
        assert isinstance(await server.cached_status(prompt), Phase)
        with pytest.raises(OutOfMemory):
            await server.follow(prompt, QUICK)
        assert isinstance(await server.cached_status(prompt), Failure)


async def test_an_unshared_servers_history_is_requested_only_for_own_prompts(
    simulate: Serve,
) -> None:
    simulator, url = await simulate()
    async with client(url) as server, client(url) as other:
        await server.probe()
        assert await server._tracker.socket.opened(5)
        ours, theirs = new_id(), new_id()
        await server.submit(graph(1), ours)
        await server.follow(ours, QUICK)
        assert isinstance(await server.cached_status(ours), Success)
        simulator.faults.only_paths, simulator.faults.refuse = ("/history",), ALWAYS
        assert await server.cached_status(new_id()) is None
        simulator.faults.heal()
        await other.submit(graph(2), theirs)
        await other.follow(theirs, QUICK)
        while not server._queue_cache.has_foreign:
            await asyncio.sleep(0.01)
        assert isinstance(await server.cached_status(theirs), Success)


async def is_asked(server: Server, simulator: Simulator, prompt: str, *, new: bool) -> bool:
    """Submit a prompt to a server that refuses to say where a prompt is; return whether it was asked."""
    simulator.faults.only_paths, simulator.faults.refuse = ("/history", "/jobs"), ALWAYS
    try:
        await server.submit(graph(), prompt, new=new)
    except ServerUnavailable:
        return True
    finally:
        simulator.faults.heal()
    await server.follow(prompt, QUICK)
    return False


async def test_an_unshared_server_is_not_asked_for_a_new_prompt(simulate: Serve) -> None:
    simulator, url = await simulate()
    async with client(url) as server:
        await server.probe()
        prompt = new_id()
        assert await is_asked(server, simulator, prompt, new=False)
        assert not await is_asked(server, simulator, prompt, new=True)
        # Only this client has used the server, but it has posted the id itself.
        server.forget(prompt)
        assert await is_asked(server, simulator, prompt, new=True)
        assert await server.submit(graph(), prompt, new=True) is False
    assert simulator.posted == [prompt]


@pytest.mark.parametrize("seconds", [0.0, 30.0], ids=["finished", "running"])
async def test_a_new_prompt_is_asked_for_on_a_server_that_others_use(simulate: Serve, seconds: float) -> None:
    simulator, url = await simulate(seconds=seconds)
    prompt = new_id()
    async with client(url) as other:
        await other.submit(graph(), prompt)
        await until(lambda: simulator.started and (seconds or not simulator.queue.running))
    async with client(url) as server:
        await server.probe()
        assert await server.submit(graph(), prompt, new=True) is False
    assert simulator.posted == [prompt]


async def test_a_server_whose_socket_does_not_open_counts_as_shared(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.only_paths, simulator.faults.refuse = ("/ws",), ALWAYS
    async with client(url) as server:
        await server.probe()
        assert server._queue_cache.has_foreign


async def test_a_server_of_unknown_use_counts_as_shared(simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.only_paths, simulator.faults.refuse = ("/history",), 1
    async with client(url) as server:
        await server.probe()
        assert server.up
        assert server._queue_cache.has_foreign


async def test_a_prompt_neither_posted_nor_followed_here_is_not_cancelled(simulate: Serve) -> None:
    simulator, url = await simulate(seconds=0.4)
    async with client(url) as server, client(url) as other:
        theirs = new_id()
        await other.submit(graph(), theirs)
        assert await server.cancel_prompt(theirs)
        assert len((await other.follow(theirs, QUICK)).files) == 1
    assert simulator.interrupted == simulator.deleted == []
