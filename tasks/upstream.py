"""Read requests that an upstream flow makes by an event or with its result."""

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import MissingResult, ObjectNotFound

from blocks.asking import prefect_client
from previs.errors import SourceNotFound
from previs.notifications.events import is_ready, read_ready, unused_keys
from tasks.starter import Starter

FLOW_RUN = "prefect.flow-run."
# Prefect's result storages and serializers raise these; the last line is for results that another machine pickled.
_UNREADABLE = (
    *(MissingResult, ObjectNotFound, ValueError, OSError, httpx.HTTPError, BotoCoreError, ClientError),
    *(ImportError, AttributeError, TypeError, EOFError, pickle.PickleError),
)


@dataclass(frozen=True, slots=True)
class Request:
    """Hold what a run is to render.

    Attributes:
        shots: Shot list, or its path or URL.
        workflow: Settings, or the path or URL of a workflow.
        board: Name of the board; empty for the list's title.
        fallback: Name of the board if the list has no title; empty for its file's name.
        of_senders: ``shots``, ``workflow``, both or none: which of them a sender gave.
        notices: Sentences on what the request has and nothing uses.
    """

    shots: object
    workflow: object
    board: str
    fallback: str = ""
    of_senders: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()


async def resolve_request(shots: object, workflow: object, board: str, starter: Starter) -> Request:
    """Return what the run is to render; the values of an upstream flow override the run's own.

    Args:
        shots: Shot list, or its path or URL; the parsed payload of ``shot-list.ready``; or ``prefect.flow-run.ID``, the
            name of a flow run in Prefect's events, for its result.
        workflow: Workflow if the upstream flow names none.
        board: Board if the upstream flow names none.
        starter: Whose the parameters are. The result of a flow is a sender's, unless the operator deployed this run to
            follow that flow.

    Raises:
        ShotListFaults: The payload is not valid.
        SourceNotFound: The flow run has no readable result.
        PrefectUnavailable: Prefect's server does not answer.
    """
    upstream, of_senders = "", set(starter.of_senders)
    if isinstance(shots, str) and shots.startswith(FLOW_RUN):
        shots, upstream = await _result_of(shots)
        of_senders.discard("shots")
        if upstream not in starter.follows and starter.allowed is not None:
            of_senders.add("shots")
    if not is_ready(shots):
        return Request(shots, workflow, board, upstream, frozenset(of_senders))
    ready = await asyncio.to_thread(read_ready, shots)
    if ready.workflow:
        of_senders.discard("workflow")
        of_senders |= {"workflow"} if "shots" in of_senders else set()
    return Request(
        shots=ready.shot_list,
        workflow=ready.workflow or workflow,
        board=ready.board or board,
        fallback=upstream,
        of_senders=frozenset(of_senders),
        notices=unused_keys(shots),
    )


async def _result_of(name: str) -> tuple[object, str]:
    """Return the result of a flow run and the name of its flow."""
    try:
        run_id = UUID(name.removeprefix(FLOW_RUN))
    except ValueError as error:
        raise SourceNotFound(name, "this is not the id of a flow run") from error
    try:
        async with prefect_client() as client:
            run = await client.read_flow_run(run_id)
            flow = await client.read_flow(run.flow_id)
    except ObjectNotFound as error:
        raise SourceNotFound(name, "Prefect has no such flow run") from error
    return await _read(run, name), flow.name


async def _read(run: FlowRun, name: str) -> Any:  # noqa: ANN401 - whatever the other flow returned
    if run.state is None or not run.state.is_completed():
        ended = "not started" if run.state is None else run.state.name
        raise SourceNotFound(name, f"flow run {run.name} is {ended}: only one that completed has a shot list")
    try:
        return await run.state.aresult()
    except _UNREADABLE as error:
        remedy = "its flow needs persist_result=True, and result storage that this machine can read"
        raise SourceNotFound(name, f"the result of flow run {run.name} cannot be read: {remedy}") from error
