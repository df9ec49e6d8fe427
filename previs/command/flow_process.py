"""Run the flow in a process of its own and show how it goes.

The flow lives in the checkout beside this package and needs Prefect, of which this package knows nothing: it gets its
parameters as a line of JSON and says how it goes as lines of JSON.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from previs.comfyui.client.address import base_url
from previs.command.display import Display, display
from previs.errors import FarmRefused, Fault, ShotListFaults, SourceNotFound
from previs.rendering.progress import BoardPublished, from_line

_STOPPED = 130
_KNOWN_ENDS = frozenset({0, 1, 2, _STOPPED})
_LARGEST_LINE = 16 << 20
# Measured with Prefect 3.8: the first keeps a cold start on a slow disk from being given up, the others cut the cost
# of a task run's record to a quarter.
_SETTINGS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True, slots=True)
class FlowOrder:
    """What a person asked the flow for; see the command's help."""

    shots: str
    workflow: str | None = None
    farm: list[str] | None = None
    store: str | None = None
    board: str = ""
    only: tuple[str, ...] = ()
    takes: int = 1
    refresh: bool | list[str] = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    max_age_days: float | None = None

    async def parameters(self) -> dict[str, Any]:
        """The flow's parameters; files of this machine by absolute path."""
        parameters: dict[str, Any] = {
            "shots": await self._shots(),
            "board": self.board,
            "only": list(self.only),
            "takes": self.takes,
            "refresh": self.refresh,
            "overrides": dict(self.overrides),
            "max_age_days": self.max_age_days,
        }
        if self.workflow is not None:
            parameters["workflow"] = _absolute(self.workflow)
        if self.farm:
            parameters["farm"] = self.farm
        if self.store is not None:
            parameters["store"] = self.store if self.store.startswith("block:") else _absolute(self.store)
        return parameters

    async def _shots(self) -> Any:  # noqa: ANN401 - any JSON; the flow says what is wrong with it
        if self.shots != "-":
            return _absolute(self.shots)
        try:
            return json.loads(await asyncio.to_thread(sys.stdin.buffer.read))
        except (ValueError, RecursionError) as error:
            fault = Fault("the list", "", "", f"is no JSON: {error}")
            raise ShotListFaults("standard input", (fault,)) from error


async def run_flow(order: FlowOrder, *, home: Path | None = None, verbose: bool = False) -> int:
    """Run the flow ``storyboard`` and show how it goes; what the command exits with.

    Args:
        order: what to render.
        home: a folder that exists, where Prefect keeps its database unless ``PREFECT_HOME`` says otherwise; none for
            Prefect's own place.
        verbose: show Prefect's log instead of progress.
    """
    if find_spec("flows") is None:
        raise SourceNotFound("flows/storyboard.py", "run previs from a checkout of its repository, as its README says")
    environment = _SETTINGS | os.environ
    if home is not None:
        environment.setdefault("PREFECT_HOME", str(home))
    for address in order.farm or ():
        if not address.startswith("block:"):
            _check_address(address)
    line = json.dumps(await order.parameters())
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
        spoken = False
        async for output in process.stdout:
            if (told := from_line(output)) is not None:
                spoken |= isinstance(told, str | BoardPublished)
                shown.show(told)
        await reading_log
        code = await process.wait()
    if stopped.is_set() and code:
        code = _STOPPED
    if code == _STOPPED:
        shown.say(
            "stopped: this run's prompts are taken off the servers, what was finished is kept: start it again to go on"
        )
    if code not in _KNOWN_ENDS or (code and code != _STOPPED and not spoken):
        shown.say("\n".join([*log, f"the flow's process ended with {code} before there was a board"]))
    return code if code in _KNOWN_ENDS else 1


@contextlib.asynccontextmanager
async def _flow_process(
    environment: dict[str, str], stopped: asyncio.Event, *, verbose: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The flow's process, in a session of its own: signals come from here, and are told by ``stopped``."""
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
        limit=_LARGEST_LINE,
    )
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopped.set()
        _pass_on(process, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        yield process
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if process.returncode is None:
            _pass_on(process, signal.SIGTERM)
            await process.wait()


def _pass_on(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _read_log(process: asyncio.subprocess.Process, log: deque[str]) -> None:
    if process.stderr is not None:
        async for line in process.stderr:
            log.append(line.decode(errors="replace").rstrip())


def _check_address(address: str) -> None:
    """Refuse an address before it, and perhaps a password in it, becomes a parameter that Prefect keeps."""
    try:
        base_url(address)
    except ValueError as error:
        raise FarmRefused(str(error)) from error


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().absolute())
