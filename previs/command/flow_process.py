"""Run the flow ``storyboard`` in a process of its own and show its progress.

The flow is in the checkout beside this package and needs Prefect, which this package does not import. The process reads
the flow's parameters as a line of JSON and writes events as lines of JSON.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from previs.command.display import Display, display
from previs.rendering.progress import BoardPublished, from_line

_STOPPED = 130
_EXIT_CODES = frozenset({0, 1, 2, _STOPPED})
_LONGEST_LINE = 16 << 20
# Measured with Prefect 3.8: the first lets a cold start on a slow disk finish, the others cut the cost of a task run's
# record to a quarter.
_SETTINGS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


async def run_flow(parameters: Mapping[str, Any], *, home: Path | None = None, verbose: bool = False) -> int:
    """Run the flow, show its progress and return the exit code.

    Args:
        parameters: Parameters of the flow.
        home: Folder for Prefect's database unless ``PREFECT_HOME`` is set; None for Prefect's default.
        verbose: Whether to show Prefect's log instead of progress.
    """
    environment = _SETTINGS | os.environ
    if home is not None:
        folder = await asyncio.to_thread(home.absolute)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        environment.setdefault("PREFECT_HOME", str(folder))
    line = json.dumps(parameters)
    with display(verbose=verbose) as shown:
        return await _follow(line, environment, shown, verbose=verbose)


async def _follow(line: str, environment: dict[str, str], shown: Display, *, verbose: bool) -> int:
    log: deque[str] = deque(maxlen=60)
    stopped = asyncio.Event()
    async with _flow_process(environment, stopped, verbose=verbose) as process:
        assert process.stdin is not None  # noqa: S101 - it was opened as a pipe
        assert process.stdout is not None  # noqa: S101 - likewise
        process.stdin.write(line.encode() + b"\n")
        reading_log = asyncio.create_task(_read_log(process, log))
        explained = False
        async for output in process.stdout:
            if (event := from_line(output)) is not None:
                explained |= isinstance(event, str | BoardPublished)
                shown.show(event)
        await reading_log
        code = await process.wait()
    if stopped.is_set() and code:
        code = _STOPPED
    if code == _STOPPED:
        shown.say(
            "stopped: this run's prompts are removed from the servers, and what was finished is kept: "
            "start it again to continue"
        )
    if code not in _EXIT_CODES or (code and code != _STOPPED and not explained):
        shown.say("\n".join([*log, f"the flow's process ended with {code} before there was a board"]))
    return code if code in _EXIT_CODES else 1


@contextlib.asynccontextmanager
async def _flow_process(
    environment: dict[str, str], stopped: asyncio.Event, *, verbose: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the flow's process in a session of its own; signals are forwarded to it and set ``stopped``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flows",
        "storyboard",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=None if verbose else asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopped.set()
        _forward(process, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        yield process
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if process.returncode is None:
            _forward(process, signal.SIGTERM)
            await process.wait()


def _forward(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _read_log(process: asyncio.subprocess.Process, log: deque[str]) -> None:
    if process.stderr is not None:
        async for line in process.stderr:
            log.append(line.decode(errors="replace").rstrip())
