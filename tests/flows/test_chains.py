"""Render shots that build on other shots' frames: each starts after its sources, or is skipped without them."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType

from previs.errors import ShotListFaults
from previs.simulator import Simulator
from previs.store import FolderStore, keys
from tests.conftest import Serve
from tests.flows.runs import BOARD, Stage, ends_of, picture, shot, with_sources
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

CHAIN = [shot("C", **with_sources("shot:B")), shot("D"), shot("B", **with_sources("shot:A")), shot("A")]
WITHIN = 60


def labels(*shots: str) -> list[str]:
    return [f"{each} · take 1" for each in shots]


async def staged(folder: Path, *farm: tuple[Simulator, str]) -> Stage:
    return Stage(farm, FolderStore(folder), str(folder))


def place(simulator: Simulator, kind: str, prompt_id: str | None) -> int:
    """Where in a server's journal this happened to a prompt."""
    [found] = [n for n, each in enumerate(simulator.journal) if (each.kind, each.prompt_id) == (kind, prompt_id)]
    return found


async def test_shots_are_rendered_after_those_they_build_on_in_whatever_order_they_are_listed(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    stage = await staged(tmp_path, (simulator, url))
    ran = await stage.run(*CHAIN)
    assert ran.state.message == "4 shots: 4 takes rendered, 0 cached"
    assert [str(entry.shot_id) for entry in ran.manifest.shots] == ["C", "D", "B", "A"]
    a, b, c = (ran.takes[label] for label in labels("A", "B", "C"))
    for source, take in ((a, b), (b, c)):
        [used] = take.inputs
        assert (used.key, used.sha256) == (source.frames[0].key, source.frames[0].sha256)
        assert place(simulator, "ended", source.prompt_id) < place(simulator, "started", take.prompt_id)
    await stage.assert_whole(ran.manifest)


async def test_a_shot_starts_when_its_own_sources_are_there_whatever_other_shots_are_still_rendered(
    simulate: Serve, tmp_path: Path
) -> None:
    farm = [await simulate() for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.stall_on = "慢"
    stage = await staged(tmp_path, *farm)
    shots = [shot("X", "慢"), shot("Y", **with_sources("shot:X")), *CHAIN]
    running = asyncio.create_task(stage.state(*shots))
    async with asyncio.timeout(WITHIN):
        while len(await stage.store.entries(keys.TAKES)) < len(CHAIN):
            assert not running.done()
            await asyncio.sleep(0.01)
        [stalled] = [simulator for simulator, _ in farm if simulator.queue.running]
        assert "慢" in str(stalled.queue.running)
        for simulator, _ in farm:
            simulator.faults.heal("stall_on")
        # Its prompt is lost with all it knows, and posted again.
        stalled.restart()
        assert (await running).is_completed()
    manifest = await stage.manifest()
    assert [take.outcome for entry in manifest.shots for take in entry.takes] == ["rendered"] * 6
    await stage.assert_whole(manifest)


async def test_what_builds_on_a_shot_that_failed_is_skipped_with_the_reason_and_the_others_go_on(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    stage = await staged(tmp_path, (simulator, url))
    shots = [
        shot("A"),
        shot("B", "坏", **with_sources("shot:A")),
        shot("C", **with_sources("shot:B")),
        shot("E", **with_sources("shot:C")),
    ]
    ran = await stage.run(*shots, shot("D", **with_sources("shot:A")))
    assert ran.state.is_failed()
    assert (ran.state.message or "").startswith("3 of 5 shots failed: B, C, E\n")
    assert {label: take.outcome for label, take in ran.takes.items()} == dict(
        zip(labels("A", "B", "C", "E", "D"), ["rendered", "failed", "skipped", "skipped", "rendered"], strict=True)
    )
    assert ran.takes["C · take 1"].error == "B · take 1, which it builds on, has no picture"
    assert ran.takes["E · take 1"].error == "C · take 1, which it builds on, has no picture"
    ends = await ends_of(ran.state.state_details.flow_run_id, 9)
    states = {name: (end.name, end.type) for name, end in ends.items() if name in ran.takes}
    assert states == {
        "A · take 1": ("Completed", StateType.COMPLETED),
        "B · take 1": ("Failed", StateType.FAILED),
        "C · take 1": ("Skipped", StateType.CANCELLED),
        "E · take 1": ("Skipped", StateType.CANCELLED),
        "D · take 1": ("Completed", StateType.COMPLETED),
    }
    assert ends["C · take 1"].message == ran.takes["C · take 1"].error
    page = (await stage.store.get(keys.run_key(BOARD, ran.manifest.run, "index.html")) or b"").decode()
    assert "B · take 1, which it builds on, has no picture" in page
    simulator.faults.heal()
    mended = await stage.run(*shots, shot("D", **with_sources("shot:A")))
    assert mended.rendered == labels("B", "C", "E")


async def test_one_shot_that_is_asked_for_alone_brings_what_it_builds_on(simulate: Serve, tmp_path: Path) -> None:
    stage = await staged(tmp_path, await simulate())
    ran = await stage.run(*CHAIN, only=["B"])
    assert ran.rendered == labels("B", "A")
    assert sorted(ran.takes) == labels("A", "B")
    assert (await stage.run(*CHAIN, only=["C"])).rendered == labels("C")


async def test_a_reference_to_a_certain_take_has_that_take_made_and_uses_it(simulate: Serve, tmp_path: Path) -> None:
    stage = await staged(tmp_path, await simulate())
    ran = await stage.run(shot("B", **with_sources("shot:A#2")), shot("A"))
    assert ran.rendered == ["B · take 1", "A · take 1", "A · take 2"]
    [used] = ran.takes["B · take 1"].inputs
    assert used.key == ran.takes["A · take 2"].frames[0].key


@pytest.mark.parametrize(
    ("shots", "said"),
    [
        pytest.param(
            [
                shot("D"),
                shot("A", **with_sources("shot:C")),
                shot("B", **with_sources("shot:A")),
                shot("C", **with_sources("shot:B")),
            ],
            ["A → C → B → A", "form a cycle"],
            id="circle",
        ),
        pytest.param(
            [shot("SQ010_SH010"), shot("SQ010_SH020", **with_sources("shot:SQ010_SH01"))],
            ["shot 2 (shot_id SQ010_SH020)", "references[0].url", "did you mean shot:SQ010_SH010?"],
            id="unknown shot",
        ),
    ],
)
async def test_a_list_whose_chains_do_not_hold_is_refused_before_anything_is_rendered(
    simulate: Serve, tmp_path: Path, shots: list[dict[str, Any]], said: list[str]
) -> None:
    simulator, url = await simulate()
    state = await (await staged(tmp_path, (simulator, url))).state(*shots)
    refused = await state.aresult(raise_on_failure=False)
    assert isinstance(refused, ShotListFaults)
    for each in said:
        assert each in str(refused)
    assert simulator.posted == []


async def test_a_shot_that_builds_on_one_that_made_only_a_video_is_skipped_with_the_reason(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    simulator.disk.write("input", "still.png", picture("navy"))
    moving = copy.deepcopy(TEXT_TO_IMAGE)
    del moving["5"], moving["9"]
    moving["3"]["inputs"] |= {"latent_image": ["11", 0], "denoise": 0.5}
    moving["10"] = {"class_type": "LoadImage", "inputs": {"image": "still.png"}}
    moving["11"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    moving["12"] = {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 8.0}}
    moving["13"] = {
        "class_type": "SaveVideo",
        "inputs": {"filename_prefix": "shot", "format": "mp4", "codec": "h264", "video": ["12", 0]},
    }
    stage = await staged(tmp_path, (simulator, url))
    ran = await stage.run(shot("A"), shot("B", **with_sources("shot:A")), workflow=moving)
    assert [frame.kind for frame in ran.takes["A · take 1"].frames] == ["video"]
    assert ran.takes["B · take 1"].outcome == "skipped"
    assert ran.takes["B · take 1"].error == "A · take 1, which it builds on, has no picture"
    assert len(simulator.started) == 1
