"""Gather what a run is made from: the shot list, the workflow, the pictures that they refer to."""

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

from previs.comfyui.protocol.classes import NodeClass, known_to_any
from previs.errors import AccessDenied, Fault, NotAPicture, ShotListFaults, SourceNotFound, TryAgain
from previs.ingest.reader import SourceReader
from previs.pictures import upright_png_or_jpeg, workflow_in
from previs.planning.plan import ReferenceImage
from previs.shots import ShotList, names_shot, plain_json, read_chains, read_shot_list
from previs.store import Store, keys
from previs.store.addresses import base_of, kind_of, local_path, resolve, shown, stem_of
from previs.workflow import BindingsFile, Workflow, WorkflowSettings, bindings_name, open_workflow, read_bindings

DEFAULT_WORKFLOW = WorkflowSettings(checkpoint="sd_xl_base_1.0.safetensors")
INLINE_LIST = "the shot list"
INLINE_WORKFLOW = "the workflow settings"
_NOWHERE = "data:"
_NEEDS_SERVER = (
    "is in the format of ComfyUI's editor, which is read with what a server tells of its node classes: start a server, "
    'name one that is up, or export the graph with "Export (API)"'
)


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run is made from, all of it fetched.

    Attributes:
        name: of the board if the run gives none: the list's title, or its file's name.
        workflow_facts: the workflow as it was given, for the record: settings, or the place of a graph.
        pictures: of the shots' references, by their ``url``.
        workflow_pictures: of the workflow's ``reference_images``, in their order.
    """

    name: str
    shot_list: ShotList
    workflow: Workflow
    workflow_facts: dict[str, Any] | str
    pictures: Mapping[str, ReferenceImage]
    workflow_pictures: tuple[ReferenceImage, ...]


class Learn(Protocol):
    """Asks servers for node classes."""

    async def __call__(self, names: Collection[str], *, needed: bool) -> Mapping[str, Mapping[str, NodeClass | None]]:
        """What servers tell of these classes, by the servers' names.

        Args:
            names: of the classes.
            needed: wait for a server that can be asked.
        """


@dataclass(frozen=True, slots=True)
class _Home:
    """What relative names of a list or workflow are relative to; one that was sent inline has no place of its own."""

    base: str
    inline: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A picture that some place of the input refers to."""

    url: str
    place: str
    field: str
    home: _Home


async def load_inputs(
    shots: object, workflow: object, sources: SourceReader, store: Store | None, learn: Learn
) -> RunInputs:
    """Read the list, then the workflow, then every picture, each once.

    Args:
        shots: the list itself (a model, or as JSON), or its place.
        workflow: settings, a graph, or the place of either.
        sources: to read places with.
        store: where the references of an inline list are; without one such a list may name none by relative names.
        learn: asks the farm what the workflow's node classes take.

    Raises:
        NoServer, AccessDenied: the workflow is in the format of ComfyUI's editor, which no server could be asked about.
        ShotListFaults, WorkflowFaults: what is wrong with either, every fault at once; pictures that cannot be used
            are faults of the list.
        SourceNotFound, SourceTrouble: a list or workflow that cannot be read.
    """
    shot_list, list_home = await _read_list(shots, sources, store)
    bound, facts, workflow_home = await _read_workflow(workflow, sources, store, learn)
    of_shots, of_workflow = list(_of_shots(shot_list, list_home)), list(_of_workflow(bound, workflow_home))
    name = shown(shots) if isinstance(shots, str) else INLINE_LIST
    pictures = await _fetch_all([*of_shots, *of_workflow], sources, name, read_chains(shot_list).faults)
    return RunInputs(
        name=shot_list.title or (stem_of(shots) if isinstance(shots, str) else "") or "storyboard",
        shot_list=shot_list,
        workflow=bound,
        workflow_facts=facts,
        pictures={one.url: pictures[one.url, one.home] for one in of_shots},
        workflow_pictures=tuple(pictures[one.url, one.home] for one in of_workflow),
    )


async def _read_list(shots: object, sources: SourceReader, store: Store | None) -> tuple[ShotList, _Home]:
    if not isinstance(shots, str):
        return read_shot_list(plain_json(shots), name=INLINE_LIST), _inline(store)
    shot_list = read_shot_list(await sources.read(shots), name=shown(shots))
    # A list that was too large to hand over inline is still an inline list.
    handed_over = store is not None and shots.startswith(store.uri(keys.LISTS))
    return shot_list, _inline(store) if handed_over else _Home(base_of(shots), inline=False)


async def _read_workflow(
    workflow: object, sources: SourceReader, store: Store | None, learn: Learn
) -> tuple[Workflow, dict[str, Any] | str, _Home]:
    if not isinstance(workflow, str):
        plain = plain_json(workflow)
        return await _read_whole(plain, INLINE_WORKFLOW, learn), plain, _inline(store)
    return await read_workflow_at(workflow, sources, learn), shown(workflow), _Home(base_of(workflow), inline=False)


async def read_workflow_at(place: str, sources: SourceReader, learn: Learn) -> Workflow:
    """Read a workflow's file, with the bindings file beside it if there is one.

    Args:
        place: a path or address.
        sources: to read it with.
        learn: as :func:`load_inputs`.

    Raises:
        WorkflowFaults, SourceNotFound, SourceTrouble, NoServer, AccessDenied: as :func:`load_inputs`.
    """
    name = shown(place)
    content = workflow_in(await sources.read(place), name=name)
    return await _read_whole(content, name, learn, await _bindings_beside(place, sources))


async def _read_whole(
    content: bytes | Mapping[str, Any], name: str, learn: Learn, explicit: BindingsFile | None = None
) -> Workflow:
    opened = await asyncio.to_thread(open_workflow, content, name=name)
    try:
        servers = await learn(opened.classes, needed=opened.needs_classes) if opened.classes else {}
    except (AccessDenied, TryAgain) as error:
        error.add_note(f"{name} {_NEEDS_SERVER}")
        raise
    return opened.read(known_to_any(servers.values()), explicit)


def bindings_place(workflow: str) -> str:
    """Where the bindings file of a workflow's file lies: beside it."""
    return resolve(bindings_name(_file_name(workflow)), base_of(workflow))


async def _bindings_beside(workflow: str, sources: SourceReader) -> BindingsFile | None:
    """The bindings file that lies beside a graph, if one does.

    A web server may answer with a page of its own what it does not have; one that is asked with a signature in the
    address has signed no other name.
    """
    web = kind_of(workflow) == "http"
    if kind_of(workflow) == "data" or (web and "?" in workflow):
        return None
    place = bindings_place(workflow)
    try:
        content = await sources.read(place)
    except SourceNotFound:
        return None
    return None if web and content.lstrip().startswith(b"<") else read_bindings(content, name=shown(place))


def _file_name(uri: str) -> str:
    if kind_of(uri) in {"path", "file"}:
        return PurePath(local_path(uri)).name
    return uri.rpartition("/")[2]


def _inline(store: Store | None) -> _Home:
    return _Home(store.uri(keys.REFERENCES) if store else _NOWHERE, inline=True)


def _of_shots(shot_list: ShotList, home: _Home) -> Iterator[_Wanted]:
    for number, shot in enumerate(shot_list.shots, 1):
        for index, reference in enumerate(shot.references):
            if names_shot(reference.url):
                continue
            place = f"shot {number} (shot_id {shot.label})"
            yield _Wanted(reference.url, place, f"references[{index}].url", home)


def _of_workflow(workflow: Workflow, home: _Home) -> Iterator[_Wanted]:
    for index, url in enumerate(workflow.reference_images):
        yield _Wanted(url, "the workflow", f"reference_images[{index}]", home)


async def _fetch_all(
    wanted: list[_Wanted], sources: SourceReader, name: str, known: tuple[Fault, ...]
) -> dict[tuple[str, _Home], ReferenceImage]:
    """Every picture by its url and the place that this is relative to, fetched once.

    Faults are told together with those that are known.
    """
    places: dict[tuple[str, _Home], _Wanted] = {}
    for one in wanted:
        places.setdefault((one.url, one.home), one)
    fetched = await asyncio.gather(*(_fetch(one, sources) for one in places.values()), return_exceptions=True)
    for found in fetched:
        if isinstance(found, BaseException):
            raise found
    results = dict(zip(places, fetched, strict=True))
    faults = [
        Fault(one.place, one.field, shown(one.url), found)
        for one in wanted
        if isinstance(found := results[one.url, one.home], str)
    ]
    if known or faults:
        raise ShotListFaults(name, (*known, *faults))
    return {one: picture for one, picture in results.items() if isinstance(picture, ReferenceImage)}


async def _fetch(wanted: _Wanted, sources: SourceReader) -> ReferenceImage | str:
    """The picture, or what is wrong with it."""
    try:
        uri = resolve(wanted.url, wanted.home.base, inline=wanted.home.inline)
        given = await sources.read(uri)
        content, suffix = await asyncio.to_thread(upright_png_or_jpeg, given, uri=shown(wanted.url))
    except (SourceNotFound, NotAPicture) as error:
        return f"{error.uri}: {error.reason}"
    return ReferenceImage(content, suffix, hashlib.sha256(given).hexdigest())
