"""Give the flow's process its parameters, and show its progress."""

import asyncio
import contextlib
import json
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from previs.command.display import Display, display
from previs.rendering.progress import BoardPublished, from_line

_STOPPED = 130
_EXIT_CODES = frozenset({0, 1, 2, _STOPPED})


async def run_flow(process: Process, parameters: Mapping[str, Any], *, verbose: bool = False) -> int:
    """Give the process the flow's parameters, show its progress and return the exit code.

    Args:
        process: The process, of :func:`flow_process`.
        parameters: Parameters of the flow.
        verbose: Whether Prefect's log is shown instead of progress.
    """
    with display(verbose=verbose) as shown:
        return await _follow(process, json.dumps(parameters), shown)


async def _follow(process: Process, line: str, shown: Display) -> int:
    log: deque[str] = deque(maxlen=60)
    stopped = asyncio.Event()
    async with _forwarding_signals(process, stopped):
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
async def _forwarding_signals(process: Process, stopped: asyncio.Event) -> AsyncIterator[None]:
    """Send signals on to the process, which has a session of its own, and set ``stopped``; end it with the context."""
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopped.set()
        _forward(process, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if process.returncode is None:
            _forward(process, signal.SIGTERM)
            await process.wait()


def _forward(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _read_log(process: Process, log: deque[str]) -> None:
    if process.stderr is not None:
        async for line in process.stderr:
            log.append(line.decode(errors="replace").rstrip())
