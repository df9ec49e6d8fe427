"""Define the payloads of events, which Prefect or a webhook carries; pure.

One event comes in: an upstream flow sends ``shot-list.ready`` with the payload :class:`ShotListReady`. The others go
out: ``board.ready``, ``shot.failed``, ``farm.degraded`` and ``farm.recovered``; and in Prefect
alone ``review.waiting``, ``run.waiting`` and ``run.working``.
"""

import reprlib
import unicodedata
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from previs.errors import Fault, ShotListFaults
from previs.farm.circuit_breaker import FarmChange
from previs.planning.schedule import TakeResult
from previs.publishing.results import RunIdentity
from previs.records.manifest import Manifest
from previs.shots import plain_json, read_shot_list
from previs.store.addresses import shown
from previs.store.credentials import credential_fault, credentials_in
from previs.text.listing import first_of
from previs.text.similar import meant
from previs.text.visible import shortened, visible

EventName = Literal["board.ready", "shot.failed", "farm.degraded", "farm.recovered"]
StatusEvent = Literal["review.waiting", "run.waiting", "run.working"]
_KEYS: Final = ("schema", "shot_list", "board", "workflow")
_COMPARED: Final = 500
_NAMED: Final = 20
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
    "workflow": "an object of settings, or a path or URL",
}
_SHOWN: Final = 60
_LONGEST_ERROR: Final = 10_000
_SCHEMA: Final = "Name and version of this format."
_BOARD: Final = "Name of the board; runs with one name belong together."
_RUN: Final = "Name of the run within the board; names sort by the start of the runs."


def _sendable(text: str) -> str:
    """Replace control characters and unpaired surrogates; names stay as programs compare them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n" else c for c in text)


# Prefect drops an event that UTF-8 cannot hold, and a server's error message may hold anything.
_Text = Annotated[str, AfterValidator(_sendable)]


class ShotListReady(BaseModel):
    """Announce a shot list that is ready to render: the payload of ``shot-list.ready``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.shot-list-ready/1"] = Field(
        _READY_1, alias="schema", title="Schema", description=_SCHEMA
    )
    shot_list: Any = Field(
        description=(
            "The list itself, as a list of shots or an object with shots; or its path, which the worker must be able "
            "to read, or its URL (s3:// or https://)."
        )
    )
    board: str = Field(default="", description="Name of the board; empty for the list's title.")
    workflow: dict[str, JsonValue] | str | None = Field(
        default=None, description="Settings, or the path or URL of a workflow; null for the deployment's."
    )


class BoardReady(BaseModel):
    """Announce a published board: the payload of ``board.ready``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.board-ready/1"] = Field(
        "previs.board-ready/1", alias="schema", title="Schema", description=_SCHEMA
    )
    board: _Text = Field(description=_BOARD)
    run: _Text = Field(description=_RUN)
    number: int | None = Field(description="Number of the run within the board, from 1.")
    complete: bool = Field(description="Whether every shot has its frames.")
    shot_count: int = Field(description="Number of shots on the board.")
    rendered: int = Field(description="Number of takes that this run rendered.")
    joined: int = Field(default=0, description="Number of takes that this run found on a server, as submitted before.")
    cached: int = Field(description="Number of takes that an earlier run rendered.")
    failed: tuple[int | _Text, ...] = Field(description="IDs of the shots that lack a frame.")
    marked: tuple[int | _Text, ...] = Field(
        default=(), description="IDs of the shots of which frame QC marked a take, such as one with a black frame."
    )
    manifest: _Text = Field(description="Path or URL of manifest.json, which has the rest.")
    page: _Text = Field(description="Path or URL of index.html in the store, without a signature.")


class ShotFailed(BaseModel):
    """Report a take that could not be rendered: the payload of ``shot.failed``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.shot-failed/1"] = Field(
        "previs.shot-failed/1", alias="schema", title="Schema", description=_SCHEMA
    )
    board: _Text = Field(description=_BOARD)
    run: _Text = Field(description=_RUN)
    shot_id: int | _Text = Field(description="ID of the shot, as in the list.")
    take: int = Field(description="Number of the take, from 1.")
    pass_name: _Text | None = Field(default=None, description="Name of the pass that failed; null for a take itself.")
    error: _Text = Field(description="Reason, in a sentence.")
    servers: tuple[_Text, ...] = Field(description="Servers that tried it, in that order; empty if no server did.")


class FarmDegraded(BaseModel):
    """Report a server that can no longer render: the payload of ``farm.degraded``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.farm-degraded/1"] = Field(
        "previs.farm-degraded/1", alias="schema", title="Schema", description=_SCHEMA
    )
    server: _Text = Field(description="Base URL of the server, without credentials.")
    reason: _Text = Field(description="Reason, in a sentence.")
    fit: int = Field(description="Number of servers that can render now.")
    servers: int = Field(description="Number of all servers of the farm.")


class FarmRecovered(BaseModel):
    """Report that every server can render again: the payload of ``farm.recovered``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.farm-recovered/1"] = Field(
        "previs.farm-recovered/1", alias="schema", title="Schema", description=_SCHEMA
    )
    server: _Text = Field(description="Base URL of the last server that recovered, without credentials.")
    reason: _Text = Field(description="Reason, in a sentence.")
    servers: int = Field(description="Number of all servers of the farm.")


class RunStatus(BaseModel):
    """Say what a run does or waits for: the payload of ``review.waiting``, ``run.waiting`` and ``run.working``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.run-status/1"] = Field(
        "previs.run-status/1", alias="schema", title="Schema", description=_SCHEMA
    )
    name: _Text = Field(description="Name of the board, or of the list's file if the board has no name yet.")
    status: _Text = Field(description="What the run does or waits for, in words for people.")


def is_ready(shots: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether this is a payload of ``shot-list.ready`` instead of a shot list."""
    if not isinstance(shots, Mapping):
        return False
    named = shots.get("schema")
    return (isinstance(named, str) and named.startswith(_READY)) or ("shot_list" in shots and "shots" not in shots)


def read_ready(payload: object) -> ShotListReady:
    """Check a payload, and its list if that is inline.

    Raises:
        ShotListFaults: The payload or the inline list has faults; every fault is reported.
    """
    if not isinstance(payload, Mapping):
        raise ShotListFaults(_SOURCE, (Fault(_PLACE, "", _shown(payload), "an object with schema and shot_list"),))
    if "too_large" in payload:
        # The trigger in prefect.yaml sends this instead of a list that is too large for a run's parameters.
        size = f"{_shown(payload['too_large'])} bytes"
        raise ShotListFaults(_SOURCE, (Fault(_PLACE, "", size, "too large: store the list and send its path or URL"),))
    given = payload.get("shot_list")
    ready, faults = _checked(payload)
    more = 0
    close = {name: meant(name, _KEYS) for name in map(str, islice(payload, _COMPARED)) if name not in _KEYS}
    faults += [Fault(_PLACE, name, "", f"did you mean {closest}?") for name, closest in close.items() if closest]
    if given in (None, ""):
        faults.append(Fault(_PLACE, "shot_list", "", "missing; give the list itself, or its path or URL"))
    elif isinstance(given, bytes):
        faults.append(
            Fault(_PLACE, "shot_list", "bytes", "give the list itself, read from its file, or its path or URL as text")
        )
    elif not isinstance(given, str):
        try:
            read_shot_list(given, name=_SOURCE)
        except ShotListFaults as error:
            faults.extend(error.faults)
            more = error.more
    if ready is None or faults:
        raise ShotListFaults(_SOURCE, tuple(faults), more)
    return ready


def unused_keys(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence on the keys of a payload that nothing uses."""
    names = [visible(shortened(str(name))) for name in payload if name not in _KEYS]
    return (f"{_SOURCE} has keys that are not used: {first_of(names, _NAMED)}",) if names else ()


def _checked(payload: Mapping[str, Any]) -> tuple[ShotListReady | None, list[Fault]]:
    """Return the payload, or its faults except those of the list."""
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
    # Unlike repr, reprlib descends no deeper than it shows: a payload may be nested deeper than Python's stack.
    short = reprlib.Repr()
    short.maxstring = short.maxother = _SHOWN
    whole = short.repr(value)
    return whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"


def make_ready(shot_list: object, *, board: str = "", workflow: object = None) -> dict[str, Any]:
    """Return a payload of ``shot-list.ready`` as plain JSON.

    Args:
        shot_list: Shot list, as models or plain JSON, or its path or URL.
        board: Name of the board; empty for the list's title.
        workflow: Settings, as a model or plain JSON, or a path or URL; None for the deployment's workflow.

    Raises:
        ShotListFaults: An argument has faults; every fault is reported.
    """
    given = {"shot_list": plain_json(shot_list), "board": board, "workflow": plain_json(workflow)}
    ready = read_ready({"schema": _READY_1, **given}).model_dump(mode="json", by_alias=True)
    faults = [
        Fault(_PLACE, name, shown(uri), credential_fault(uri)) for name in given for uri in credentials_in(ready[name])
    ]
    if faults:
        raise ShotListFaults(_SOURCE, tuple(faults))
    return ready


def board_ready(manifest: Manifest, *, manifest_uri: str, page: str) -> BoardReady:
    """Return the payload of ``board.ready`` for a run.

    Args:
        manifest: Manifest of the run.
        manifest_uri: Path or URL of ``manifest.json`` in the store.
        page: Path or URL of ``index.html`` in the store.
    """
    outcomes = [take.outcome for shot in manifest.shots for take in shot.renders]
    return BoardReady(
        board=manifest.board,
        run=manifest.run,
        number=manifest.number,
        complete=not manifest.failed,
        shot_count=len(manifest.shots),
        rendered=outcomes.count("rendered"),
        joined=outcomes.count("joined"),
        cached=outcomes.count("cached"),
        failed=tuple(shot.shot_id for shot in manifest.failed),
        marked=tuple(dict.fromkeys(shot.shot_id for shot, _ in manifest.marked)),
        manifest=manifest_uri,
        page=page,
    )


def shot_failed(run: RunIdentity, result: TakeResult) -> ShotFailed:
    """Return the payload of ``shot.failed`` for a take."""
    servers = [attempt.server for attempt in result.attempts if attempt.server is not None]
    return ShotFailed(
        board=run.board,
        run=run.run,
        shot_id=result.take.shot.shot_id,
        take=result.take.number,
        pass_name=result.take.pass_name or None,
        error=(result.error or "")[:_LONGEST_ERROR],
        servers=tuple(dict.fromkeys(servers)),
    )


def farm_changed(change: FarmChange) -> FarmDegraded | FarmRecovered | None:
    """Return FarmDegraded for each lost server, FarmRecovered once all servers can render, else None."""
    if not change.fit:
        return FarmDegraded(server=change.server, reason=change.reason, fit=change.fit_servers, servers=change.servers)
    if change.fit_servers == change.servers:
        return FarmRecovered(server=change.server, reason=change.reason, servers=change.servers)
    return None
