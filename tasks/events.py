"""Send events: the one with which an upstream flow starts a run, and those that report a run's outcome."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from prefect.events import emit_event
from prefect.exceptions import EventTooLarge, MissingContextError
from prefect.logging import get_logger, get_run_logger
from pydantic import BaseModel

from previs.errors import EventNotSent, Fault, ShotListFaults
from previs.farm.circuit_breaker import FarmChange
from previs.notifications import events
from previs.notifications.events import (
    BOARD_READY,
    FARM_DEGRADED,
    FARM_RECOVERED,
    SHOT_FAILED,
    SHOT_LIST_READY,
    EventName,
)
from previs.notifications.payload_text import LARGEST_PARAMETER, parameter_bytes
from previs.notifications.webhook import Message
from previs.planning.schedule import TakeResult
from previs.publishing.results import RunIdentity
from previs.store import keys
from tasks.part import this_part
from tasks.publish import Board
from tasks.webhook import enqueue

_UNTITLED: Final = "untitled"

Resource = dict[str, str]


def shot_list_ready(shot_list: object, *, board: str = "", workflow: object = None) -> None:
    """Send ``shot-list.ready``, which starts a storyboard run; call it from any flow, async or not.

    Args:
        shot_list: Shot list as models or plain JSON, or its path or URL, which every worker can read.
        board: Name of the board; empty for the list's title.
        workflow: Settings, or the path or URL of a workflow; None for the deployment's own.

    Raises:
        ShotListFaults: An argument is not valid, or the event is too large.
        EventNotSent: Prefect did not accept the event.
    """
    payload = events.make_ready(shot_list, board=board, workflow=workflow)
    size = parameter_bytes(payload)
    if size > LARGEST_PARAMETER:
        remedy = f"more than {LARGEST_PARAMETER:,}: store the list and send its path or URL"
        raise ShotListFaults(f"the event {SHOT_LIST_READY}", (Fault("the payload", "", f"{size:,} bytes", remedy),))
    listed = payload["shot_list"]
    name = board or (listed.get("title") if isinstance(listed, Mapping) else "") or _UNTITLED
    if not _emit(SHOT_LIST_READY, _resource(f"previs.shot-list.{keys.part(name)}", name), payload, uuid4()):
        raise EventNotSent(SHOT_LIST_READY, "Prefect accepts no events here; check PREFECT_API_URL and the log")


def board_ready(board: Board) -> None:
    """Report that a board is published. Only the webhook gets its shots, because their links may be signed."""
    payload = events.board_ready(board.manifest, manifest_uri=board.published.manifest, page=board.published.page)
    resource = _board(board.manifest.board) | {"previs.complete": str(payload.complete).lower()}
    _announce(BOARD_READY, resource, payload, more={"shots": board.shots})


def shot_failed(identity: RunIdentity, result: TakeResult) -> None:
    """Report that a take could not be rendered."""
    payload = events.shot_failed(identity, result)
    label = result.take.shot.label
    resource = _resource(f"previs.shot.{keys.part(identity.board)}.{keys.part(label)}", label)
    _announce(SHOT_FAILED, resource, payload, [_board(identity.board) | {"prefect.resource.role": "board"}])


def farm_changed(change: FarmChange) -> None:
    """Report that a server became unhealthy, or that all are healthy again."""
    payload = events.farm_changed(change)
    if payload is not None:
        name: EventName = FARM_DEGRADED if isinstance(payload, events.FarmDegraded) else FARM_RECOVERED
        _announce(name, _resource(f"previs.server.{change.server}", change.server), payload)


def _resource(resource_id: str, name: str) -> Resource:
    return {"prefect.resource.id": resource_id, "prefect.resource.name": name}


def _board(board: str) -> Resource:
    return _resource(f"previs.board.{keys.part(board)}", board)


def _announce(
    name: EventName,
    resource: Resource,
    payload: BaseModel,
    related: Iterable[Resource] = (),
    *,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Send an event, and a message to the webhook if the run has one; failures never reach the run.

    A part sends none: the run whose board it is reports it.

    Args:
        name: Name of the event.
        resource: Resource that it is about.
        payload: Payload of the event and the message.
        related: Related resources; Prefect adds the run and its flow itself.
        more: Further content for the webhook alone.
    """
    if this_part():
        return
    content, event_id = payload.model_dump(mode="json", by_alias=True), uuid4()
    try:
        sent = _emit(name, resource, content, event_id, related)
    except EventTooLarge as error:
        _logger().warning("the event %s was not sent: %d bytes are too large for it", name, error.size)
    else:
        if not sent:
            _logger().warning("the event %s was not sent: Prefect accepts no events here", name)
    enqueue(Message(str(event_id), name, datetime.now(UTC), content | dict(more or {})))


def _emit(
    name: str, resource: Resource, payload: dict[str, Any], event_id: UUID, related: Iterable[Resource] = ()
) -> bool:
    """Pass an event to Prefect, which sends it in the background; return whether Prefect accepted it."""
    return emit_event(name, resource=resource, payload=payload, id=event_id, related=list(related)) is not None


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("previs")
