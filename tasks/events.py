"""Events: one that starts a run, to be sent by a flow upstream, and those by which a run tells how it goes."""

import json
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
from previs.ingest.offload import INLINE_BYTES
from previs.notifications import events
from previs.notifications.events import (
    BOARD_READY,
    FARM_DEGRADED,
    FARM_RECOVERED,
    SHOT_FAILED,
    SHOT_LIST_READY,
    EventName,
)
from previs.notifications.webhook import Message
from previs.planning.schedule import TakeResult
from previs.publishing.results import RunIdentity
from previs.store import keys
from tasks.publish import Board
from tasks.webhook import hand_over

_UNTITLED: Final = "untitled"

Resource = dict[str, str]


def shot_list_ready(shot_list: object, *, board: str = "", workflow: object = None) -> None:
    """Send ``shot-list.ready``, on which the storyboard is made; from any flow, in async code too.

    Args:
        shot_list: a list, as models or plain JSON; or its place, which every worker can read.
        board: the name under which runs gather; empty for the list's title.
        workflow: settings or a place; none for what the deployment renders with.

    Raises:
        ShotListFaults: the list, or something else of this, is not in order, or too large for an event.
        EventNotSent: Prefect did not take it.
    """
    payload = events.make_ready(shot_list, board=board, workflow=workflow)
    size = len(json.dumps(payload))
    if size > INLINE_BYTES:
        remedy = f"more than {INLINE_BYTES:,}: store the list and send its path or URL"
        raise ShotListFaults(f"the event {SHOT_LIST_READY}", (Fault("the payload", "", f"{size:,} bytes", remedy),))
    given = payload["shot_list"]
    name = board or (given.get("title") if isinstance(given, Mapping) else "") or _UNTITLED
    if not _emit(SHOT_LIST_READY, _resource(f"previs.shot-list.{keys.part(name)}", name), payload, uuid4()):
        raise EventNotSent(SHOT_LIST_READY, "Prefect takes no events here; look at PREFECT_API_URL and the log")


def board_ready(board: Board) -> None:
    """Tell that a board is published; to a webhook with its shots, as links to these may hold signatures."""
    payload = events.board_ready(board.manifest, manifest_uri=board.place.manifest, page=board.place.page)
    resource = _board(board.manifest.board) | {"previs.complete": str(payload.complete).lower()}
    _announce(BOARD_READY, resource, payload, more={"shots": board.shots})


def shot_failed(facts: RunIdentity, result: TakeResult) -> None:
    """Tell that a take could not be rendered."""
    payload = events.shot_failed(facts, result)
    label = result.take.shot.label
    resource = _resource(f"previs.shot.{keys.part(facts.board)}.{keys.part(label)}", label)
    _announce(SHOT_FAILED, resource, payload, [_board(facts.board) | {"prefect.resource.role": "board"}])


def farm_changed(change: FarmChange) -> None:
    """Tell that a server is no longer fit to render, or that all are again."""
    payload = events.farm_changed(change)
    if payload is not None:
        name: EventName = FARM_DEGRADED if isinstance(payload, events.FarmDegraded) else FARM_RECOVERED
        _announce(name, _resource(f"previs.server.{change.server}", change.server), payload)


def _resource(identity: str, name: str) -> Resource:
    return {"prefect.resource.id": identity, "prefect.resource.name": name}


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
    """Tell it by an event, and by webhook if the run has one; that neither works costs the run nothing.

    Args:
        name: of the event.
        resource: that it is about.
        payload: what it says.
        related: resources, beside the run and what belongs to that, which Prefect adds.
        more: what is for the webhook alone.
    """
    content, identity = payload.model_dump(mode="json", by_alias=True), uuid4()
    try:
        sent = _emit(name, resource, content, identity, related)
    except EventTooLarge as error:
        _logger().warning("the event %s was not sent: %d bytes are too large for it", name, error.size)
    else:
        if not sent:
            _logger().warning("the event %s was not sent: Prefect takes no events here", name)
    hand_over(Message(str(identity), name, datetime.now(UTC), content | dict(more or {})))


def _emit(
    name: str, resource: Resource, payload: dict[str, Any], identity: UUID, related: Iterable[Resource] = ()
) -> bool:
    """Hand it to Prefect, which sends it in the background; whether it was taken."""
    return emit_event(name, resource=resource, payload=payload, id=identity, related=list(related)) is not None


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("previs")
