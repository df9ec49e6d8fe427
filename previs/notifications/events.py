"""What flows tell each other, whatever carries it: events of Prefect, or a webhook. Pure.

One event comes in: ``shot-list.ready``, sent by a flow upstream, with the payload :class:`ShotListReady`. The others
go out: ``board.ready``, ``shot.failed``, ``farm.degraded`` and ``farm.recovered``. What the fields mean is said here.
"""

import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from previs.errors import Fault, ShotListFaults
from previs.farm.circuit_breaker import FarmChange
from previs.publishing.results import RunIdentity, TakeResult
from previs.publishing.views.wording import clean
from previs.records.manifest import Manifest
from previs.shots import plain_json, read_shot_list

EventName = Literal["board.ready", "shot.failed", "farm.degraded", "farm.recovered"]
SHOT_LIST_READY: Final = "shot-list.ready"
BOARD_READY: Final = "board.ready"
SHOT_FAILED: Final = "shot.failed"
FARM_DEGRADED: Final = "farm.degraded"
FARM_RECOVERED: Final = "farm.recovered"

_READY: Final = "previs.shot-list-ready"
_READY_1: Final = "previs.shot-list-ready/1"
_SOURCE: Final = f"the event {SHOT_LIST_READY}"
_PLACE: Final = "the payload"
_REMEDIES: Final = {
    "schema": f"the one known is {_READY_1}",
    "board": "the board's name, as text",
    "workflow": "an object of settings, or a place",
}
_SHOWN: Final = 60
_LONGEST_ERROR: Final = 10_000
_SCHEMA: Final = "Name and version of this form."
_BOARD: Final = "The name under which runs gather."
_RUN: Final = "The run's name within the board; names sort as runs started."


# Prefect drops an event that UTF-8 cannot hold, and what a server says of its failure may hold anything.
_Text = Annotated[str, AfterValidator(clean)]


class ShotListReady(BaseModel):
    """A shot list is ready to be rendered: the payload of ``shot-list.ready``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.shot-list-ready/1"] = Field(
        _READY_1, alias="schema", title="Schema", description=_SCHEMA
    )
    shot_list: Any = Field(
        description=(
            "The list itself, as a list of shots or an object with shots; or its place: a path that the worker can "
            "read, s3:// or https://."
        )
    )
    board: str = Field(default="", description=f"{_BOARD[:-1]}; empty for the list's title.")
    workflow: dict[str, JsonValue] | str | None = Field(
        default=None, description="Settings, or the place of a workflow; null for that of the deployment."
    )


class BoardReady(BaseModel):
    """A board is published: the payload of ``board.ready``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.board-ready/1"] = Field(
        "previs.board-ready/1", alias="schema", title="Schema", description=_SCHEMA
    )
    board: _Text = Field(description=_BOARD)
    run: _Text = Field(description=_RUN)
    number: int | None = Field(description="The run's number within the board, from 1.")
    complete: bool = Field(description="Whether every shot has its frames.")
    shot_count: int = Field(description="Shots on the board.")
    rendered: int = Field(description="Takes that were rendered in this run.")
    cached: int = Field(description="Takes that were there from an earlier one.")
    failed: tuple[int | _Text, ...] = Field(description="IDs of the shots that lack a frame.")
    manifest: _Text = Field(description="The place of manifest.json, which has the rest.")
    page: _Text = Field(description="The place of index.html in the store; no link, which could hold a signature.")


class ShotFailed(BaseModel):
    """A take of a shot could not be rendered: the payload of ``shot.failed``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.shot-failed/1"] = Field(
        "previs.shot-failed/1", alias="schema", title="Schema", description=_SCHEMA
    )
    board: _Text = Field(description=_BOARD)
    run: _Text = Field(description=_RUN)
    shot_id: int | _Text = Field(description="As in the list.")
    take: int = Field(description="Its number, from 1.")
    error: _Text = Field(description="The sentence that says why.")
    servers: tuple[_Text, ...] = Field(description="Where it was tried, in that order; none if it came to no server.")


class FarmDegraded(BaseModel):
    """A server of the farm is no longer fit to render: the payload of ``farm.degraded``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.farm-degraded/1"] = Field(
        "previs.farm-degraded/1", alias="schema", title="Schema", description=_SCHEMA
    )
    server: _Text = Field(description="Base URL, without credentials.")
    reason: _Text = Field(description="In a sentence.")
    fit: int = Field(description="How many servers are fit now.")
    servers: int = Field(description="How many the farm has.")


class FarmRecovered(BaseModel):
    """Every server of the farm is fit again: the payload of ``farm.recovered``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.farm-recovered/1"] = Field(
        "previs.farm-recovered/1", alias="schema", title="Schema", description=_SCHEMA
    )
    server: _Text = Field(description="The last one that came back: base URL, without credentials.")
    reason: _Text = Field(description="In a sentence.")
    servers: int = Field(description="How many the farm has.")


def is_ready(shots: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a payload of ``shot-list.ready``, and no shot list."""
    if not isinstance(shots, Mapping):
        return False
    named = shots.get("schema")
    return (isinstance(named, str) and named.startswith(_READY)) or ("shot_list" in shots and "shots" not in shots)


def read_ready(payload: object) -> ShotListReady:
    """The payload, with its list in order if that is inline.

    Raises:
        ShotListFaults: every fault of the payload and of an inline list.
    """
    if not isinstance(payload, Mapping):
        raise ShotListFaults(_SOURCE, (Fault(_PLACE, "", _shown(payload), "an object with schema and shot_list"),))
    if "too_large" in payload:
        # This is what prefect.yaml's trigger hands on in the place of what no run's parameters can hold.
        size = f"{_shown(payload['too_large'])} bytes"
        raise ShotListFaults(_SOURCE, (Fault(_PLACE, "", size, "too large: store the list and send its place"),))
    given = payload.get("shot_list")
    ready, faults = _checked(payload)
    if given in (None, ""):
        faults.append(Fault(_PLACE, "shot_list", "", "missing; give the list itself or its place"))
    elif isinstance(given, bytes):
        faults.append(Fault(_PLACE, "shot_list", "bytes", "the list itself, read from its file, or its place as text"))
    elif not isinstance(given, str):
        try:
            read_shot_list(given, name=_SOURCE)
        except ShotListFaults as error:
            faults.extend(error.faults)
    if ready is None or faults:
        raise ShotListFaults(_SOURCE, tuple(faults))
    return ready


def _checked(payload: Mapping[str, Any]) -> tuple[ShotListReady | None, list[Fault]]:
    """The payload, or what is wrong with it but for the list in it."""
    given = {name: payload.get(name) for name in ("schema", "shot_list", "workflow")}
    given["board"] = "" if payload.get("board") is None else payload["board"]
    try:
        return ShotListReady.model_validate(given), []
    except ValidationError as error:
        broken = dict.fromkeys(str(each["loc"][0]) for each in error.errors(include_input=False))
    return None, [
        Fault(_PLACE, name, "" if given[name] is None else _shown(given[name]), _REMEDIES[name]) for name in broken
    ]


def _shown(value: object) -> str:
    # Unlike repr, this goes no deeper than it shows: a payload may be nested deeper than Python's stack.
    short = reprlib.Repr()
    short.maxstring = short.maxother = _SHOWN
    whole = short.repr(value)
    return whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"


def make_ready(shot_list: object, *, board: str = "", workflow: object = None) -> dict[str, Any]:
    """The payload of ``shot-list.ready``, ready for JSON.

    Args:
        shot_list: a list, models or plain JSON, or its place.
        board: under which runs gather; empty for the list's title.
        workflow: settings, a model or plain JSON, or a place; none for that of the deployment.

    Raises:
        ShotListFaults: with every fault of what is given.
    """
    given = {"shot_list": plain_json(shot_list), "board": board, "workflow": plain_json(workflow)}
    return read_ready({"schema": _READY_1, **given}).model_dump(mode="json", by_alias=True)


def board_ready(manifest: Manifest, *, manifest_place: str, page: str) -> BoardReady:
    """What ``board.ready`` says of a run's board.

    Args:
        manifest: of the run.
        manifest_place: of its file in the store.
        page: place of ``index.html`` in the store.
    """
    outcomes = [take.outcome for shot in manifest.shots for take in shot.takes]
    return BoardReady(
        board=manifest.board,
        run=manifest.run,
        number=manifest.number,
        complete=not manifest.failed,
        shot_count=len(manifest.shots),
        rendered=outcomes.count("rendered"),
        cached=outcomes.count("cached"),
        failed=tuple(shot.shot_id for shot in manifest.failed),
        manifest=manifest_place,
        page=page,
    )


def shot_failed(facts: RunIdentity, result: TakeResult) -> ShotFailed:
    """What ``shot.failed`` says of a take that failed."""
    servers = [attempt.server for attempt in result.attempts if attempt.server is not None]
    return ShotFailed(
        board=facts.board,
        run=facts.run,
        shot_id=result.take.shot.shot_id,
        take=result.take.number,
        error=(result.error or "")[:_LONGEST_ERROR],
        servers=tuple(dict.fromkeys(servers)),
    )


def farm_changed(change: FarmChange) -> FarmDegraded | FarmRecovered | None:
    """What is told of a change: each server that is lost, and that all are back; nothing of one among several."""
    if not change.fit:
        return FarmDegraded(server=change.server, reason=change.reason, fit=change.fit_servers, servers=change.servers)
    if change.fit_servers == change.servers:
        return FarmRecovered(server=change.server, reason=change.reason, servers=change.servers)
    return None
