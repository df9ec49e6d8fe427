"""Each switch for what goes wrong, over a real socket."""

import asyncio
import time

import httpx
import pytest
import websockets

from previs.simulator import ALWAYS, Faults, Simulator, serve
from tests.previs.simulator.protocol_checks import Value
from tests.previs.simulator.sessions import text_to_image, visit, visited


def simulator(seconds: float = 0, **faults: Value) -> Simulator:
    return Simulator(seconds=seconds, draw=False, previews=False, faults=Faults(**faults))


async def statuses(url: str, *paths: str) -> list[int]:
    async with httpx.AsyncClient(base_url=url) as client:
        return [(await client.get(path)).status_code for path in paths]


async def test_so_many_requests_are_refused_with_a_status() -> None:
    async with serve(simulator(refuse=2, refuse_status=502)) as url:
        assert await statuses(url, *["/queue"] * 3) == [502, 502, 200]


async def test_refusals_can_be_kept_to_some_paths_and_last_for_ever() -> None:
    faulty = simulator(refuse=ALWAYS, only_paths=("/history", "/view"))
    async with serve(faulty) as url:
        assert await statuses(url, "/queue", "/history/x", "/api/history", "/view") == [200, 503, 503, 503]
        faulty.faults.heal()
        assert await statuses(url, "/history/x") == [200]


async def test_a_socket_is_refused_like_any_request() -> None:
    async with serve(simulator(refuse=1, only_paths=("/ws",))) as url:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws{url.removeprefix('http')}/ws")
        assert refused.value.response.status_code == 503
        async with visited(url) as visitor:
            await visitor.hear("status")


async def test_a_connection_is_cut_before_any_answer() -> None:
    async with serve(simulator(hang_up=1)) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/queue")
        assert (await client.get("/queue")).status_code == 200


async def test_answers_can_take_their_time() -> None:
    async with serve(simulator(answer_after=5)) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/queue", timeout=0.05)


async def test_a_header_is_asked_of_requests_and_sockets() -> None:
    async with serve(simulator(header=("Authorization", "Bearer word"))) as url:
        assert await statuses(url, "/queue", "/api/system_stats") == [401, 401]
        with pytest.raises(websockets.InvalidStatus, match="401"):
            await websockets.connect(f"ws{url.removeprefix('http')}/ws")
        async with visited(url, Authorization="Bearer word") as visitor:
            assert (await visitor.render(text_to_image()))["status"]["completed"]


async def test_the_answer_to_an_accepted_prompt_is_lost() -> None:
    faulty = simulator(lose_prompt_answer=1)
    async with visit(faulty) as visitor:
        with pytest.raises(httpx.RemoteProtocolError):
            await visitor.submit(text_to_image(), prompt_id="mine")
        assert (await visitor.ended("mine"))["status"]["completed"]
    assert faulty.posted == faulty.started == ["mine"]


async def test_a_prompt_with_a_word_in_it_fails_and_others_do_not() -> None:
    async with visit(simulator(fail_on="rain")) as visitor:
        failed = await visitor.render(text_to_image(text="a city in the rain"))
        assert (await visitor.render(text_to_image(text="a city")))["status"]["completed"]
    kind, told = failed["status"]["messages"][-1]
    assert (kind, told["node_type"], told["exception_type"]) == ("execution_error", "KSampler", "RuntimeError")
    assert told["current_inputs"]["seed"] == [1]
    assert told["executed"] == ["4", "5", "7", "6"]


async def test_the_node_that_fails_can_be_chosen() -> None:
    async with visit(simulator(fail_on="city", fail_at="VAEDecode")) as visitor:
        failed = await visitor.render(text_to_image())
    assert failed["status"]["messages"][-1][1]["node_type"] == "VAEDecode"


async def test_the_gpu_runs_out_of_memory() -> None:
    async with visit(simulator(out_of_memory_on="city")) as visitor:
        failed = await visitor.render(text_to_image())
    assert failed["status"]["messages"][-1][1]["exception_type"].endswith("OutOfMemoryError")


async def test_a_batch_too_large_for_any_gpu_runs_out_of_memory_by_itself() -> None:
    graph = text_to_image()
    graph["5"]["inputs"] = {"width": 16384, "height": 16384, "batch_size": 4096}
    async with visit(simulator()) as visitor:
        failed = await visitor.render(graph)
    assert failed["status"]["messages"][-1][1]["exception_type"] == "torch.OutOfMemoryError"


async def test_a_stalled_prompt_moves_no_more_until_it_is_interrupted() -> None:
    faulty = simulator(stall_on="city", stall_at_step=2)
    async with visit(faulty) as visitor:
        prompt_id = await visitor.submit(text_to_image(steps=9))
        await visitor.hear("progress", value=2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.hear("progress"), 0.05)
        await visitor.http.post("/interrupt", json={"prompt_id": prompt_id})
        stopped = await visitor.ended(prompt_id)
    assert stopped["status"]["messages"][-1][0] == "execution_interrupted"
    assert faulty.interrupted == [prompt_id]


async def test_a_slow_server_takes_its_time_for_a_prompt() -> None:
    async with visit(simulator(seconds=0.02, slowness=10)) as visitor:
        before = time.monotonic()
        await visitor.render(text_to_image())
    assert time.monotonic() - before >= 0.2


async def test_a_socket_is_cut_after_its_nth_frame_so_many_times() -> None:
    faulty = simulator(drop_sockets=1, drop_after_frames=6)
    async with serve(faulty) as url:
        async with visited(url) as visitor:
            await visitor.submit(text_to_image(seed=1))
            with pytest.raises(websockets.ConnectionClosedError):
                await visitor.hear("execution_success")
            assert len(visitor.heard) == 6
        async with visited(url) as visitor:
            assert (await visitor.render(text_to_image(seed=2)))["status"]["completed"]


async def test_the_history_lags_behind_the_frames() -> None:
    faulty = simulator(history_lag=0.1)
    async with visit(faulty) as visitor:
        prompt_id = await visitor.submit(text_to_image())
        await visitor.hear("execution_success")
        assert (await visitor.http.get(f"/history/{prompt_id}")).json() == {}
        queue = (await visitor.http.get("/queue")).json()
        assert queue["queue_running"][0][1] == prompt_id
        assert (await visitor.ended(prompt_id))["status"]["completed"]


async def test_the_history_forgets() -> None:
    async with visit(simulator(history_limit=1)) as visitor:
        first = await visitor.submit(text_to_image(seed=1))
        await visitor.render(text_to_image(seed=2))
        assert (await visitor.http.get(f"/history/{first}")).json() == {}


async def test_a_download_ends_in_the_middle() -> None:
    async with visit(simulator(cut_downloads=1)) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without"):
            await visitor.view(file)
        assert (await visitor.view(file)).content.startswith(b"\x89PNG")


async def test_a_file_is_garbage_under_the_right_headers() -> None:
    async with visit(simulator(garbage=1)) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        wrong, right = await visitor.view(file), await visitor.view(file)
    assert wrong.headers["content-type"] == right.headers["content-type"] == "image/png"
    assert len(wrong.content) == len(right.content)
    assert not wrong.content.startswith(b"\x89PNG")


def test_healed_faults_are_none() -> None:
    faults = Faults(refuse=ALWAYS, stall_on="x", header=("a", "b"))
    faults.heal()
    assert faults == Faults()
