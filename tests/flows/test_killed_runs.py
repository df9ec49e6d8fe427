"""Kill a run at random moments: the last attempt completes it, and nothing is rendered twice."""

import asyncio
import io
import json
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from previs.rendering.progress import BoardPublished, Progress
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.runs import BOARD, SETTINGS, Stage, shot, with_sources
from tests.flows.test_process import FlowProcess, flow_process

pytestmark = pytest.mark.usefixtures("prefect_api")

SHOTS = [shot(f"SH{n:02}", "雨", **(with_sources(f"shot:SH{n - 1:02}") if n % 5 == 0 else {})) for n in range(1, 21)]
KILLS = 2
WITHIN = 120


def counters(stage: Stage) -> dict[str, Callable[[], int]]:
    """Return what can be counted while a run is under way."""
    takes = Path(stage.place) / "takes"
    return {
        "posted": lambda: sum(len(simulator.posted) for simulator, _ in stage.farm),
        "ended": lambda: sum(each.kind == "ended" for simulator, _ in stage.farm for each in simulator.journal),
        "recorded": lambda: len(list(takes.glob("*.json"))),
    }


def moments(seed: int, stage: Stage) -> Iterator[Callable[[], bool]]:
    """Draw the moments to kill: the n-th time that something happens on the servers or in the store."""
    chance, count = random.Random(seed), counters(stage)
    for number in sorted(chance.sample(range(1, len(SHOTS)), KILLS)):
        counted = count[chance.choice(sorted(count))]
        yield lambda counted=counted, number=number: counted() >= number


async def killed_at(moment: Callable[[], bool], flow: FlowProcess) -> None:
    async with asyncio.timeout(WITHIN):
        while not moment():
            assert flow.process.returncode is None, flow.reported
            await asyncio.sleep(0.002)
    flow.process.send_signal(signal.SIGKILL)
    assert await flow.ended() == -signal.SIGKILL


async def prompt_within(stage: Stage, key: str) -> str:
    """Return the prompt that the server wrote into a frame."""
    with Image.open(io.BytesIO(await stage.store.get(key) or b"")) as frame:
        graph = json.loads(frame.info["prompt"])
    return " ".join(node["inputs"]["text"] for node in graph.values() if node["class_type"] == "CLIPTextEncode")


@pytest.mark.parametrize("seed", [5])
async def test_a_run_that_is_killed_at_random_moments_ends_whole_and_reported_and_renders_nothing_twice(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str], seed: int
) -> None:
    farm = [await simulate(seconds=0.1) for _ in range(2)]
    stage = Stage(farm, FolderStore(tmp_path), str(tmp_path))
    order = {"shots": SHOTS, "workflow": SETTINGS, "board": BOARD, "farm": [url for _, url in farm]}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = prefect_environment | {"TMPDIR": str(temporary)}
    for moment in moments(seed, stage):
        async with flow_process(environment, **order, store=stage.place) as flow:
            await killed_at(moment, flow)
    assert list(temporary.glob("previs-*"))
    async with flow_process(environment, **order, store=stage.place) as flow:
        assert await flow.ended() == 0, flow.reported
    assert not list(temporary.glob("previs-*"))
    progress = [event for event in flow.reported if isinstance(event, Progress)]
    last = progress[-1]
    assert (progress[0].waiting, last.rendered + last.joined + last.cached) == (len(SHOTS), len(SHOTS))
    [board] = [event for event in flow.reported if isinstance(event, BoardPublished)]
    assert board.page.startswith("file://")
    assert board.complete
    extra = len(stage.started) - len(SHOTS)
    assert 0 <= extra <= KILLS * len(farm)
    manifest = await stage.manifest()
    takes = [(entry, take) for entry in manifest.shots for take in entry.takes]
    assert [entry.shot_id for entry, _ in takes] == [each["shot_id"] for each in SHOTS]
    await stage.assert_whole(manifest)
    for entry, take in takes:
        record = await stage.record(take.fingerprint)
        assert (record.prompt_id, record.seed) == (take.prompt_id, take.seed)
        assert record.prompt_id in stage.started
        [frame] = record.frames
        assert entry.prompt in await prompt_within(stage, frame.key)
    assert len(await stage.store.entries("takes")) == len(SHOTS)
