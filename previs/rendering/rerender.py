"""Render a take again as a manifest has it: the very graph, with the pictures that the store has kept for it.

It is the same take, so its record in the store is replaced, as by a refresh: the next run shows the new frames, and
renders again what builds on them if their bytes are others. The old frames stay, and boards go on showing them.

A manifest may be a stranger's. Its graph is held against the rules of every graph, pictures are read by the hash of
their bytes alone, and the fingerprint under which the take is recorded is counted anew from the graph.
"""

import asyncio
import hashlib
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from previs.boards.runs import there_are
from previs.comfyui.protocol.graph import Graph, class_types, with_texts
from previs.errors import Fault, FrameDamaged, NotInStore, PrevisError, RecordUnreadable, WorkflowFaults
from previs.ingest.reader import SourceReader, shown
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
from previs.store.addresses import kind_of, local_path
from previs.workflow import checkpoint_of
from previs.workflow.formats.validation import graph_faults

# With its thumbnails a manifest of a thousand shots has some 20 MB.
_LARGEST: Final = 200_000_000
_MANIFEST: Final = "manifest.json"
_UPLOAD: Final = re.compile(rf"{UPLOAD_FOLDER}/(?P<shot>shot-)?(?P<hash>[0-9a-f]{{64}})(?P<suffix>\.png|\.jpg)")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_READINGS: Final = 1000


async def read_manifest_at(given: str, sources: SourceReader) -> tuple[Manifest, str]:
    """A manifest, and its place.

    Args:
        given: a path, ``s3://`` or ``https://`` address, or a folder that holds it, such as that of a pulled board.
        sources: to read it with.

    Raises:
        SourceNotFound, SourceTrouble: it cannot be read.
        RecordUnreadable: it is damaged, or of a later version.
    """
    place = await asyncio.to_thread(_place, given)
    content = await sources.read(place, limit=_LARGEST)
    return await asyncio.to_thread(read_manifest, content, name=shown(place)), place


def store_of_manifest(place: str) -> str | None:
    """The address of the store that a manifest lies in, if its own place in S3 or on disk tells."""
    match kind_of(place):
        case "s3":
            bucket, _, key = place[len("s3://") :].partition("/")
            root = _root([f"s3://{bucket}", *key.split("/")]) if bucket else None
        case "path" | "file":
            root = _root(Path(local_path(place)).resolve().as_posix().split("/"))
        case _:
            return None
    return root


def find_take(manifest: Manifest, shot_id: str, number: int | None, *, name: str) -> tuple[ShotEntry, TakeEntry]:
    """A take of a shot; without a number the one that stands for the shot.

    Args:
        manifest: where to look.
        shot_id: as text.
        number: of the take.
        name: of the manifest in a person's words.

    Raises:
        NotInStore: there is no such shot or take; what there is follows.
    """
    shot = next((each for each in manifest.shots if _folded(each.shot_id) == _folded(shot_id)), None)
    if shot is None:
        raise NotInStore(name, f"shot {shot_id!r}", there_are(shot_id, [str(each.shot_id) for each in manifest.shots]))
    numbered = (each for each in shot.takes if each.take == number)
    take = shot.shown if number is None else next(numbered, None)
    if take is None:
        wanted = "take" if number is None else f"take {number}"
        there = ", ".join(f"take {each.take}" for each in shot.takes) or "none"
        raise NotInStore(name, f"{wanted} of shot {shot_id!r}", f"there is {there}")
    return shot, take


async def plan_again(manifest: Manifest, shot: ShotEntry, take: TakeEntry, store: Store, *, name: str) -> PlannedTake:
    """The take, ready to be rendered once more, with prompts that no server knows yet.

    Args:
        manifest: that has the take.
        shot: of the take.
        take: of the manifest.
        store: that has the pictures which the take was made from.
        name: of the manifest in a person's words.

    Raises:
        WorkflowFaults: no server would run its graph, or the manifest does not say where the pictures of it are.
        RecordUnreadable: what the manifest says of it cannot be.
        NotInStore, FrameDamaged: a picture is gone from the store, or is another one.
        StoreRefused, StoreTrouble: the store cannot be read.
    """
    label = take_label(str(shot.shot_id), take.take)
    graph = _graph(manifest, take, f"{label} in {name}")
    if take.seed is None:
        raise RecordUnreadable(name, f"{label} has no seed")
    contents = {each.name: await _content(each, label, store, name) for each in take.inputs}
    frames = {each.name: _frame(each) for each in take.inputs if _is_frame(each)}
    sources = _sources(manifest, take, graph)
    return PlannedTake(
        shot=_shot(shot, name),
        number=take.take,
        graph=graph,
        seed=take.seed,
        fingerprint=_counted(graph, sources),
        pictures={each: _picture(each, content) for each, content in contents.items() if each not in frames},
        checkpoint=checkpoint_of(graph),
        frames=frames,
        sources={mark: frames[used].sha256 for used, mark in sources.items()},
        render_nonce=f"rerender {uuid.uuid4()}",
    )


async def rerender(
    take: PlannedTake,
    context: RunContext,
    on_change: OnChange = lambda *_: None,
    on_retry: Callable[[PrevisError], None] = lambda _: None,
) -> TakeRecord:
    """Render it, and replace its record.

    Args:
        take: from :func:`plan_again`.
        context: its store is the one that keeps the frames.
        on_change: is told the server's name and the prompt's life whenever that changes.
        on_retry: Receives each error that another attempt makes up for.

    Raises:
        PlanRefused: no server has what it needs; nothing was posted.
        PrevisError: it failed.
    """
    servers = await context.farm.classes(class_types([take.graph]), needed=True)
    await context.farm.capabilities.expect([take.graph])
    away = [server.name for server in context.farm.servers if server.name not in servers]
    reasons = {name: f"{name} could not be asked" for name in away}
    check_plan([take], servers, {}, unreachable=reasons).raise_for_errors()
    return await TakeDispatcher(take, context).render(on_change, on_retry)


def _place(given: str) -> str:
    if kind_of(given) not in {"path", "file"}:
        return given
    try:
        path = Path(local_path(given))
        return str(path / _MANIFEST) if path.is_dir() else given
    except OSError:
        # Whoever reads it says why it cannot be read.
        return given


def _root(steps: Sequence[str]) -> str | None:
    match steps:
        case [first, *above, "boards", _, _, name] if name == _MANIFEST:
            return "/".join([first, *above]) or "/"
    return None


def _folded(shot_id: int | str) -> str:
    return unicodedata.normalize("NFC", str(shot_id))


def _graph(manifest: Manifest, take: TakeEntry, name: str) -> Graph:
    """The take's graph, if a server could run it with the pictures that the manifest names."""
    if not take.graph:
        raise RecordUnreadable(name, "there is no graph of it")
    if faults := graph_faults(take.graph):
        raise WorkflowFaults(name, tuple(faults))
    graph: Graph = take.graph
    try:
        fingerprint(graph)
    except ValueError as error:
        fault = Fault("the graph", "", "", "a number in it is none (NaN or infinite)")
        raise WorkflowFaults(name, (fault,)) from error
    if missing := tuple(_without_picture(manifest, take, graph)):
        raise WorkflowFaults(name, missing)
    return graph


def _without_picture(manifest: Manifest, take: TakeEntry, graph: Graph) -> Iterator[Fault]:
    """The inputs that name a picture of which the manifest does not say where it is."""
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
            take_label(str(shot.shot_id), each.take) for shot, each in takes if each.fingerprint == picture["hash"]
        )
        reason = f"the frame of {next(owners, 'another shot')} comes here"
        return reason if take.frames else f"{reason}, and {end}"
    if take.frames:
        return "the manifest does not say where this picture is kept, as none did before version 2"
    return f"{end}, and its pictures were not kept"


def _takes(manifest: Manifest) -> Iterator[tuple[ShotEntry, TakeEntry]]:
    return ((shot, take) for shot in manifest.shots for take in shot.takes)


async def _content(picture: InputPicture, label: str, store: Store, name: str) -> bytes:
    """The bytes of a picture that a take was made from; where they lie follows from their hash."""
    found, suffix = _UPLOAD.fullmatch(picture.name), Path(picture.key).suffix
    homes = (keys.input_key(picture.sha256, suffix), keys.frame_key(picture.sha256, suffix))
    if found is None or found["shot"] or not _SHA256.fullmatch(picture.sha256) or picture.key not in homes:
        raise RecordUnreadable(name, f"{label}: {picture.key!r} is no place of a picture {picture.name!r}")
    content = await store.get(picture.key)
    if content is None:
        remedy = "run the shot list again, with its references"
        raise NotInStore(store.name, f"{picture.key}, from which {label} was made", remedy)
    if await asyncio.to_thread(_sha256, content) != picture.sha256:
        raise FrameDamaged(picture.key, f"in {store.name} are other bytes than those that {label} was made from")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_frame(picture: InputPicture) -> bool:
    return picture.key.startswith(keys.FRAMES)


def _frame(picture: InputPicture) -> Frame:
    media_type = "image/jpeg" if picture.name.endswith(".jpg") else "image/png"
    return Frame(key=picture.key, sha256=picture.sha256, size=picture.size, media_type=media_type)


def _picture(name: str, content: bytes) -> ReferenceImage:
    file = Path(name)
    return ReferenceImage(content, file.suffix, file.stem)


def _sources(manifest: Manifest, take: TakeEntry, graph: Graph) -> dict[str, str]:
    """The fingerprints of the takes whose frames it builds on, by the names that the graph has for these frames.

    A manifest says whose bytes they are; where equal frames leave a choice, the take's own fingerprint makes it. Frames
    of no take of the manifest are pictures like any other.
    """
    found = {each.name: _makers(manifest, each.sha256) for each in take.inputs if _is_frame(each)}
    makers = {name: marks for name, marks in found.items() if marks}
    choices = islice(product(*makers.values()), _MOST_READINGS)
    readings = [dict(zip(makers, each, strict=True)) for each in choices]
    meant = (each for each in readings if _counted(graph, each) == take.fingerprint)
    return next(meant, readings[0])


def _makers(manifest: Manifest, sha256: str) -> list[str]:
    """Fingerprints of the takes that made a frame."""
    found = [take.fingerprint for _, take in _takes(manifest) if any(frame.sha256 == sha256 for frame in take.frames)]
    return list(dict.fromkeys(found))


def _counted(graph: Graph, sources: Mapping[str, str]) -> str:
    """The fingerprint of a graph, in which the takes that it builds on stand for their frames."""
    return fingerprint(with_texts(graph, {name: TakeFrame("", 0, mark).name for name, mark in sources.items()}))


def _shot(shot: ShotEntry, name: str) -> Shot:
    try:
        return Shot(shot_id=shot.shot_id, prompt=shot.prompt, duration=shot.duration)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordUnreadable(name, f"shot {shot.shot_id!r}: {where}: {first['msg']}") from error
