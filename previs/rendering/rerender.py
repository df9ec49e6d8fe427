"""Render a take of a manifest again: the same graph, with the pictures that the store has kept for it.

The take's record in the store is replaced, as by a refresh: the next run shows the new frames, and renders again what
builds on them if their bytes differ. The old frames stay, and older boards go on showing them.

A manifest is untrusted input. Its graph is validated like any graph, pictures are found by the hash of their bytes
alone, and the take's fingerprint is computed from the graph.
"""

import asyncio
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from previs.boards.runs import list_names
from previs.comfyui.protocol.graph import Graph, class_types, with_texts
from previs.errors import Fault, NotInStore, PrevisError, RecordUnreadable, WorkflowFaults
from previs.ingest.reader import SourceReader
from previs.ingest.stored_files import spill_stored
from previs.pictures.spill import SpilledFile, SpillFolder
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import UPLOAD_FOLDER, PlannedTake, ReferenceImage, TakeFrame, take_label
from previs.planning.preflight import check_plan
from previs.records.manifest import Manifest, ShotEntry, TakeEntry, read_manifest
from previs.records.takes import Frame, InputPicture, TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.render import OnChange
from previs.shots import Shot
from previs.store import Store, keys
from previs.store.addresses import kind_of, local_path, shown
from previs.store.bounds import MANIFEST_BYTES
from previs.workflow import checkpoint_of
from previs.workflow.formats.validation import graph_faults

_MANIFEST: Final = "manifest.json"
_UPLOAD: Final = re.compile(rf"{UPLOAD_FOLDER}/(?P<shot>shot-)?(?P<hash>[0-9a-f]{{64}})(?P<suffix>\.png|\.jpg)")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_READINGS: Final = 1000


async def read_manifest_at(uri: str, reader: SourceReader) -> tuple[Manifest, str]:
    """Read a manifest, and return it with its path or URL.

    Args:
        uri: Path or URL (``s3://``, ``https://``) of the manifest, or of a folder that holds it.
        reader: Reads it.

    Raises:
        SourceNotFound, SourceUnavailable: It cannot be read.
        RecordUnreadable: It is damaged, or of a later version.
    """
    uri = await asyncio.to_thread(_manifest_in, uri)
    content = await reader.read(uri, limit=MANIFEST_BYTES)
    return await asyncio.to_thread(read_manifest, content, name=shown(uri)), uri


def store_of_manifest(uri: str) -> str | None:
    """Return the path or URL of the store that holds a manifest in S3 or on disk; None if it is elsewhere."""
    match kind_of(uri):
        case "s3":
            bucket, _, key = uri[len("s3://") :].partition("/")
            root = _root([f"s3://{bucket}", *key.split("/")]) if bucket else None
        case "path" | "file":
            root = _root(Path(local_path(uri)).resolve().as_posix().split("/"))
        case _:
            return None
    return root


def find_take(
    manifest: Manifest, shot_id: str, number: int | None, *, name: str, pass_name: str = ""
) -> tuple[ShotEntry, TakeEntry]:
    """Return a take or a pass of a shot; without a number or a name, what the board shows.

    Args:
        manifest: Where to look.
        shot_id: The shot's id as text.
        number: The take's number.
        name: The manifest's name for people.
        pass_name: Name of the pass; empty for a take.

    Raises:
        NotInStore: The manifest has no such shot, take or pass.
    """
    shot = next((each for each in manifest.shots if _folded(each.shot_id) == _folded(shot_id)), None)
    if shot is None:
        raise NotInStore(name, f"shot {shot_id!r}", list_names(shot_id, [str(each.shot_id) for each in manifest.shots]))
    if pass_name:
        folded = pass_name.casefold()
        take: TakeEntry | None = next((each for each in shot.passes if each.name.casefold() == folded), None)
    else:
        take = shot.shown if number is None else shot.render_of(number)
    if take is None:
        wanted = f"pass {pass_name!r}" if pass_name else "take" if number is None else f"take {number}"
        there = ", ".join(each.pass_name or f"take {each.take}" for each in shot.renders) or "none"
        raise NotInStore(name, f"{wanted} of shot {shot_id!r}", f"there is {there}")
    return shot, take


async def plan_again(manifest: Manifest, shot: ShotEntry, take: TakeEntry, store: Store, *, name: str) -> PlannedTake:
    """Plan the take to be rendered once more, with prompt ids that no server knows yet.

    Args:
        manifest: Manifest of the take.
        shot: The take's shot.
        take: The take.
        store: Store of the pictures that the take was made from.
        name: The manifest's name for people.

    Raises:
        WorkflowFaults: No server would run its graph, or the manifest does not say where its pictures are.
        RecordUnreadable: The manifest contradicts itself.
        NotInStore, FrameDamaged: A picture is missing from the store, or has other bytes.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    label = take_label(str(shot.shot_id), take.take, take.pass_name)
    graph = _graph(manifest, take, f"{label} in {name}")
    if take.seed is None:
        raise RecordUnreadable(name, f"{label} has no seed")
    spill = SpillFolder()
    files = {each.name: await _fetch(each, label, store, name, spill) for each in take.inputs}
    frames = {each.name: _frame(each) for each in take.inputs if _is_frame(each)}
    sources = _sources(manifest, take, graph)
    return PlannedTake(
        shot=_shot(shot, name),
        number=take.take,
        pass_name=take.pass_name,
        graph=graph,
        seed=take.seed,
        fingerprint=_fingerprint(graph, sources),
        pictures={each: _picture(each, file) for each, file in files.items() if each not in frames},
        checkpoint=checkpoint_of(graph),
        frames=frames,
        sources={source: frames[name].sha256 for name, source in sources.items()},
        render_nonce=f"rerender {uuid.uuid4()}",
    )


async def rerender(
    take: PlannedTake,
    context: RunContext,
    on_change: OnChange = lambda *_: None,
    on_retry: Callable[[PrevisError], None] = lambda _: None,
) -> TakeRecord:
    """Render a take, and replace its record.

    Args:
        take: From :func:`plan_again`.
        context: Context whose store keeps the frames.
        on_change: Receives the server's name and the prompt's state whenever that changes.
        on_retry: Receives each error that another attempt makes up for.

    Raises:
        PlanRefused: No server has what it needs; nothing was posted.
        PrevisError: It failed.
    """
    servers = await context.farm.classes(class_types([take.graph]), needed=True)
    await context.farm.capabilities.expect([take.graph])
    away = [server.name for server in context.farm.servers if server.name not in servers]
    reasons = {name: f"{name} could not be asked" for name in away}
    check_plan([take], servers, {}, unreachable=reasons).raise_for_errors()
    return await TakeDispatcher(take, context).render(on_change, on_retry)


def _manifest_in(uri: str) -> str:
    if kind_of(uri) not in {"path", "file"}:
        return uri
    try:
        path = Path(local_path(uri))
        return str(path / _MANIFEST) if path.is_dir() else uri
    except OSError:
        # The reader will say why it cannot be read.
        return uri


def _root(steps: Sequence[str]) -> str | None:
    match steps:
        case [first, *above, "boards", _, _, name] if name == _MANIFEST:
            return "/".join([first, *above]) or "/"
    return None


def _folded(shot_id: int | str) -> str:
    return unicodedata.normalize("NFC", str(shot_id))


def _graph(manifest: Manifest, take: TakeEntry, name: str) -> Graph:
    """Return the take's graph if a server could run it with the pictures that the manifest names."""
    if not take.graph:
        raise RecordUnreadable(name, "it holds no graph")
    if faults := graph_faults(take.graph):
        raise WorkflowFaults(name, tuple(faults))
    graph: Graph = take.graph
    try:
        fingerprint(graph)
    except ValueError as error:
        fault = Fault("the graph", "", "", "a number in it is NaN or infinite")
        raise WorkflowFaults(name, (fault,)) from error
    if missing := tuple(_without_picture(manifest, take, graph)):
        raise WorkflowFaults(name, missing)
    return graph


def _without_picture(manifest: Manifest, take: TakeEntry, graph: Graph) -> Iterator[Fault]:
    """Yield a fault for each input whose picture the manifest does not locate."""
    known = {each.name for each in take.inputs}
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            found = _UPLOAD.fullmatch(value) if isinstance(value, str) else None
            if found and value not in known:
                place = f"node {node_id} ({node['class_type']})"
                yield Fault(place, name, value, f"{_why_missing(manifest, take, found)}: run the shot list again")


def _why_missing(manifest: Manifest, take: TakeEntry, picture: re.Match[str]) -> str:
    ended = "was skipped" if take.outcome == "skipped" else "failed"
    end = f"the take {ended} ({take.error})" if take.error else f"the take {ended}"
    if picture["shot"]:
        takes = _takes(manifest)
        owners = (
            take_label(str(shot.shot_id), each.take, each.pass_name)
            for shot, each in takes
            if picture["hash"] in (each.fingerprint, each.planned_fingerprint)
        )
        reason = f"this input takes the frame of {next(owners, 'another shot')}"
        return reason if take.frames else f"{reason}, and {end}"
    if take.frames:
        return "the manifest does not say where this picture is kept; only version 2 and later do"
    return f"{end}, and its pictures were not kept"


def _takes(manifest: Manifest) -> Iterator[tuple[ShotEntry, TakeEntry]]:
    return ((shot, take) for shot in manifest.shots for take in shot.renders)


async def _fetch(picture: InputPicture, label: str, store: Store, name: str, spill: SpillFolder) -> SpilledFile:
    """Return a picture that a take was made from, in a temporary file; its key follows from its hash."""
    found, suffix = _UPLOAD.fullmatch(picture.name), Path(picture.key).suffix
    homes = (keys.input_key(picture.sha256, suffix), keys.frame_key(picture.sha256, suffix))
    if found is None or found["shot"] or not _SHA256.fullmatch(picture.sha256) or picture.key not in homes:
        raise RecordUnreadable(name, f"{label}: {picture.key!r} cannot be the key of picture {picture.name!r}")
    file = await spill_stored(store, picture, spill)
    if file is None:
        remedy = "run the shot list again, with its references"
        raise NotInStore(store.name, f"{picture.key}, from which {label} was made", remedy)
    if not spill.has_room(file):
        raise RecordUnreadable(name, f"the pictures that {label} was made from have more than {spill.most:,} bytes")
    return file


def _is_frame(picture: InputPicture) -> bool:
    return picture.key.startswith(keys.FRAMES)


def _frame(picture: InputPicture) -> Frame:
    media_type = "image/jpeg" if picture.name.endswith(".jpg") else "image/png"
    return Frame(key=picture.key, sha256=picture.sha256, size=picture.size, media_type=media_type)


def _picture(name: str, file: SpilledFile) -> ReferenceImage:
    return ReferenceImage(file, Path(name).suffix, Path(name).stem)


def _sources(manifest: Manifest, take: TakeEntry, graph: Graph) -> dict[str, str]:
    """Return the fingerprints of the takes whose frames it builds on, by the frames' names in the graph.

    If several takes made equal frames, the take's own fingerprint decides. A frame that no take of the manifest made is
    a picture like any other.
    """
    found = {each.name: _makers(manifest, each.sha256) for each in take.inputs if _is_frame(each)}
    makers = {name: fingerprints for name, fingerprints in found.items() if fingerprints}
    choices = islice(product(*makers.values()), _MOST_READINGS)
    readings = [dict(zip(makers, each, strict=True)) for each in choices]
    meant = (each for each in readings if _fingerprint(graph, each) == take.fingerprint)
    return next(meant, readings[0])


def _makers(manifest: Manifest, sha256: str) -> list[str]:
    """Return the fingerprints by which takes that build on a frame know those that made it."""
    makers = (take for _, take in _takes(manifest) if any(frame.sha256 == sha256 for frame in take.frames))
    return list(dict.fromkeys(take.planned_fingerprint for take in makers))


def _fingerprint(graph: Graph, sources: Mapping[str, str]) -> str:
    """Return the fingerprint of a graph in which the takes that it builds on stand for their frames."""
    return fingerprint(with_texts(graph, {name: TakeFrame("", 0, source).name for name, source in sources.items()}))


def _shot(shot: ShotEntry, name: str) -> Shot:
    try:
        return Shot(shot_id=shot.shot_id, prompt=shot.prompt, duration=shot.duration)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordUnreadable(name, f"shot {shot.shot_id!r}: {where}: {first['msg']}") from error
