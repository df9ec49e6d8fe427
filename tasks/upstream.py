"""Upstream: shot lists that another flow hands over, by an event or as its result."""

import pickle
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import MissingResult, ObjectNotFound

from blocks.asking import asking_prefect
from previs.errors import SourceNotFound
from previs.notifications.events import is_ready, read_ready

FLOW_RUN = "prefect.flow-run."
# What Prefect's result storages and serializers raise; the last ones are of results that were pickled elsewhere.
_UNREADABLE = (
    *(MissingResult, ObjectNotFound, ValueError, OSError, httpx.HTTPError, BotoCoreError, ClientError),
    *(ImportError, AttributeError, TypeError, EOFError, pickle.PickleError),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked for.

    Attributes:
        shots: the list or its place.
        workflow: likewise.
        board: its name; empty for the list's title.
        fallback: the board's name where the list has no title either; empty for that of its file.
    """

    shots: object
    workflow: object
    board: str
    fallback: str = ""


async def asked_for(shots: object, workflow: object, board: str) -> Asked:
    """What was asked for, where it was handed over by another flow, too; what that one says goes first.

    Args:
        shots: the list or its place; the payload of ``shot-list.ready``; or ``prefect.flow-run.ID``, which is what
            Prefect's events call a flow run, for its result.
        workflow: where the other flow names none.
        board: likewise.

    Raises:
        ShotListFaults: a payload that is not in order.
        SourceNotFound: a flow run that has no result to read.
        PrefectUnavailable: Prefect's server does not answer.
    """
    upstream = ""
    if isinstance(shots, str) and shots.startswith(FLOW_RUN):
        shots, upstream = await _result_of(shots)
    if not is_ready(shots):
        return Asked(shots, workflow, board, upstream)
    ready = read_ready(shots)
    return Asked(ready.shot_list, ready.workflow or workflow, ready.board or board, upstream)


async def _result_of(name: str) -> tuple[object, str]:
    """What a flow run returned, and the name of its flow."""
    try:
        identity = UUID(name.removeprefix(FLOW_RUN))
    except ValueError as error:
        raise SourceNotFound(name, "this is no flow run's id") from error
    try:
        with asking_prefect():
            async with get_client() as client:
                run = await client.read_flow_run(identity)
                flow = await client.read_flow(run.flow_id)
    except ObjectNotFound as error:
        raise SourceNotFound(name, "Prefect knows no such flow run") from error
    return await _read(run, name), flow.name


async def _read(run: FlowRun, name: str) -> Any:  # noqa: ANN401 - whatever the other flow returned
    if run.state is None or not run.state.is_completed():
        ended = "not started" if run.state is None else run.state.name
        raise SourceNotFound(name, f"flow run {run.name} is {ended}: only one that completed has a shot list")
    try:
        return await run.state.aresult()
    except _UNREADABLE as error:
        kept = "its flow needs persist_result=True, and result storage that this machine can read"
        raise SourceNotFound(name, f"the result of flow run {run.name} cannot be read: {kept}") from error
