"""Have a run render its board in parts while no worker begins them: it renders all, and leaves no part behind."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async

from flows.storyboard import storyboard
from previs.simulator import Simulator
from tasks.passing import unevaluated
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
# Prefect's server evaluates it in the parameters of a run, unless it is told not to.
VARIABLE = {"__prefect_kind": "workspace_variable", "variable_name": "studio_secret"}


class Deployed:
    """Hold a deployment that no worker serves, whose runs begin in this process."""

    def __init__(self, **own: Any) -> None:
        self._own = own
        self._id = UUID(int=0)

    async def run(self, **given: Any) -> Any:
        """Run the deployment and return the end's state."""
        async with get_client() as client:
            flow_id = await client.create_flow(storyboard)
            self._id = await client.create_deployment(flow_id, f"test-{uuid4()}", parameters=self._own)
            run = await client.create_flow_run_from_deployment(self._id, parameters=given)
        return await run_flow_async(storyboard, flow_run=run, parameters=run.parameters, return_type="state")

    async def parts(self) -> list[FlowRun]:
        """Return the runs that are parts."""
        async with get_client() as client:
            of_this = DeploymentFilter(id=DeploymentFilterId(any_=[self._id]))
            runs = await client.read_flow_runs(deployment_filter=of_this)
        return sorted((run for run in runs if "part" in run.tags), key=lambda run: run.name)


def deployed(simulator: tuple[Simulator, str], folder: Path) -> Deployed:
    return Deployed(farm=[simulator[1]], workflow=SETTINGS, store=str(folder), max_age_days=9)


async def test_a_run_renders_what_no_part_has_begun_and_cancels_these_parts(simulate: Serve, tmp_path: Path) -> None:
    simulator = await simulate()
    house = deployed(simulator, tmp_path)
    given = {"studio": VARIABLE, "shots": shots(5)}
    again = {"refresh": ["SH01", "SH05"], "review_minutes": None, "picked_only": True}
    state = await house.run(shots=unevaluated(given), board="夜", parts=3, takes=2, **again)
    assert (state.name, state.message) == ("Completed", "5 shots: 10 takes rendered, 0 cached")
    assert len(set(simulator[0].started)) == len(simulator[0].started) == 10
    second, third = await house.parts()
    assert [part.name for part in (second, third)] == ["夜 · part 2 of 3", "夜 · part 3 of 3"]
    own = {"farm": [simulator[1]], "workflow": SETTINGS, "store": str(tmp_path), "max_age_days": 9}
    same = own | {"shots": given, "board": "夜", "takes": 2, "picked_only": True}
    assert second.parameters == same | {"only": ["SH03", "SH04"], "refresh": False}
    assert third.parameters == same | {"only": ["SH05"], "refresh": ["SH05"]}
    for part in (second, third):
        assert part.state is not None
        assert (part.state.name, part.state.message) == ("Cancelled", "the board is done without it")


async def test_a_run_that_is_cancelled_cancels_its_parts(simulate: Serve, tmp_path: Path) -> None:
    simulator = await simulate()
    simulator[0].faults.stall_on = "SH"
    house = deployed(simulator, tmp_path)
    running = asyncio.create_task(house.run(shots=shots(2, SH01="SH"), parts=2))
    async with asyncio.timeout(60):
        while not await house.parts():
            await asyncio.sleep(0.25)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    [part] = await house.parts()
    assert part.state is not None
    assert (part.state.name, part.state.message) == ("Cancelled", "the run whose board it is has ended")


async def test_a_run_without_a_deployment_has_no_parts(tmp_path: Path) -> None:
    state: Any = await storyboard(shots(2), parts=2, store=str(tmp_path), return_state=True)
    assert state.message == (
        "storyboard cannot run with these parameters:\n  - parts: 2: a run without a deployment has one part: "
        "start it from a deployment, such as storyboard/by-hand"
    )
