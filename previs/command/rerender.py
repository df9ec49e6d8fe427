"""Render a take again as a manifest has it, and say what came of it."""

import sys
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.command.output import printable, write_json
from previs.command.places import servers_of, store_of
from previs.errors import PlanRefused, PrevisError, StoreRefused
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader, shown
from previs.planning.plan import PlannedTake
from previs.records.manifest import TakeEntry
from previs.records.takes import Frame, TakeRecord
from previs.rendering.compare import Comparison, compare_frames
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.rendering.rerender import find_take, plan_again, read_manifest_at, rerender, store_of_manifest
from previs.store import FolderStore, S3Store, Store

SCHEMA: Final = "previs.rerender/1"
_PATIENCE_SECONDS: Final = 20.0
_FAILED: Final = 1
_AGAINST_MANIFEST: Final[dict[Comparison, str]] = {
    "same bytes": "the same bytes as in the manifest",
    "same pixels": "the same pixels as in the manifest, in other bytes",
    "other pixels": "other pixels than in the manifest",
    "other bytes": "other bytes than in the manifest",
    "new": "not in the manifest",
}


@dataclass(frozen=True, slots=True)
class RerenderOrder:
    """What a person asked for; see the command's help.

    Attributes:
        take: none is the one that stands for the shot.
        store: none is the one that the manifest lies in.
    """

    manifest: str
    shot: str
    take: int | None = None
    farm: tuple[str, ...] = ()
    store: str | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of it.

    Attributes:
        like: what each frame is to the one in the manifest.
    """

    record: TakeRecord
    like: Sequence[Comparison]
    store: Store


async def rerender_take(order: RerenderOrder) -> int:
    """Render it, and print where its frames are and whether they are those of the manifest.

    Returns:
        What the command exits with: 0, or 1 if the render failed.

    Raises:
        SourceNotFound, SourceTrouble, RecordUnreadable: the manifest cannot be read.
        NotInStore: it has no such shot or take, or the store has not the pictures that the take was made from.
        WorkflowFaults, PlanRefused: what the take was made from is not known, or no server has what it needs.
        StoreRefused, StoreTrouble, FarmRefused: the store or the farm cannot be used.
    """
    async with AsyncExitStack() as opened:
        addresses = await servers_of(order.farm)
        store: S3Store | FolderStore | None = None
        if order.store is not None:
            store = await store_of(order.store)
            await opened.enter_async_context(store)
        sources = await opened.enter_async_context(SourceReader(store.settings if isinstance(store, S3Store) else None))
        manifest, place = await read_manifest_at(order.manifest, sources)
        name = shown(place)
        shot, entry = find_take(manifest, order.shot, order.take, name=name)
        if store is None:
            store = await _home(place)
            await opened.enter_async_context(store)
        take = await plan_again(manifest, shot, entry, store, name=name)
        await store.check()
        farm = await opened.enter_async_context(Farm(addresses, patience=_PATIENCE_SECONDS, say=_say))
        leases = await opened.enter_async_context(Leases(store, f"rerender-{uuid.uuid4()}"))
        context = RunContext(farm, store, sources, Limits(), RunProgress(), leases, InputAssets(store))
        try:
            record = await rerender(take, context, _Progress(), lambda error: _say(f"{error}; tried again at once"))
        except PlanRefused:
            raise
        except PrevisError as error:
            _fail(order, name, take, error)
            return _FAILED
        made = _Made(record, await compare_frames(entry.frames, record.frames, store), store)
    if order.as_json:
        write_json(_heading(name, take) | _as_json(made, entry))
    else:
        _print(made, take, entry)
        _say("its record is replaced, as by a refresh: the next run renders again what builds on other bytes of it")
    return 0


async def _home(place: str) -> S3Store | FolderStore:
    root = store_of_manifest(place)
    if root is None:
        raise StoreRefused(f"the store of {shown(place)}", "where the manifest lies does not tell it: give --store")
    return await store_of(root)


class _Progress:
    """Says where the render stands whenever that changes."""

    def __init__(self) -> None:
        self._told: Phase | None = None

    def __call__(self, server: str, life: PromptState) -> None:
        if life.phase is not self._told:
            self._told = life.phase
            _say(f"{life.phase.value} on {server}, prompt {life.prompt_id}")


def _say(sentence: str) -> None:
    sys.stderr.write(printable(sentence) + "\n")


def _fail(order: RerenderOrder, name: str, take: PlannedTake, error: PrevisError) -> None:
    if order.as_json:
        write_json(_heading(name, take) | {"error": str(error)})
    else:
        sys.stderr.write("\n".join(printable(line) for line in f"{take.label} failed: {error}".split("\n")) + "\n")


def _heading(name: str, take: PlannedTake) -> dict[str, Any]:
    facts = {"shot_id": take.shot.shot_id, "take": take.number, "fingerprint": take.fingerprint, "seed": take.seed}
    return {"schema": SCHEMA, "manifest": name, **facts}


def _as_json(made: _Made, entry: TakeEntry) -> dict[str, Any]:
    left_out = {"schema_name", "fingerprint", "seed", "frames"}
    record = made.record.model_dump(mode="json", by_alias=True, exclude=left_out)
    frames = [
        frame.model_dump(mode="json", exclude={"thumbnail"}) | {"place": made.store.uri(frame.key), "likeness": like}
        for frame, like in zip(made.record.frames, made.like, strict=True)
    ]
    return record | {"frames": frames, "frames_before": len(entry.frames)}


def _print(made: _Made, take: PlannedTake, entry: TakeEntry) -> None:
    console, record = Console(highlight=False), made.record
    lines = [f"{take.label}: rendered again on {record.server} in {record.seconds:.1f} s"]
    lines += [_line(frame, like, made.store) for frame, like in zip(record.frames, made.like, strict=True)]
    if len(entry.frames) > len(record.frames):
        lines.append(f"the manifest has {len(entry.frames)} frames of it")
    if take.fingerprint != entry.fingerprint:
        lines.append("this version of previs counts its graph as another take than the manifest does")
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)


def _line(frame: Frame, like: Comparison, store: Store) -> str:
    return f"{store.uri(frame.key)}: {_AGAINST_MANIFEST[like]}"
