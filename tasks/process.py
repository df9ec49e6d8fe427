"""Run a flow, or deploy, for the process that the ``previs`` command starts."""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import prefect
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType
from prefect.exceptions import TerminationSignal
from prefect.settings import get_current_settings

from blocks.asking import version_of
from previs.daemon import StartedServer, log_file
from previs.errors import BoardIncomplete, FixTheInput, PrefectUnavailable, PrevisError
from previs.ingest.offload import shots_parameter
from previs.rendering.progress import PrefectStarting, ProgressEvent, emit, listening, to_line
from previs.text.logs import show_logs_visibly
from previs.text.visible import visible
from tasks.farm_and_store import check_saved, open_store

_RECORDING_SECONDS = 10.0
_START_SECONDS = 120.0
_NOT_TERMINAL = [kind for kind in StateType if kind not in TERMINAL_STATES]
_COMPLETED, _NOT_COMPLETED, _BAD_INPUT, _STOPPED = 0, 1, 2, 130


def main(flow: Flow[..., Coroutine[Any, Any, Any]] | None, line: str, local: StartedServer | None) -> int:
    """Run a flow, or deploy if there is none, and return the exit code.

    Args:
        flow: The flow.
        line: Parameters in JSON.
        local: The local server, if the flow uses it.
    """
    show_logs_visibly(FixTheInput)
    try:
        given = json.loads(line)
        return asyncio.run(_deploy(given) if flow is None else _run(flow, given, local))
    except (asyncio.CancelledError, KeyboardInterrupt, TerminationSignal):
        # While a flow runs, Prefect turns SIGTERM into its own exception.
        return _STOPPED


def refuse(error: PrevisError) -> int:
    """Report an error that prevents a run, and return the exit code."""
    _write(str(error))
    return _BAD_INPUT if isinstance(error, FixTheInput) else _NOT_COMPLETED


async def _run(
    flow: Flow[..., Coroutine[Any, Any, Any]], parameters: dict[str, Any], local: StartedServer | None = None
) -> int:
    _stop_on_signals()
    with listening(_write):
        try:
            await _reach_prefect(local)
            await check_saved(parameters)
            await _offload(parameters)
        except PrevisError as error:
            return refuse(error)
        state: State[Any] = await flow(**parameters, return_state=True)
        result = await state.aresult(raise_on_failure=False)
        await _until_recorded(state)
        if state.is_completed():
            return _COMPLETED
        if not isinstance(result, BoardIncomplete):
            emit(str(result) if isinstance(result, Exception) else state.message or str(state.name))
        return _BAD_INPUT if isinstance(result, FixTheInput) else _NOT_COMPLETED


async def _deploy(options: dict[str, Any]) -> int:
    from tasks.deploy import deploy  # noqa: PLC0415 - a run needs none of it: 0.1 s of CPU time
    from tasks.prefect_yaml import DeployOptions  # noqa: PLC0415 - likewise

    try:
        async for done in deploy(DeployOptions(**options)):
            sys.stdout.write(visible(done) + "\n")
            sys.stdout.flush()
    except PrevisError as error:
        sys.stderr.write(visible(str(error), lines=True) + "\n")
        return _BAD_INPUT if isinstance(error, FixTheInput) else _NOT_COMPLETED
    return _COMPLETED


def _write(event: ProgressEvent) -> None:
    sys.stdout.write(to_line(event) + "\n")
    sys.stdout.flush()


def _stop_on_signals() -> None:
    loop, run = asyncio.get_running_loop(), asyncio.current_task()
    if run is None:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, run.cancel)
    loop.add_reader(sys.stdin, lambda: None if sys.stdin.readline() else (loop.remove_reader(sys.stdin), run.cancel()))


async def _reach_prefect(local: StartedServer | None) -> None:
    """Check that Prefect's server answers; the flow's engine would report that with a traceback."""
    settings = get_current_settings()
    if settings.api.url is None:
        emit(PrefectStarting())
        return
    if local is None:
        async with get_client() as client:
            await version_of(client)
        return
    if local.started:
        emit(PrefectStarting(local.server.address))
    try:
        async with get_client(httpx_settings={"timeout": _START_SECONDS}) as client:
            found = await version_of(client)
    except PrefectUnavailable as error:
        raise PrefectUnavailable(error.server, f"{error.reason}; its log is {log_file(settings.home)}") from error
    if found != prefect.__version__:
        remedy = "end it with: previs server stop"
        raise PrefectUnavailable(
            settings.api.url, f"it is Prefect {found}, and here is {prefect.__version__}: {remedy}"
        )


async def _offload(parameters: dict[str, Any]) -> None:
    """Store a list that is too large for a parameter, and make its path or URL the parameter."""
    if not isinstance(parameters.get("shots"), str):
        async with await open_store(parameters.get("store")) as store:
            parameters["shots"] = await shots_parameter(parameters["shots"], store)


async def _until_recorded(state: State[Any]) -> None:
    """Wait until a server that ends with this process has recorded the end of every task run.

    Prefect's ephemeral server loses what it has not yet written.
    """
    if get_current_settings().api.url is not None or state.state_details.flow_run_id is None:
        return
    of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    unfinished = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_NOT_TERMINAL)))
    async with get_client() as client:
        for _ in range(int(_RECORDING_SECONDS / 0.25)):
            remaining = await client.read_task_runs(flow_run_filter=of_this_run, task_run_filter=unfinished, limit=1)
            recorded = await client.read_task_runs(flow_run_filter=of_this_run, limit=1)
            if recorded and not remaining:
                return
            await asyncio.sleep(0.25)
