"""Serve simulated servers, for people and for the demonstration."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from previs.command.flow_process import flow_process
from previs.command.output import write_error, write_line
from previs.command.run import RunOrder, run_shots
from previs.errors import SourceNotFound
from previs.simulator import Cue, ScriptFaults, Simulator, VersionName, read_script, serve
from previs.simulator.versions import OLDEST

_EXAMPLES = Path(__file__).parents[2] / "examples"


async def render_examples(folder: Path, *, name: str, servers: int, seconds: float, verbose: bool) -> int:
    """Render an example board on simulated servers into a folder and return the exit code."""
    async with simulators(servers, seconds=seconds) as farm:
        order = RunOrder(
            shots=str(_EXAMPLES / f"{name}.yaml"),
            workflow=str(_EXAMPLES / "workflows" / "storyboard.json"),
            farm=farm,
            store=str(folder),
        )
        async with flow_process(home=folder / ".prefect", verbose=verbose) as process:
            return await run_shots(order, process, verbose=verbose)


async def serve_simulators(
    count: int, *, seconds: float, port: int, script: Sequence[Cue], version: VersionName = OLDEST
) -> int:
    """Serve simulators until SIGINT or SIGTERM, print their URLs and return the exit code."""
    try:
        async with simulators(count, seconds=seconds, port=port, script=script, version=version) as urls:
            for url in urls:
                write_line(url)
            await _wait_for_signal()
    except OSError as error:
        write_error(f"port {port} and the next {count - 1} cannot all be used: {error.strerror}")
        return 2
    return 0


@contextlib.asynccontextmanager
async def simulators(
    count: int, *, seconds: float, port: int = 0, script: Sequence[Cue] = (), version: VersionName = OLDEST
) -> AsyncIterator[list[str]]:
    """Serve simulators and yield their URLs; on consecutive ports from ``port``, or on free ones.

    Each plays the script by its own count of prompts, requests and frames.
    """
    async with contextlib.AsyncExitStack() as served:
        yield [
            await served.enter_async_context(
                serve(Simulator(seconds=seconds, script=script, version=version), port=port + number if port else 0)
            )
            for number in range(count)
        ]


def read_cues(path: Path) -> tuple[Cue, ...]:
    """Read the script in a file.

    Raises:
        SourceNotFound: The file does not exist or holds no script; the error lists every fault.
    """
    try:
        return read_script(path.read_bytes(), name=path.name)
    except OSError as error:
        raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
    except ScriptFaults as error:
        faults = "\n".join(f"  - {fault}" for fault in error.faults)
        raise SourceNotFound(str(path), f"it is no script of cues:\n{faults}") from error


async def _wait_for_signal() -> None:
    received = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received.set)
    await received.wait()
