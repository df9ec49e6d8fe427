"""A simulated server has a queue, a cache, files, sockets and restarts."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from previs.simulator import VERSIONS, Simulator, serve
from tests.previs.simulator.protocol_checks import Value, check_frame
from tests.previs.simulator.sessions import http_client, object_info, picture_of, text_to_image, visit, visited


def quick(**options: Value) -> Simulator:
    return Simulator(**{"seconds": 0, "draw": False, "previews": False, **options})


def endless(**options: Value) -> Simulator:
    """Return a simulator whose prompts run until they are interrupted."""
    simulator = quick(**options)
    simulator.faults.stall_on = "city"
    return simulator


@pytest.mark.smoke
async def test_a_drawn_picture_has_its_size_and_carries_its_graph() -> None:
    graph = text_to_image(text="城市夜景")
    graph["5"]["inputs"] |= {"width": 320, "height": 176}
    async with visit(Simulator(seconds=0)) as visitor:
        entry = await visitor.render(graph)
        answer = await visitor.view(entry["outputs"]["9"]["images"][0])
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (320, 176)
        assert json.loads(picture.text["prompt"]) == graph  # type: ignore[attr-defined]


async def test_another_seed_makes_another_file_and_the_same_graph_names_the_old_one() -> None:
    simulator = quick()
    async with visit(simulator) as visitor:
        entries = [await visitor.render(text_to_image(seed=seed)) for seed in (1, 1, 2)]
        files = [entry["outputs"]["9"]["images"][0] for entry in entries]
        contents = [(await visitor.view(file)).content for file in files]
    assert files[0] == files[1] != files[2]
    assert contents[0] == contents[1] != contents[2]
    assert len(simulator.started) == 3
    assert len(simulator.sampled) == 2


async def test_a_freed_result_is_sampled_again() -> None:
    simulator = quick()
    async with visit(simulator) as visitor:
        await visitor.render(text_to_image())
        await visitor.http.post("/free", json={"unload_models": True, "free_memory": True})
        await visitor.render(text_to_image())
    assert len(simulator.sampled) == 2


async def test_a_reference_that_was_uploaded_guides_a_picture() -> None:
    graph = text_to_image()
    graph["11"] = {"class_type": "LoadImage", "inputs": {"image": "refs/hero.png"}}
    graph["12"] = {"class_type": "Canny", "inputs": {"image": ["11", 0], "low_threshold": 0.4, "high_threshold": 0.8}}
    graph["13"] = {
        "class_type": "ControlNetLoader",
        "inputs": {"control_net_name": "control_v11p_sd15_canny.pth"},
    }
    strength = {"strength": 0.8, "start_percent": 0.0, "end_percent": 1.0}
    links = {"positive": ["6", 0], "negative": ["7", 0], "control_net": ["13", 0], "image": ["12", 0]}
    graph["14"] = {"class_type": "ControlNetApplyAdvanced", "inputs": links | strength}
    graph["3"]["inputs"] |= {"positive": ["14", 0], "negative": ["14", 1]}
    simulator = Simulator(seconds=0)
    async with visit(simulator) as visitor:
        parts = {"image": ("hero.png", picture_of("hero"), "image/png"), "subfolder": (None, "refs")}
        answer = await visitor.http.post("/upload/image", files=parts)
        assert answer.json() == {"name": "hero.png", "subfolder": "refs", "type": "input"}
        guided = await visitor.render(graph)
        plain = await visitor.render(text_to_image())
        pictures = [(await visitor.view(entry["outputs"]["9"]["images"][0])).content for entry in (guided, plain)]
    opened = [Image.open(io.BytesIO(content)).tobytes() for content in pictures]
    assert opened[0] != opened[1]
    assert simulator.uploads == ["hero.png"]


async def test_uploaded_images_are_offered_by_object_info() -> None:
    async with visit(quick()) as visitor:
        await visitor.http.post("/upload/image", files={"image": ("角色.png", picture_of("a"), "image/png")})
        info = (await visitor.http.get("/object_info/LoadImage")).json()
        whole = (await visitor.http.get("/api/object_info")).json()
    assert info["LoadImage"]["input"]["required"]["image"][0] == ["角色.png"]
    assert whole["LoadImage"] == info["LoadImage"]


async def test_a_prompt_at_the_front_runs_first() -> None:
    simulator = endless()
    async with visit(simulator) as visitor:
        running = await visitor.submit(text_to_image(text="a city"), prompt_id="running")
        await visitor.hear("execution_start")
        for name, options in {"last": {}, "front": {"front": True}, "first": {"number": -9}}.items():
            await visitor.submit(text_to_image(text=name), prompt_id=name, **options)
        pending = (await visitor.http.get("/queue")).json()["queue_pending"]
        await visitor.http.post("/interrupt", json={"prompt_id": running})
        await visitor.ended("last")
    assert [entry[1] for entry in pending] == ["first", "front", "last"]
    assert simulator.started == ["running", "first", "front", "last"]


async def test_an_interruption_without_an_id_stops_the_running_prompt_and_no_later_one() -> None:
    simulator = endless()
    async with visit(simulator) as visitor:
        await visitor.http.post("/interrupt")
        prompt_id = await visitor.submit(text_to_image())
        await visitor.hear("progress")
        await visitor.http.post("/interrupt", json={"prompt_id": "another"})
        await visitor.http.post("/interrupt")
        assert not (await visitor.ended(prompt_id))["status"]["completed"]
    assert simulator.interrupted == [prompt_id]


async def test_waiting_prompts_can_be_deleted_one_by_one_or_all() -> None:
    simulator = endless()
    async with visit(simulator) as visitor:
        for name in ("running", "a", "b", "c"):
            await visitor.submit(text_to_image(), prompt_id=name)
        await visitor.hear("executing")
        await visitor.http.post("/queue", json={"delete": ["b", "unknown"]})
        assert (await visitor.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 3}}
        await visitor.http.post("/queue", json={"clear": True})
        assert (await visitor.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 1}}
    assert simulator.deleted == ["b", "a", "c"]


async def test_history_entries_can_be_deleted_one_by_one_or_all() -> None:
    async with visit(quick()) as visitor:
        for name in ("a", "b", "c"):
            await visitor.render(text_to_image(), prompt_id=name)
        await visitor.http.post("/history", json={"delete": ["b", "unknown"]})
        assert list((await visitor.http.get("/history")).json()) == ["a", "c"]
        assert list((await visitor.http.get("/history?max_items=1")).json()) == ["c"]
        await visitor.http.post("/history", json={"clear": True})
        assert (await visitor.http.get("/history")).json() == {}


async def test_a_restart_forgets_queue_history_and_results_and_cuts_sockets_but_keeps_files() -> None:
    simulator = quick()
    async with serve(simulator) as url:
        async with visited(url) as visitor:
            entry = await visitor.render(text_to_image())
            simulator.faults.stall_on = "city"
            await visitor.submit(text_to_image(seed=2), prompt_id="lost")
            await visitor.hear("progress")
            simulator.restart()
            await asyncio.wait_for(visitor.socket.wait_closed(), 5)
            assert visitor.socket.close_code == 1006
        simulator.faults.heal()
        async with visited(url) as visitor:
            queue = (await visitor.http.get("/queue")).json()
            assert (queue, (await visitor.http.get("/history")).json()) == (
                {"queue_running": [], "queue_pending": []},
                {},
            )
            assert (await visitor.view(entry["outputs"]["9"]["images"][0])).status_code == 200
            again = await visitor.render(text_to_image())
    assert again["prompt"][0] == 0
    assert len(simulator.sampled) == 3


async def test_a_second_socket_of_a_client_replaces_the_first() -> None:
    async with serve(quick()) as url, visited(url) as first, visited(url) as second:
        assert (await second.render(text_to_image()))["status"]["completed"]
        await second.http.post("/prompt", json={"prompt": {}})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first.hear("execution_start"), 0.05)


async def test_frames_go_to_the_client_of_the_prompt_and_status_to_all() -> None:
    async with serve(quick()) as url, visited(url, "visitor") as asking, visited(url, "other") as other:
        await asking.render(text_to_image())
        await other.hear("status", status={"exec_info": {"queue_remaining": 1}})
        await other.hear("status", status={"exec_info": {"queue_remaining": 0}})
    assert {frame["type"] for frame in other.heard} == {"status"}


async def test_a_prompt_without_a_client_sends_only_progress_and_to_all() -> None:
    async with visit(quick()) as visitor:
        await visitor.http.post("/prompt", json={"prompt": text_to_image()})
        await visitor.hear("progress", value=3)
        await visitor.hear("status", status={"exec_info": {"queue_remaining": 0}})
    assert {frame["type"] for frame in visitor.heard} == {"status", "progress", "progress_state"}


async def test_fewer_steps_can_be_sent_and_the_last_is_among_them() -> None:
    async with visit(quick(steps_seen=4)) as visitor:
        await visitor.render(text_to_image(steps=30))
    told = [frame["data"]["value"] for frame in visitor.heard if frame["type"] == "progress"]
    assert told == [8, 15, 22, 30]


async def test_previews_are_sent_only_if_enabled() -> None:
    for previews, count in ((True, 3), (False, 0)):
        async with visit(Simulator(seconds=0, previews=previews)) as visitor:
            await visitor.render(text_to_image())
        heard = [frame["data"] for frame in visitor.heard if frame["type"] == "preview"]
        assert len(heard) == count
        for preview in heard:
            check_frame({"binary": preview}, "0.3.64")


async def test_newer_servers_refuse_ids_that_are_not_uuids() -> None:
    async with visit(quick(version="0.33.0")) as visitor:
        posted = {"prompt": text_to_image(), "prompt_id": "shot-1"}
        refused = await visitor.http.post("/prompt", json=posted)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_prompt_id")
        accepted = "1b4e28ba-2fa1-5d2f-883f-0016d3cca427"
        assert await visitor.submit(text_to_image(), prompt_id=accepted) == accepted


async def test_a_wrong_value_of_a_dynamic_combo_is_accepted_and_fails_in_the_node() -> None:
    async with visit(quick(version="0.33.0")) as visitor:
        right, wrong = [(await visitor.render(video(as_))) for as_ in ("mp4", "nonsense")]
    assert right["status"]["completed"]
    kind, told = wrong["status"]["messages"][-1]
    assert (kind, told["node_id"], told["exception_type"]) == ("execution_error", "9", "TypeError")
    assert told["exception_message"] == "SaveVideo.execute() missing 1 required positional argument: 'format'"


def video(as_: str) -> dict[str, Any]:
    graph = text_to_image()
    graph["8a"] = {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 8.0}}
    inputs = {"video": ["8a", 0], "filename_prefix": "shot", "format": as_}
    graph["9"] = {"class_type": "SaveVideo", "inputs": inputs}
    return graph


async def test_each_version_says_what_it_is() -> None:
    for name, version in VERSIONS.items():
        async with serve(quick(version=name)) as url, http_client(url) as client:
            system = (await client.get("/system_stats")).json()["system"]
            classes = (await client.get("/object_info")).json()
        assert system["comfyui_version"] == name
        assert len(classes) == {"0.3.64": 102, "0.33.0": 886}[name]
        assert set(version.folders) >= {"checkpoints", "loras"}


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"prompt": []}', b'{"prompt": {}, "extra_data": 1}', b"\xff"])
async def test_a_body_that_is_not_a_prompt_is_a_server_error(body: bytes) -> None:
    async with serve(quick()) as url, http_client(url) as client:
        assert (await client.post("/prompt", content=body)).status_code == 500
        assert (await client.get("/queue")).status_code == 200


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"image": ("../x.png", b"x")}, 400),
        ({"image": ("x.png", b"x"), "subfolder": (None, "../..")}, 400),
        ({"image": (None, "no file")}, 400),
        ({"image": ("x.png", b"x"), "type": (None, "nope")}, 500),
    ],
)
async def test_an_upload_without_a_file_or_out_of_its_folder_is_refused(parts: dict[str, Any], status: int) -> None:
    simulator = quick()
    async with serve(simulator) as url, http_client(url) as client:
        assert (await client.post("/upload/image", files=parts)).status_code == status
    assert not simulator.uploads
    assert not simulator.disk.files["input"]


async def test_an_output_prefix_that_leads_out_is_an_error() -> None:
    async with visit(quick()) as visitor:
        failed = await visitor.render(text_to_image(prefix="../../etc/shot"))
    kind, told = failed["status"]["messages"][-1]
    assert (kind, told["node_type"]) == ("execution_error", "SaveImage")


async def test_an_unsupported_output_node_is_an_error_of_the_node() -> None:
    graph = text_to_image()
    saved = {"images": ["8", 0], "filename_prefix": "x", "codec": "vp9", "fps": 24.0, "crf": 32.0}
    graph["9"] = {"class_type": "SaveWEBM", "inputs": saved}
    async with visit(quick(object_info=object_info())) as visitor:
        failed = await visitor.render(graph)
    assert failed["status"]["messages"][-1][1]["exception_type"] == "NotImplementedError"


async def test_files_can_be_kept_in_a_folder(tmp_path: Path) -> None:
    async with visit(quick(folder=tmp_path)) as visitor:
        entry = await visitor.render(text_to_image(prefix="boards/第1场/shot"))
        answer = await visitor.view(entry["outputs"]["9"]["images"][0])
    assert (tmp_path / "output" / "boards" / "第1场" / "shot_00001_.png").read_bytes() == answer.content


async def test_a_name_in_chinese_can_be_uploaded_and_viewed() -> None:
    async with visit(quick()) as visitor:
        content = picture_of("a")
        await visitor.http.post("/upload/image", files={"image": ("角色 1.png", content, "image/png")})
        answer = await visitor.view({"filename": "角色 1.png", "type": "input"})
    assert answer.content == content
    assert dict(answer.headers.raw)[b"content-disposition"].decode() == 'filename="角色 1.png"'


async def test_models_are_listed_by_folder() -> None:
    async with visit(quick()) as visitor:
        listed = {folder: (await visitor.http.get(f"/models/{folder}")) for folder in ("checkpoints", "vae", "nope")}
    assert "v1-5-pruned-emaonly.safetensors" in listed["checkpoints"].json()
    assert listed["vae"].status_code == 200
    assert listed["nope"].status_code == 404


async def test_serving_leaves_nothing_behind_and_an_address_in_use_is_an_error() -> None:
    before = asyncio.all_tasks()
    async with serve(endless()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await serve(quick(), port=port).__aenter__()
        async with visited(url) as visitor:
            await visitor.submit(text_to_image())
            await visitor.hear("progress")
    assert asyncio.all_tasks() == before
    async with http_client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_two_simulators_share_nothing() -> None:
    one, other = quick(), quick()
    async with visit(one) as visitor, visit(other) as stranger:
        await visitor.render(text_to_image())
        assert (await stranger.http.get("/history")).json() == {}
    assert other.posted == []
