"""Simulated servers for the command line."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from previs.errors import SourceNotFound
from previs.simulator import Cue, ScriptFaults, Simulator, read_script, serve


@contextlib.asynccontextmanager
async def simulators(
    count: int, *, seconds: float, port: int = 0, script: Sequence[Cue] = ()
) -> AsyncIterator[list[str]]:
    """Serve simulators and yield their addresses; on consecutive ports from ``port``, or on free ones.

    Each plays the script for itself, by its own count of prompts, requests and frames.
    """
    async with contextlib.AsyncExitStack() as served:
        yield [
            await served.enter_async_context(
                serve(Simulator(seconds=seconds, script=script), port=port + number if port else 0)
            )
            for number in range(count)
        ]


def cues_in(path: Path) -> tuple[Cue, ...]:
    """The script in a file.

    Raises:
        SourceNotFound: there is no such file, or it holds no script; with every fault that was found.
    """
    try:
        return read_script(path.read_bytes(), name=path.name)
    except OSError as error:
        raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
    except ScriptFaults as error:
        faults = "\n".join(f"  - {fault}" for fault in error.faults)
        raise SourceNotFound(str(path), f"it is no script of cues:\n{faults}") from error


async def wait_for_ever() -> None:
    """Wait until somebody sends SIGINT or SIGTERM."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
