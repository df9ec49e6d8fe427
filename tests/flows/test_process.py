"""Run the flow in its own process: kill it, stop it, give it bad input."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest

from flows.storyboard import storyboard
from previs.rendering.progress import ProgressEvent, TakeSettled, from_line
from tasks.process import _run
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots

# Prefect keeps connections to its server open when the event loop that used them closes.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


class FlowProcess:
    """Hold a running ``python -m flows storyboard`` and all that it reported."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.reported: list[ProgressEvent] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if (event := from_line(line)) is not None:
                self.reported.append(event)

    async def until_settled(self, count: int) -> None:
        while len([event for event in self.reported if isinstance(event, TakeSettled)]) < count:
            assert self.process.returncode is None, self.reported
            await asyncio.sleep(0.01)

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            await self._reading
            return await self.process.wait()

    def outcomes(self) -> list[str]:
        return sorted(event.outcome for event in self.reported if isinstance(event, TakeSettled))


@contextlib.asynccontextmanager
async def flow_process(
    environment: dict[str, str], *, log: int | IO[bytes] = asyncio.subprocess.DEVNULL, **parameters: Any
) -> AsyncIterator[FlowProcess]:
    command = [sys.executable, "-m", "flows", "storyboard"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=environment,
        limit=1 << 24,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"workflow": SETTINGS} | parameters).encode() + b"\n")
    flow = FlowProcess(process)
    try:
        yield flow
    finally:
        if process.returncode is None:
            process.kill()
        await flow.ended()
        process.stdin.close()


async def test_a_killed_run_started_again_renders_nothing_twice_and_frees_the_servers_if_it_is_stopped(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    farm = [await simulate(seconds=1.0) for _ in range(2)]
    for simulator, _ in farm:
        simulator.faults.stall_on = "坏"
    # A shot that stalls before others would hold them up.
    order = {"shots": shots(8, SH08="坏"), "farm": [url for _, url in farm], "store": str(tmp_path)}
    async with flow_process(prefect_environment, **order) as first:
        await first.until_settled(3)
        first.process.send_signal(signal.SIGKILL)
        await first.ended()
    in_work = sum(simulator.queue.remaining for simulator, _ in farm)
    assert in_work > 0
    async with flow_process(prefect_environment, **order) as second:
        await second.until_settled(7)
        settled = second.outcomes()
        async with asyncio.timeout(60):
            while not sum(simulator.queue.remaining for simulator, _ in farm):
                await asyncio.sleep(0.01)
        before = asyncio.get_running_loop().time()
        # The command's test sends SIGINT, which the command sends on.
        second.process.send_signal(signal.SIGTERM)
        while sum(simulator.queue.remaining for simulator, _ in farm):
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - before < 5
        assert await second.ended() == 130
    started = [prompt for simulator, _ in farm for prompt in simulator.started]
    assert len(started) == len(set(started)) == 8
    assert sum(len(simulator.interrupted) for simulator, _ in farm) == 1
    assert settled.count("cached") >= 3
    # What was at work when the first run was killed may be joined, or may have ended and be fetched.
    assert "joined" in settled
    assert set(settled) <= {"cached", "joined", "rendered"}
    assert len([*(tmp_path / "takes").glob("*.json")]) == 7


@pytest.mark.usefixtures("prefect_api")
async def test_a_run_whose_command_dies_stops_by_itself(
    simulate: Serve, tmp_path: Path, standard_input: IO[str]
) -> None:
    simulator, url = await simulate(seconds=0.2)
    simulator.faults.stall_on = "坏"
    order = {"shots": shots(3, SH03="坏"), "farm": [url], "store": str(tmp_path), "workflow": SETTINGS}
    run = asyncio.create_task(_run(storyboard, order))
    while len(simulator.started) < 2:
        assert not run.done()
        await asyncio.sleep(0.01)
    standard_input.close()
    # The process exits with 130 for it, as after SIGINT.
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, 60)
    assert simulator.queue.remaining == 0


@pytest.mark.usefixtures("prefect_api", "standard_input")
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([{"shot_id": 1}], "the shot list has 2 faults:"),
        (
            [shots(1)[0] | {"references": [{"url": "none.png", "reference_id": "a"}]}],
            "none.png: there is no such file",
        ),
    ],
)
async def test_bad_input_is_reported_with_an_exit_code_of_its_own(
    simulate: Serve,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: list[dict[str, Any]],
    sentence: str,
) -> None:
    simulator, url = await simulate()
    order = {"shots": given, "farm": [url], "store": str(tmp_path), "workflow": SETTINGS}
    assert await _run(storyboard, order) == 2
    events = map(from_line, capsys.readouterr().out.encode().splitlines())
    [message] = [event for event in events if isinstance(event, str)]
    assert sentence in message
    assert simulator.posted == []
