"""Read workflows by path or URL, with their bindings files."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol

from previs.comfyui.protocol.classes import NodeClass, merge_classes
from previs.errors import AccessDenied, Fault, ShotListFaults, SourceNotFound, TryAgain
from previs.ingest.bases import Base, base_at
from previs.ingest.looks import LoadedList
from previs.ingest.reader import SourceReader
from previs.pictures import workflow_in
from previs.shots import plain_json
from previs.shots.chains import shot_place
from previs.shots.looks import is_path
from previs.store.addresses import base_of, kind_of, local_path, resolve, shown
from previs.store.credentials import without_credentials
from previs.text.listing import first_of
from previs.text.similar import closest
from previs.text.visible import shortened
from previs.workflow import BindingsFile, Workflow, WorkflowSettings, bindings_name, open_workflow, read_bindings

DEFAULT_WORKFLOW = WorkflowSettings(checkpoint="sd_xl_base_1.0.safetensors")
INLINE_WORKFLOW = "the workflow settings"
_START_BYTES = 1_000
_MOST_WORKFLOWS = 100
_NAMED = 20
_NEEDS_SERVER = (
    "is in the format of ComfyUI's editor, and a server's node classes are needed to read it: start a server, "
    'name one that is up, or export the graph with "Export (API)"'
)


class ClassLookup(Protocol):
    """Look up node classes on servers."""

    async def __call__(self, names: Collection[str], *, needed: bool) -> Mapping[str, Mapping[str, NodeClass | None]]:
        """Return node classes by server and name, None for one that it lacks; if ``needed``, wait for a server."""


WorkflowFacts = dict[str, Any] | str
"""A workflow as given, for the record, without credentials: settings, or the path or URL of a graph."""


@dataclass(frozen=True, slots=True)
class LoadedWorkflow:
    """Hold a workflow as it was read.

    Attributes:
        base: Base of what the workflow names.
        place: How faults call it.
    """

    workflow: Workflow
    facts: WorkflowFacts
    base: Base
    place: str


def facts_of(workflow: object) -> WorkflowFacts:
    """Return a workflow as records keep it."""
    if isinstance(workflow, str):
        return shown(workflow)
    facts: WorkflowFacts = without_credentials(plain_json(workflow))
    return facts


async def load_workflows(
    loaded: LoadedList, workflow: object, reader: SourceReader, look_up: ClassLookup, inline: Base, name: str
) -> tuple[LoadedWorkflow | None, dict[str, LoadedWorkflow]]:
    """Return the run's workflow, None if no shot uses it, and those of the shots, by the names that shots have.

    Args:
        loaded: Shot list.
        workflow: The run's workflow: settings, a graph, or the path or URL of either.
        reader: Reader for paths and URLs.
        look_up: Look-up for node classes.
        inline: Base of an inline workflow.
        name: Name of the list in faults.

    Raises:
        ShotListFaults: A shot names a workflow that the list does not have.
        WorkflowFaults, SourceNotFound, SourceUnavailable, NoServer, AccessDenied: As in :func:`load_inputs`.
    """
    users: dict[str | None, list[str]] = {}
    for number, shot in enumerate(loaded.shot_list.shots, 1):
        for each in (shot.workflow, *(one.workflow for one in shot.passes or ())):
            users.setdefault(each, []).append(shot_place(number, shot))
    known = loaded.shot_list.named_workflows
    unknown = {each: places for each, places in users.items() if each and each not in known and not is_path(each)}
    if len(users) > _MOST_WORKFLOWS:
        remedy = f"a board has at most {_MOST_WORKFLOWS}: split the list"
        raise ShotListFaults(name, (Fault("the list", "workflow", f"{len(users):,} workflows", remedy),))
    if unknown:
        raise ShotListFaults(name, tuple(_unknown(each, places, known) for each, places in unknown.items()))
    own = await _load(workflow, reader, look_up, inline, "the workflow") if None in users else None
    others: dict[str, LoadedWorkflow] = {}
    for each in filter(None, users):
        given, base = known.get(each, each), loaded.base
        if isinstance(given, str):
            base = loaded.base_for(given)
            given = given if base.resolved else resolve(given, base.uri, inline=base.inline)
        others[each] = await _load(given, reader, look_up, base, f"workflow {each}")
    return own, others


def without_workflows(loaded: LoadedList) -> LoadedList:
    """Return a list whose shots have no workflows of their own and no passes, with a notice if some had."""
    if not any(shot.workflow or shot.passes for shot in loaded.shot_list.shots):
        return loaded
    without = {"workflow": None, "passes": None}
    shots = tuple(
        shot.looking(without, shot.uses) if shot.workflow or shot.passes else shot for shot in loaded.shot_list.shots
    )
    shot_list = loaded.shot_list.model_copy(update={"shots": shots})
    return replace(
        loaded, shot_list=shot_list.with_notice("workflows and passes that the list names are left out here")
    )


def _unknown(workflow: str, places: list[str], known: Mapping[str, object]) -> Fault:
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    meant = closest(workflow, known, most=1)
    listed = f"it has {first_of(list(known), _NAMED)}" if known else "it has none"
    listed = f"did you mean {meant[0]}?" if meant else listed
    remedy = f"workflows of the list has no such name, and it is no path: {listed}"
    return Fault(f"{places[0]}{more}", "workflow", shortened(workflow), remedy)


async def _load(workflow: object, reader: SourceReader, look_up: ClassLookup, base: Base, place: str) -> LoadedWorkflow:
    if isinstance(workflow, str):
        bound = await read_workflow_at(workflow, reader, look_up, sender=base.sender, beside=base.beside)
        return LoadedWorkflow(bound, shown(workflow), base_at(workflow, base), place)
    plain = await asyncio.to_thread(plain_json, workflow)
    source = INLINE_WORKFLOW if place == "the workflow" else place
    return LoadedWorkflow(await _bind(plain, source, look_up), without_credentials(plain), base, place)


async def read_workflow_at(
    uri: str, reader: SourceReader, look_up: ClassLookup, *, sender: bool = False, beside: str | None = None
) -> Workflow:
    """Read a workflow's file by its path or URL, with the bindings file beside it if there is one.

    Args:
        uri: Path or URL.
        reader: Reader for paths and URLs.
        look_up: Look-up for the workflow's node classes.
        sender: Whether a sender named the file.
        beside: URL of the operator whose host a sender's URL may name too.

    Raises:
        WorkflowFaults, SourceNotFound, SourceUnavailable, NoServer, AccessDenied: As in :func:`load_inputs`.
    """
    name = shown(uri)
    content = await asyncio.to_thread(workflow_in, await reader.read(uri, sender=sender, beside=beside), name=name)
    return await _bind(content, name, look_up, await _bindings_beside(uri, reader, sender=sender, beside=beside))


async def _bind(
    content: bytes | Mapping[str, Any], name: str, look_up: ClassLookup, bindings: BindingsFile | None = None
) -> Workflow:
    opened = await asyncio.to_thread(open_workflow, content, name=name)
    try:
        servers = await look_up(opened.classes, needed=opened.needs_classes) if opened.classes else {}
    except (AccessDenied, TryAgain) as error:
        error.add_note(f"{name} {_NEEDS_SERVER}")
        raise
    return await asyncio.to_thread(opened.read, merge_classes(servers.values()), bindings)


def bindings_uri(workflow: str) -> str:
    """Return the path or URL of the bindings file beside a workflow's file."""
    return resolve(bindings_name(_file_name(workflow)), base_of(workflow))


async def _bindings_beside(
    workflow: str, reader: SourceReader, *, sender: bool, beside: str | None
) -> BindingsFile | None:
    """Read the bindings file beside a graph, if there is one.

    A web server may answer with an HTML page for a file that it does not have. A signed URL is valid for one name only,
    so no other name is requested beside it.
    """
    web = kind_of(workflow) == "http"
    if kind_of(workflow) == "data" or (web and "?" in workflow):
        return None
    uri = bindings_uri(workflow)
    try:
        content = await reader.read(uri, sender=sender, beside=beside)
    except SourceNotFound:
        return None
    if web and content[:_START_BYTES].lstrip().startswith(b"<"):
        return None
    return await asyncio.to_thread(read_bindings, content, name=shown(uri))


def _file_name(uri: str) -> str:
    if kind_of(uri) in {"path", "file"}:
        return PurePath(local_path(uri)).name
    return uri.rpartition("/")[2]
