"""Load the inputs of a run: the shot list, the workflow, and the pictures they refer to."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol

from previs.comfyui.protocol.classes import NodeClass, merge_classes
from previs.errors import AccessDenied, Fault, NotAPicture, ShotListFaults, SourceNotFound, SourceUnavailable, TryAgain
from previs.ingest import decoding
from previs.ingest.reader import SourceReader
from previs.pictures import workflow_in
from previs.pictures.spill import MOST_BYTES, SpillFolder
from previs.planning.plan import ReferenceImage
from previs.shots import Chains, Notation, ShotList, names_shot, plain_json, read_chains, read_shot_list
from previs.shots.chains import shot_place
from previs.store import Store, keys
from previs.store.addresses import base_of, kind_of, local_path, resolve, sheet_export, shown, stem_of
from previs.store.credentials import without_credentials
from previs.store.links import REFUSAL, leads_out
from previs.workflow import BindingsFile, Workflow, WorkflowSettings, bindings_name, open_workflow, read_bindings

DEFAULT_WORKFLOW = WorkflowSettings(checkpoint="sd_xl_base_1.0.safetensors")
INLINE_LIST = "the shot list"
INLINE_WORKFLOW = "the workflow settings"
_FETCHES_AT_ONCE = 16
_TOO_MUCH = f"the references of a run may have {MOST_BYTES // 1_000_000:,} MB together: use fewer or smaller ones"
_NO_BASE = "data:"
# Thousands of pictures from S3 take minutes; as many that arrive one byte at a time would take days.
_PICTURES_SECONDS = 3600.0
_START_BYTES = 1_000
_NOT_SHARED = 'Google asks for a login: share the sheet with "anyone with the link", or download it as .xlsx'
_NEEDS_SERVER = (
    "is in the format of ComfyUI's editor, and a server's node classes are needed to read it: start a server, "
    'name one that is up, or export the graph with "Export (API)"'
)


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Hold the inputs of a run, all of them loaded.

    Attributes:
        name: Name of the board unless the run sets one: the list's title, or its file's name.
        workflow_facts: Workflow as given, for the record, without credentials: settings, or the path or URL of a graph.
        pictures: Pictures of the shots' references, by their ``url``.
        workflow_pictures: Pictures of the workflow's ``reference_images``, in their order.
        notices: Sentences on what was given and nothing uses, besides fields of the list.
    """

    name: str
    shot_list: ShotList
    workflow: Workflow
    workflow_facts: dict[str, Any] | str
    pictures: Mapping[str, ReferenceImage]
    workflow_pictures: tuple[ReferenceImage, ...]
    notices: tuple[str, ...] = ()


class ClassLookup(Protocol):
    """Look up node classes on servers."""

    async def __call__(self, names: Collection[str], *, needed: bool) -> Mapping[str, Mapping[str, NodeClass | None]]:
        """Return node classes by server and name, None for one that it lacks; if ``needed``, wait for a server."""


@dataclass(frozen=True, slots=True)
class _Base:
    """Hold the base of relative names in a list or workflow.

    Attributes:
        uri: Path or URL of the folder.
        inline: Whether the list or workflow was sent inline, and so may name no local file outside the folder.
        sender: Whether what the list or workflow names counts as named by a sender.
        beside: URL of the operator whose host a sender's names may reach too.
    """

    uri: str
    inline: bool
    sender: bool = False
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class _PictureRequest:
    """Identify a picture and the part of the input that refers to it."""

    url: str
    place: str
    field: str
    base: _Base


async def load_inputs(
    shots: object,
    workflow: object,
    reader: SourceReader,
    store: Store | None,
    look_up: ClassLookup,
    *,
    folder: str | None = None,
    of_senders: Collection[str] = (),
) -> RunInputs:
    """Read the list, then the workflow, then every picture, each once.

    Args:
        shots: Shot list (a model, or as JSON), or its path or URL.
        workflow: Settings, a graph, or the path or URL of either.
        reader: Reader for paths and URLs.
        store: Store with the references of an inline list; without one such a list may use no relative names.
        look_up: Look-up for the workflow's node classes.
        folder: Folder of relative names, if this program itself made the inline list or workflow, which then may name
            any local file; None for lists and workflows that somebody sent.
        of_senders: ``shots``, ``workflow``, both or none: which of them a sender gave, so that its addresses, and those
            that it names, reach what :mod:`previs.ingest.access` allows.

    Raises:
        NoServer, AccessDenied: The workflow is in the format of ComfyUI's editor, and no server could be asked for its
            node classes.
        ShotListFaults, WorkflowFaults: The list or the workflow has faults; every fault is reported. Unusable pictures
            are faults of the list.
        SourceNotFound, SourceUnavailable: The list or workflow cannot be read.
    """
    inline = _inline(store) if folder is None else _Base(folder, inline=False)
    shot_list, list_base = await _read_list(shots, reader, store, replace(inline, sender="shots" in of_senders))
    bound, facts, workflow_base = await _read_workflow(
        workflow, reader, look_up, replace(inline, sender="workflow" in of_senders)
    )
    of_shots = await asyncio.to_thread(lambda: list(_of_shots(shot_list, list_base)))
    of_workflow = list(_of_workflow(bound, workflow_base))
    name = shown(shots) if isinstance(shots, str) else INLINE_LIST
    chains = await asyncio.to_thread(read_chains, shot_list)
    try:
        async with asyncio.timeout(_PICTURES_SECONDS):
            pictures = await _fetch_all([*of_shots, *of_workflow], reader, name, chains)
    except TimeoutError as error:
        raise SourceUnavailable(name, f"reading its pictures took longer than {_PICTURES_SECONDS:g} s") from error
    return RunInputs(
        name=shot_list.title or (stem_of(shots) if isinstance(shots, str) else "") or "storyboard",
        shot_list=shot_list,
        workflow=bound,
        workflow_facts=facts,
        pictures={each.url: pictures[each.url, each.base] for each in of_shots},
        workflow_pictures=tuple(pictures[each.url, each.base] for each in of_workflow),
    )


async def _read_list(shots: object, reader: SourceReader, store: Store | None, inline: _Base) -> tuple[ShotList, _Base]:
    if not isinstance(shots, str):
        return await asyncio.to_thread(read_inline_list, shots), inline
    shot_list = await read_list_at(shots, reader, sender=inline.sender)
    # A list that was stored because it was too large to send inline is still an inline list.
    offloaded = store is not None and shots.startswith(store.uri(keys.LISTS))
    base = _inline(store) if offloaded else _base_at(shots, inline)
    return shot_list, replace(base, sender=inline.sender or base.sender)


async def read_list_at(uri: str, reader: SourceReader, *, sender: bool = False) -> ShotList:
    """Read a list by its path or URL; of a Google sheet, read its CSV.

    Raises:
        ShotListFaults: The list has faults.
        SourceNotFound, SourceUnavailable: It cannot be read.
    """
    export = sheet_export(uri)
    content = await reader.read(export or uri, sender=sender)
    if export and content[:_START_BYTES].lstrip().startswith(b"<"):
        raise SourceNotFound(shown(uri), _NOT_SHARED)
    media: Notation | None = "csv" if export else None
    return await asyncio.to_thread(read_shot_list, content, name=shown(uri), media=media)


def read_inline_list(shots: object) -> ShotList:
    """Read a list that was sent as models or as JSON.

    Raises:
        ShotListFaults: The list has faults.
    """
    return read_shot_list(plain_json(shots), name=INLINE_LIST)


async def _read_workflow(
    workflow: object, reader: SourceReader, look_up: ClassLookup, inline: _Base
) -> tuple[Workflow, dict[str, Any] | str, _Base]:
    if not isinstance(workflow, str):
        plain = await asyncio.to_thread(plain_json, workflow)
        return await _bind(plain, INLINE_WORKFLOW, look_up), without_credentials(plain), inline
    bound = await read_workflow_at(workflow, reader, look_up, sender=inline.sender)
    return bound, shown(workflow), _base_at(workflow, inline)


def _base_at(uri: str, given: _Base) -> _Base:
    """Return the base of a document; one from the web is nobody's own, and what it names is a sender's."""
    if kind_of(uri) == "http" and not given.sender:
        return _Base(base_of(uri), inline=False, sender=True, beside=uri)
    return _Base(base_of(uri), inline=False, sender=given.sender)


async def read_workflow_at(uri: str, reader: SourceReader, look_up: ClassLookup, *, sender: bool = False) -> Workflow:
    """Read a workflow's file by its path or URL, with the bindings file beside it if there is one.

    Args:
        uri: Path or URL.
        reader: Reader for paths and URLs.
        look_up: Look-up for the workflow's node classes.
        sender: Whether a sender named the file.

    Raises:
        WorkflowFaults, SourceNotFound, SourceUnavailable, NoServer, AccessDenied: As in :func:`load_inputs`.
    """
    name = shown(uri)
    content = await asyncio.to_thread(workflow_in, await reader.read(uri, sender=sender), name=name)
    return await _bind(content, name, look_up, await _bindings_beside(uri, reader, sender=sender))


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


async def _bindings_beside(workflow: str, reader: SourceReader, *, sender: bool) -> BindingsFile | None:
    """Read the bindings file beside a graph, if there is one.

    A web server may answer with an HTML page for a file that it does not have. A signed URL is valid for one name only,
    so no other name is requested beside it.
    """
    web = kind_of(workflow) == "http"
    if kind_of(workflow) == "data" or (web and "?" in workflow):
        return None
    uri = bindings_uri(workflow)
    try:
        content = await reader.read(uri, sender=sender)
    except SourceNotFound:
        return None
    if web and content[:_START_BYTES].lstrip().startswith(b"<"):
        return None
    return await asyncio.to_thread(read_bindings, content, name=shown(uri))


def _file_name(uri: str) -> str:
    if kind_of(uri) in {"path", "file"}:
        return PurePath(local_path(uri)).name
    return uri.rpartition("/")[2]


def _inline(store: Store | None) -> _Base:
    return _Base(store.uri(keys.REFERENCES) if store else _NO_BASE, inline=True)


def _of_shots(shot_list: ShotList, base: _Base) -> Iterator[_PictureRequest]:
    for number, shot in enumerate(shot_list.shots, 1):
        for index, reference in enumerate(shot.references):
            if not names_shot(reference.url):
                place = shot_place(number, shot)
                yield _PictureRequest(reference.url, place, f"references[{index}].url", base)


def _of_workflow(workflow: Workflow, base: _Base) -> Iterator[_PictureRequest]:
    for index, url in enumerate(workflow.reference_images):
        yield _PictureRequest(url, "the workflow", f"reference_images[{index}]", base)


async def _fetch_all(
    requests: list[_PictureRequest], reader: SourceReader, name: str, chains: Chains
) -> dict[tuple[str, _Base], ReferenceImage]:
    """Return every picture by its URL and base, each fetched once.

    Raises:
        ShotListFaults: The chains have faults, or pictures cannot be used; all of them are reported together.
    """
    unique = {(each.url, each.base): each for each in requests}
    spill, slots = SpillFolder(), asyncio.Semaphore(_FETCHES_AT_ONCE)
    fetched = await asyncio.gather(
        *(_fetch(each, reader, spill, slots) for each in unique.values()), return_exceptions=True
    )
    for result in fetched:
        if isinstance(result, BaseException):
            raise result
    results = dict(zip(unique, fetched, strict=True))
    faults = [
        Fault(each.place, each.field, shown(each.url), remedy)
        for each in requests
        if isinstance(remedy := results[each.url, each.base], str)
    ]
    if chains.faults or faults:
        raise ShotListFaults(name, (*chains.faults, *faults), chains.more)
    return {key: picture for key, picture in results.items() if isinstance(picture, ReferenceImage)}


async def _fetch(
    request: _PictureRequest, reader: SourceReader, spill: SpillFolder, slots: asyncio.Semaphore
) -> ReferenceImage | str:
    """Return the picture, or the reason why it cannot be used."""
    original, file = spill.new(), spill.new()
    try:
        uri = resolve(request.url, request.base.uri, inline=request.base.inline)
        if request.base.inline and kind_of(uri) in {"path", "file"}:
            await asyncio.to_thread(_refuse_link_out, uri, request.base.uri)
        async with slots:
            with original.path.open("w+b") as content:
                await reader.save(uri, content, sender=request.base.sender, beside=request.base.beside)
            sha256 = await asyncio.to_thread(original.digest)
            suffix = await decoding.upright(original.path, file.path, uri=shown(request.url))
        if not spill.has_room(file):
            return f"{shown(request.url)}: {_TOO_MUCH}"
    except (SourceNotFound, NotAPicture) as error:
        return f"{error.uri}: {error.reason}"
    except OSError as error:
        reason = f"it cannot be kept in the temporary folder {original.path.parent}: {error.strerror}"
        raise SourceUnavailable(shown(request.url), reason) from error
    finally:
        original.path.unlink(missing_ok=True)
    return ReferenceImage(file, suffix, sha256)


def _refuse_link_out(uri: str, folder: str) -> None:
    """Refuse a picture of an inline list that is outside the folder of its references.

    Raises:
        SourceNotFound: A symbolic link leads out of the folder.
    """
    if leads_out(local_path(uri), local_path(folder)):
        raise SourceNotFound(shown(uri), REFUSAL)
