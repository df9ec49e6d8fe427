"""Each fault works over a real socket."""

import asyncio
import io
import time

import httpx
import pytest
import websockets
from PIL import Image

from previs.simulator import ALWAYS, Faults, Simulator, serve
from tests.previs.simulator.protocol_checks import Value
from tests.previs.simulator.sessions import Visitor, http_client, text_to_image, visit, visited


def simulator(seconds: float = 0, **faults: Value) -> Simulator:
    return Simulator(seconds=seconds, draw=False, previews=False, faults=Faults(**faults))


async def statuses(url: str, *paths: str) -> list[int]:
    async with http_client(url) as client:
        return [(await client.get(path)).status_code for path in paths]


async def test_a_number_of_requests_is_refused_with_a_status() -> None:
    async with serve(simulator(refuse=2, refuse_status=502)) as url:
        assert await statuses(url, *["/queue"] * 3) == [502, 502, 200]


async def test_refusals_can_concern_some_paths_only_and_last_for_ever() -> None:
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


@pytest.mark.parametrize(("seconds", "told"), [(None, None), (0, "0"), (7, "7")])
async def test_a_refusal_can_have_a_retry_after_header(seconds: int | None, told: str | None) -> None:
    async with serve(simulator(refuse=2, refuse_status=429, retry_after=seconds)) as url:
        async with http_client() as client:
            assert (await client.get(f"{url}/queue")).headers.get("retry-after") == told
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws{url.removeprefix('http')}/ws")
        assert refused.value.response.headers.get("retry-after") == told


async def test_a_connection_is_cut_before_any_answer() -> None:
    async with serve(simulator(hang_up=1)) as url, http_client(url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/queue")
        assert (await client.get("/queue")).status_code == 200


async def test_answers_can_be_slow() -> None:
    async with serve(simulator(answer_after=5)) as url, http_client(url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/queue", timeout=0.05)


async def test_requests_and_sockets_must_send_a_header() -> None:
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


def failure(entry: Value) -> str | None:
    kind, told = entry["status"]["messages"][-1]
    return str(told["exception_type"]) if kind == "execution_error" else None


async def test_memory_stays_full_until_models_are_unloaded() -> None:
    faulty = simulator(memory_full=True)
    async with visit(faulty) as visitor:
        assert failure(await visitor.render(text_to_image(seed=1))) == "torch.OutOfMemoryError"
        assert (await visitor.http.post("/free", json={})).status_code == 200
        assert failure(await visitor.render(text_to_image(seed=2))) == "torch.OutOfMemoryError"
        await visitor.http.post("/free", json={"unload_models": True})
        assert failure(await visitor.render(text_to_image(seed=3))) is None
    assert faulty.freed == 2


async def test_freeing_memory_unloads_models_too() -> None:
    async with visit(simulator(memory_full=True)) as visitor:
        await visitor.http.post("/free", json={"free_memory": True})
        assert failure(await visitor.render(text_to_image())) is None


async def test_cached_nodes_need_no_memory() -> None:
    faulty = simulator()
    async with visit(faulty) as visitor:
        await visitor.render(text_to_image())
        faulty.faults.memory_full = True
        assert failure(await visitor.render(text_to_image())) is None


async def test_memory_is_freed_when_the_running_prompt_has_ended() -> None:
    faulty = simulator(stall_on="city")
    async with visit(faulty) as visitor:
        running = await visitor.submit(text_to_image())
        await visitor.hear("progress")
        faulty.faults.memory_full = True
        await visitor.http.post("/free", json={"unload_models": True, "free_memory": True})
        assert faulty.faults.memory_full
        assert faulty.cache
        await visitor.http.post("/interrupt", json={"prompt_id": running})
        await visitor.ended(running)
        assert not faulty.faults.memory_full
        assert not faulty.cache


async def test_a_restart_frees_memory() -> None:
    faulty = simulator(memory_full=True)
    async with serve(faulty) as url:
        faulty.restart()
        async with visited(url) as visitor:
            assert failure(await visitor.render(text_to_image())) is None


async def test_a_batch_too_large_for_any_gpu_runs_out_of_memory_without_a_fault() -> None:
    graph = text_to_image()
    graph["5"]["inputs"] = {"width": 16384, "height": 16384, "batch_size": 4096}
    async with visit(simulator()) as visitor:
        failed = await visitor.render(graph)
    assert failed["status"]["messages"][-1][1]["exception_type"] == "torch.OutOfMemoryError"


async def test_a_stalled_prompt_makes_no_progress_until_it_is_interrupted() -> None:
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


async def silent(visitor: Visitor, **options: Value) -> str:
    """Submit a prompt and wait until its node is silent."""
    prompt_id = await visitor.submit(text_to_image(**options))
    await visitor.hear("executing", node="8", prompt_id=prompt_id)
    return prompt_id


async def running(visitor: Visitor) -> list[str]:
    return [prompt[1] for prompt in (await visitor.http.get("/queue")).json()["queue_running"]]


async def test_a_node_is_silent_while_the_queue_names_its_prompt_as_running_and_ends_well() -> None:
    faulty = simulator(silent_for=600)
    async with visit(faulty) as visitor:
        prompt_id = await silent(visitor)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.socket.recv(), 0.05)
        assert await running(visitor) == [prompt_id]
        assert (await visitor.http.get(f"/history/{prompt_id}")).json() == {}
        assert faulty.end_silence()
        assert (await visitor.ended(prompt_id))["status"]["completed"]
    assert not faulty.end_silence()


async def test_a_silence_ends_by_itself() -> None:
    async with visit(simulator(silent_for=0.05)) as visitor:
        before = time.monotonic()
        assert (await visitor.render(text_to_image()))["status"]["completed"]
    assert time.monotonic() - before >= 0.05


async def test_an_interrupt_of_a_silent_node_is_answered_at_once_and_obeyed_when_the_node_is_done() -> None:
    faulty = simulator(silent_for=600)
    async with visit(faulty) as visitor:
        prompt_id = await silent(visitor)
        answer = await visitor.http.post("/interrupt", json={"prompt_id": prompt_id})
        assert answer.status_code == 200
        assert faulty.interrupted == [prompt_id]
        assert await running(visitor) == [prompt_id]
        faulty.end_silence()
        stopped = await visitor.ended(prompt_id)
    kind, told = stopped["status"]["messages"][-1]
    assert (kind, told["node_id"]) == ("execution_interrupted", "8")
    assert "8" not in told["executed"]


async def test_only_prompts_with_a_text_and_only_nodes_of_a_class_are_silent() -> None:
    async with visit(simulator(silent_for=600, silent_on="rain")) as visitor:
        assert (await visitor.render(text_to_image()))["status"]["completed"]
        await silent(visitor, text="rain")
    async with visit(simulator(silent_for=600, silent_at="SaveImage")) as visitor:
        prompt_id = await visitor.submit(text_to_image())
        await visitor.hear("executing", node="9", prompt_id=prompt_id)
        assert await running(visitor) == [prompt_id]


async def test_slowness_multiplies_the_duration_of_a_prompt() -> None:
    async with visit(simulator(seconds=0.01, slowness=10)) as visitor:
        before = time.monotonic()
        await visitor.render(text_to_image())
    assert time.monotonic() - before >= 0.1


async def test_a_number_of_sockets_is_cut_after_their_nth_frame() -> None:
    faulty = simulator(drop_sockets=1, drop_after_frames=6)
    async with serve(faulty) as url:
        async with visited(url) as visitor:
            await visitor.submit(text_to_image(seed=1))
            with pytest.raises(websockets.ConnectionClosedError):
                await visitor.hear("execution_success")
            assert len(visitor.heard) == 6
        async with visited(url) as visitor:
            assert (await visitor.render(text_to_image(seed=2)))["status"]["completed"]


def kinds(heard: list[Value]) -> list[str]:
    return [frame["type"] for frame in heard]


async def test_a_number_of_frames_of_a_type_is_not_sent() -> None:
    async with visit(simulator(skip_frames=1, frames=("execution_success",))) as visitor:
        await visitor.render(text_to_image(seed=1))
        assert "execution_success" not in kinds(visitor.heard)
        assert kinds(visitor.heard)[-3:] == ["progress_state", "status", "executing"]
        await visitor.render(text_to_image(seed=2))
        assert kinds(visitor.heard).count("execution_success") == 1


async def test_the_next_frames_of_any_type_are_not_sent() -> None:
    heard = []
    for skipped in (0, 2):
        async with visit(simulator(skip_frames=skipped)) as visitor:
            await visitor.submit(text_to_image())
            await visitor.hear("execution_start")
        heard.append(kinds(visitor.heard))
    assert heard[0][0] == "status"
    assert heard[1] == heard[0][2:]


async def test_a_number_of_frames_of_a_type_is_sent_twice() -> None:
    async with visit(simulator(repeat_frames=2, frames=("executed", "execution_success"))) as visitor:
        for seed in (1, 2):
            await visitor.render(text_to_image(seed=seed))
    told = [kind for kind in kinds(visitor.heard) if kind in ("executed", "execution_success")]
    assert told == ["executed"] * 2 + ["execution_success"] * 2 + ["executed", "execution_success"]


async def test_previews_can_be_left_out() -> None:
    faulty = Simulator(seconds=0, draw=False, faults=Faults(skip_frames=ALWAYS, frames=("preview",)))
    async with visit(faulty) as visitor:
        await visitor.render(text_to_image())
        faulty.faults.heal("skip_frames")
        await visitor.render(text_to_image(seed=2))
    heard = kinds(visitor.heard)
    assert heard.count("preview") == heard.count("progress") / 2 == 3


async def test_a_delayed_frame_keeps_its_place_in_the_order() -> None:
    async with visit(simulator(delay_frames=0.1, frames=("execution_start",))) as visitor:
        before = time.monotonic()
        await visitor.render(text_to_image())
    assert time.monotonic() - before >= 0.1
    heard = kinds(visitor.heard)
    assert heard.index("execution_start") < heard.index("execution_cached")


async def test_the_history_does_not_wait_for_late_frames() -> None:
    async with visit(simulator(delay_frames=60, frames=("execution_start",))) as visitor:
        prompt_id = await visitor.submit(text_to_image())
        async with asyncio.timeout(10):
            while not (await visitor.http.get(f"/history/{prompt_id}")).json():
                pass
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.hear("execution_success"), 0.05)
    assert set(kinds(visitor.heard)) == {"status"}


async def test_the_history_lags_behind_the_frames() -> None:
    faulty = simulator(history_lag=0.1)
    async with visit(faulty) as visitor:
        prompt_id = await visitor.submit(text_to_image())
        await visitor.hear("execution_success")
        assert (await visitor.http.get(f"/history/{prompt_id}")).json() == {}
        queue = (await visitor.http.get("/queue")).json()
        assert queue["queue_running"][0][1] == prompt_id
        assert (await visitor.ended(prompt_id))["status"]["completed"]


async def test_the_history_drops_the_oldest_entry() -> None:
    async with visit(simulator(history_limit=1)) as visitor:
        first = await visitor.submit(text_to_image(seed=1))
        await visitor.render(text_to_image(seed=2))
        assert (await visitor.http.get(f"/history/{first}")).json() == {}


@pytest.mark.parametrize("held", [0, 1])
async def test_the_history_can_hold_one_entry_or_none(held: int) -> None:
    async with visit(simulator(history_limit=held)) as visitor:
        ids = [await visitor.submit(text_to_image(seed=seed)) for seed in (1, 2)]
        await visitor.hear("executing", node=None, prompt_id=ids[1])
        assert list((await visitor.http.get("/history")).json()) == ids[2 - held :]
        assert (await visitor.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 0}}


async def test_a_download_ends_halfway() -> None:
    async with visit(simulator(cut_downloads=1)) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without"):
            await visitor.view(file)
        assert (await visitor.view(file)).content.startswith(b"\x89PNG")


async def test_a_download_stops_halfway_and_the_connection_stays_open() -> None:
    async with visit(simulator(stall_downloads=1)) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        async with visitor.http.stream("GET", "/view", params=file) as answer:
            parts = answer.aiter_raw()
            came = await anext(parts)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(parts), 0.05)
        whole = (await visitor.view(file)).content
    assert came == whole[: len(whole) // 2]
    assert answer.headers["content-length"] == str(len(whole))


@pytest.mark.parametrize(("fault", "added"), [("short_files", -12), ("long_files", 12)])
async def test_a_file_has_another_end_under_a_correct_length(fault: str, added: int) -> None:
    async with visit(simulator(**{fault: 1})) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        wrong, right = await visitor.view(file), await visitor.view(file)
    assert right.content.endswith(b"IEND\xaeB`\x82")
    assert len(wrong.content) == int(wrong.headers["content-length"]) == len(right.content) + added
    assert wrong.content.startswith(right.content[:-12])
    assert b"IEND" in wrong.content if added > 0 else b"IEND" not in wrong.content


async def test_a_file_is_garbage_under_the_right_headers() -> None:
    async with visit(simulator(garbage=1)) as visitor:
        file = (await visitor.render(text_to_image()))["outputs"]["9"]["images"][0]
        wrong, right = await visitor.view(file), await visitor.view(file)
    assert wrong.headers["content-type"] == right.headers["content-type"] == "image/png"
    assert len(wrong.content) == len(right.content)
    assert not wrong.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(("fault", "colour"), [("black_frames", (0, 0, 0)), ("grey_frames", (127, 127, 127))])
async def test_a_number_of_frames_is_of_one_colour(fault: str, colour: tuple[int, int, int]) -> None:
    async with visit(simulator(**{fault: 1})) as visitor:
        wrong, right = [await saved(visitor, seed) for seed in (1, 2)]
    assert wrong.getcolors() == [(wrong.width * wrong.height, colour)]
    assert len(right.getcolors() or ()) > 1


async def test_a_number_of_frames_has_another_size_or_no_seed() -> None:
    drawing = Simulator(seconds=0, previews=False, faults=Faults(wrong_sizes=1))
    async with visit(drawing) as visitor:
        wrong, right = [await saved(visitor, seed) for seed in (1, 2)]
    assert wrong.size == (right.width, right.height // 2)
    async with visit(simulator(same_frames=2)) as visitor:
        one, two, three = [(await saved(visitor, seed)).tobytes() for seed in (1, 2, 3)]
    assert one == two != three


async def saved(visitor: Visitor, seed: int) -> Image.Image:
    """Return the picture that a prompt with a seed saves."""
    file = (await visitor.render(text_to_image(seed=seed)))["outputs"]["9"]["images"][0]
    picture = Image.open(io.BytesIO((await visitor.view(file)).content))
    picture.load()
    return picture


def test_faults_can_be_reset_by_name_or_all_at_once() -> None:
    faults = Faults(refuse=ALWAYS, stall_on="x", header=("a", "b"))
    faults.heal("refuse", "header")
    assert faults == Faults(stall_on="x")
    faults.heal()
    assert faults == Faults()
