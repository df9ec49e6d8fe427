"""The example agent keeps its dictionaries, settles every shot, and makes no more pictures at once than asked for."""

import asyncio
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image

from previs.simulator import Faults, Simulator
from previs.simulator.versions import VERSIONS
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.api.sessions import EXAMPLES, SETTINGS, WITH_REFERENCES, most_in_work, shot
from tests.previs.rendering.contexts import wait_until

SCRIPT = EXAMPLES / "image_generation_agent.py"
ImageGenerationAgent = runpy.run_path(str(SCRIPT))["ImageGenerationAgent"]
MEI = str(EXAMPLES / "references" / "mei.jpg")


def opens(url: str) -> bool:
    with urlopen(url) as answer, Image.open(answer) as picture:  # noqa: S310 - a URL of the test's own store
        return picture.format == "PNG"


async def run_agent(
    folder: Path, shots: list[dict[str, Any]], *urls: str, batch_size: int
) -> asyncio.subprocess.Process:
    """Start the example in a process of its own."""
    (folder / "shots.json").write_text(json.dumps(shots), "utf-8")
    (folder / "settings.json").write_text(json.dumps(WITH_REFERENCES), "utf-8")
    servers = [word for url in urls for word in ("--comfyui-url", url)]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), "shots.json", "settings.json", *servers),
        *("--batch-size", str(batch_size), "--store", "pictures"),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def die(simulator: Simulator) -> None:
    """Lose all prompts and answer nothing from now on."""
    simulator.restart()
    simulator.close_door(cut=True)


async def test_thirty_shots_on_two_servers_of_which_one_dies_all_settle_four_at_once(
    simulate: Serve, tmp_path: Path
) -> None:
    (survivor, url), (victim, other) = [await simulate(seconds=0.1, version=each) for each in VERSIONS]
    shots = [shot(number, f"城市 {number}", MEI) for number in range(1, 31)]
    agent = await run_agent(tmp_path, shots, url, other, batch_size=4)
    ended = asyncio.create_task(agent.communicate())
    await wait_until(lambda: len(victim.started) >= 5)
    die(victim)
    printed, log = await ended
    assert agent.returncode == 0, log.decode()
    results = json.loads(printed)
    assert [(each["shot_id"], each["success"], each["prompt"]) for each in results] == [
        (each["shot_id"], True, each["prompt"]) for each in shots
    ]
    assert all(set(each) == {"shot_id", "success", "image_url", "prompt"} for each in results)
    assert all(await asyncio.gather(*(asyncio.to_thread(opens, each["image_url"]) for each in results)))
    assert len({each["image_url"] for each in results}) == 30
    assert most_in_work([survivor, victim]) == 4
    assert f"{other} is unreachable" in log.decode()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_shot_that_fails_is_a_result_with_its_error_and_stops_no_other(
    simulate: Serve, tmp_path: Path, version: str
) -> None:
    simulator, url = await simulate(faults=Faults(fail_on="雷", stall_on="迷路"), version=version)
    shots = [shot(1), shot(2, "雷"), shot(3, "迷路"), shot(4, "夜", "none.png"), shot(5, duration=0), {"shot_id": 6}]
    async with ImageGenerationAgent(url, batch_size=2, timeout=3.0, store=str(tmp_path)) as agent:
        results = await agent.generate_images(shots, WITH_REFERENCES)
        await wait_until(lambda: simulator.queue.remaining == 0)
    assert [each["success"] for each in results] == [True, False, False, False, False, False]
    assert [each["shot_id"] for each in results] == [1, 2, 3, 4, 5, 6]
    assert [each["image_url"] for each in results[1:]] == [None] * 5
    parts = ["failed on http", "not done after 3 s", "none.png: there is no such file", "duration: 0", "prompt"]
    for result, part in zip(results[1:], parts, strict=True):
        assert part in result["error"]
    assert "error" not in results[0]


@pytest.mark.parametrize("version", VERSIONS)
async def test_its_steps_can_be_called_one_by_one(simulate: Serve, tmp_path: Path, version: str) -> None:
    simulator, url = await simulate(version=version)
    async with ImageGenerationAgent(url, store=str(tmp_path)) as agent:
        graph = await agent._build_comfyui_workflow(shot(1, "雨夜"), SETTINGS)
        assert json.loads(json.dumps(graph)) == graph
        assert "雨夜" in json.dumps(graph, ensure_ascii=False)
        prompt_id = (await agent._session()).submit(graph)
        outputs = await agent._wait_for_completion(prompt_id, 30)
        assert await asyncio.to_thread(opens, agent._extract_image_url(outputs))
        single = await agent._generate_single_image(shot(1, "雨夜"), SETTINGS)
    assert single == {"shot_id": 1, "success": True, "image_url": outputs.main.url, "prompt": "雨夜"}
    assert simulator.posted == [prompt_id]


@pytest.mark.parametrize("batch_size", [1, 3])
async def test_the_batch_size_bounds_the_pictures_in_work_not_the_servers_room(
    simulate: Serve, tmp_path: Path, batch_size: int
) -> None:
    served = [await simulate() for _ in range(2)]
    urls = [url for _, url in served]
    async with ImageGenerationAgent(urls, batch_size=batch_size, store=str(tmp_path)) as agent:
        results = await agent.generate_images([shot(number) for number in range(8)], SETTINGS)
    assert all(each["success"] for each in results)
    assert most_in_work(simulator for simulator, _ in served) == batch_size


def test_no_picture_at_once_would_wait_for_ever() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        ImageGenerationAgent(batch_size=0)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"comfyui_url": "render-01"}, "'render-01' is no server's address"),
        ({"store": "s3:///x"}, "s3:// cannot be used: bucket"),
        ({"store": "file://there/x"}, "a file URL cannot name another machine"),
    ],
)
async def test_servers_and_stores_that_cannot_be_used_are_failures_of_each_shot(
    tmp_path: Path, settings: dict[str, str], part: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with ImageGenerationAgent(**{"comfyui_url": url, "store": str(tmp_path)} | settings) as agent:
        results = await agent.generate_images([shot(1), shot(2)], SETTINGS)
    assert [each["success"] for each in results] == [False, False]
    assert all(part in each["error"] for each in results)
