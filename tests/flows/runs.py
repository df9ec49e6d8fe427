"""Run the flow in this process on one farm and one store, and hold the outcome."""

import asyncio
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State

from flows.storyboard import storyboard
from previs.records.manifest import Manifest, TakeEntry
from previs.records.takes import TakeRecord
from previs.simulator import Simulator
from previs.store import Store, keys
from tests.flows.test_storyboard import SETTINGS

BOARD = "夜景"


def shot(shot_id: str, prompt: str = "城市夜景", **fields: Any) -> dict[str, Any]:
    return {"shot_id": shot_id, "prompt": f"{prompt} {shot_id}", "duration": 2.0} | fields


def with_sources(url: str) -> dict[str, Any]:
    """Return the fields that have a shot start from one picture."""
    return {"references": [{"url": url, "reference_id": "before"}]}


def picture(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(made, "PNG")
    return made.getvalue()


@dataclass(frozen=True)
class Ran:
    """Hold the outcome of a run.

    Attributes:
        rendered: labels of the takes that it rendered, in the list's order.
    """

    state: State[Any]
    manifest: Manifest
    rendered: list[str]

    @property
    def takes(self) -> dict[str, TakeEntry]:
        return {f"{each.shot_id} · take {take.take}": take for each in self.manifest.shots for take in each.takes}


@dataclass
class Stage:
    """Hold a farm and a store; ``place`` is the store as the flow's parameter."""

    farm: Sequence[tuple[Simulator, str]]
    store: Store
    place: Any

    @property
    def started(self) -> list[str]:
        return [prompt for simulator, _ in self.farm for prompt in simulator.started]

    def restart(self) -> None:
        """Have the servers remember nothing."""
        for simulator, _ in self.farm:
            simulator.restart()

    async def state(self, *shots: dict[str, Any], **parameters: Any) -> State[Any]:
        """Run the flow."""
        asked = {"shots": list(shots), "workflow": SETTINGS, "board": BOARD, "store": self.place}
        farm = [url for _, url in self.farm]
        state: State[Any] = await storyboard(**(asked | {"farm": farm} | parameters), return_state=True)
        return state

    async def run(self, *shots: dict[str, Any], **parameters: Any) -> Ran:
        """Run the flow; check that it calls rendered exactly what the servers began to render."""
        before = len(self.started)
        state = await self.state(*shots, **parameters)
        manifest = await self.manifest(parameters.get("board", BOARD))
        ran = Ran(state, manifest, [])
        ran.rendered.extend(label for label, take in ran.takes.items() if take.outcome == "rendered")
        if state.is_completed():
            assert len(self.started) - before == len(ran.rendered)
        return ran

    async def manifest(self, board: str = BOARD) -> Manifest:
        latest = json.loads(await self.store.get(keys.latest_key(board)) or b"")
        return Manifest.model_validate_json(await self.store.get(latest["manifest"]) or b"")

    async def record(self, fingerprint: str) -> TakeRecord:
        return TakeRecord.model_validate_json(await self.store.get(keys.take_key(fingerprint)) or b"")

    async def assert_whole(self, manifest: Manifest) -> None:
        """Check that every take has its record, and every frame the bytes that its name and its record say."""
        for entry in manifest.shots:
            for take in entry.takes:
                assert take.frames, (entry.shot_id, take.error)
                assert (await self.record(take.fingerprint)).frames == take.frames
                for frame in take.frames:
                    content = await self.store.get(frame.key) or b""
                    assert (len(content), hashlib.sha256(content).hexdigest()) == (frame.size, frame.sha256)
                    assert frame.sha256 in frame.key


async def ends_of(flow_run_id: UUID | None, count: int) -> dict[str, State[Any]]:
    """Wait until so many task runs have ended; return the last state of each by the run's name."""
    assert flow_run_id is not None
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client:
        for _ in range(40):
            runs = await client.read_task_runs(flow_run_filter=of_run)
            ended = {run.name: run.state for run in runs if run.state is not None and run.state.is_final()}
            if len(ended) >= count:
                return ended
            await asyncio.sleep(0.25)
    pytest.fail(f"only {sorted(ended)} have ended on the server")
