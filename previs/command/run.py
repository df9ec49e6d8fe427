"""Check the options of a run, then run the flow ``storyboard`` with them."""

# ruff: noqa: PLC0415 - a missing shot list is reported before what it does not need is imported

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from previs.errors import Fault, ShotListFaults, TryAgain
from previs.farm.opening import farm_block, server_urls
from previs.ingest.reader import SourceReader
from previs.store import FolderStore, S3Store
from previs.store.addresses import kind_of
from previs.store.credentials import refuse_credentials
from previs.store.opening import store_at, store_block


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Hold the options of ``previs run``; see its help."""

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
    render_seconds: float | None = None
    passes: tuple[str, ...] = ()
    picked_only: bool = False
    animatic: str = "none"

    async def parameters(self) -> dict[str, Any]:
        """Return the flow's parameters, with absolute paths.

        Raises:
            ShotListFaults: Standard input is not JSON.
            FarmRefused, SourceNotFound: A URL cannot be used. Prefect keeps parameters, so no password or signature may
                become one.
        """
        parameters: dict[str, Any] = {
            "shots": await self._shots(),
            "board": self.board,
            "only": list(self.only),
            "takes": self.takes,
            "refresh": self.refresh,
            "overrides": dict(self.overrides),
            "max_age_days": self.max_age_days,
            "render_seconds": self.render_seconds,
            "passes": list(self.passes),
            "picked_only": self.picked_only,
            "animatic": self.animatic,
        }
        if self.workflow is not None:
            refuse_credentials(self.workflow)
            parameters["workflow"] = _absolute(self.workflow)
        if self.farm:
            if farm_block(self.farm) is None:
                server_urls(self.farm)
            parameters["farm"] = self.farm
        if self.store is not None:
            parameters["store"] = self.store if store_block(self.store) is not None else _absolute(self.store)
        return parameters

    async def _shots(self) -> Any:  # noqa: ANN401 - any JSON
        if self.shots != "-":
            refuse_credentials(self.shots)
            return _absolute(self.shots)
        try:
            return json.loads(await asyncio.to_thread(sys.stdin.buffer.read))
        except (ValueError, RecursionError) as error:
            fault = Fault("the list", "", "", f"is no JSON: {error}")
            raise ShotListFaults("standard input", (fault,)) from error


async def run_shots(order: RunOrder, process: Process, *, verbose: bool = False) -> int:
    """Check the input, have the flow's process run the flow, show its progress and return the exit code.

    Args:
        order: Options of the command.
        process: The flow's process, which waits for its parameters.
        verbose: Whether to show Prefect's log instead of progress.

    Raises:
        FixTheInput: An option, the shot list or the workflow cannot be used; no Prefect server is started.
    """
    parameters = await order.parameters()
    store = _store_of(parameters)
    await _check_readable(parameters["shots"])
    from previs.command.input_check import check_inputs
    from previs.planning.make_plan import RunOptions

    options = RunOptions(order.takes, order.only, order.overrides, order.refresh, order.passes, order.picked_only)
    await check_inputs(parameters["shots"], parameters.get("workflow"), options)
    if isinstance(store, FolderStore):
        with contextlib.suppress(TryAgain):
            await store.check()
    from previs.command.flow_run import run_flow

    return await run_flow(process, parameters, verbose=verbose)


def _store_of(parameters: Mapping[str, Any]) -> S3Store | FolderStore | None:
    """Return the store that is named by a path or URL, or None if only Prefect knows it."""
    store = parameters.get("store")
    return store_at(store) if store is not None and store_block(store) is None else None


async def _check_readable(shots: object) -> None:
    if isinstance(shots, str) and kind_of(shots) in {"path", "file"}:
        async with SourceReader() as reader:
            with contextlib.suppress(TryAgain):
                await reader.read(shots)


def _absolute(path_or_url: str) -> str:
    return path_or_url if "://" in path_or_url else str(Path(path_or_url).expanduser().absolute())
