"""Render a take again from a manifest, and compare its frames."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.command.farm_and_store import farm_addresses, option_store
from previs.command.output import write_error, write_json, write_line
from previs.errors import PlanRefused, PrevisError, StoreRefused
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.pictures.spill import remove_abandoned
from previs.planning.plan import PlannedTake
from previs.records.manifest import TakeEntry
from previs.records.takes import TakeRecord
from previs.rendering.compare import Comparison, compare_frames
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.rendering.rerender import find_take, plan_again, read_manifest_at, rerender, store_of_manifest
from previs.store import FolderStore, S3Store, Store
from previs.store.addresses import shown
from previs.text.visible import visible

SCHEMA: Final = "previs.rerender/1"
_PATIENCE_SECONDS: Final = 20.0
_FAILED: Final = 1
_COMPARED: Final[dict[Comparison, str]] = {
    "same bytes": "the same bytes as in the manifest",
    "same pixels": "the same pixels as in the manifest, in other bytes",
    "other pixels": "other pixels than in the manifest",
    "other bytes": "other bytes than in the manifest",
    "new": "not in the manifest",
}


@dataclass(frozen=True, slots=True)
class RerenderOrder:
    """Hold the options of ``previs rerender``; see its help.

    Attributes:
        take: Number of the take; None for what stands for the shot.
        pass_name: Name of the pass; empty for a take.
        store: Path, URL or block of the store; None for the store that holds the manifest.
    """

    manifest: str
    shot: str
    take: int | None = None
    farm: tuple[str, ...] = ()
    store: str | None = None
    render_seconds: float | None = None
    pass_name: str = ""
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Rendered:
    """Hold the new record of the take.

    Attributes:
        comparisons: Comparison of each frame with the manifest's.
    """

    record: TakeRecord
    comparisons: Sequence[Comparison]
    store: Store


async def rerender_take(order: RerenderOrder) -> int:
    """Render the take, print where its frames are and how they compare, and return the exit code.

    Raises:
        SourceNotFound, SourceUnavailable, RecordUnreadable: The manifest cannot be read.
        NotInStore: The manifest has no such shot, take or pass, or the store lacks the take's input pictures.
        WorkflowFaults, PlanRefused: The take's inputs are unknown, or no server has what it needs.
        StoreRefused, StoreUnavailable, FarmRefused: The store or the farm cannot be used.
    """
    await asyncio.to_thread(remove_abandoned)
    async with AsyncExitStack() as opened:
        addresses = await farm_addresses(order.farm)
        store: S3Store | FolderStore | None = None
        if order.store is not None:
            store = await option_store(order.store)
            await opened.enter_async_context(store)
        sources = await opened.enter_async_context(SourceReader.for_store(store))
        manifest, uri = await read_manifest_at(order.manifest, sources)
        name = shown(uri)
        shot, entry = find_take(manifest, order.shot, order.take, name=name, pass_name=order.pass_name)
        if store is None:
            store = await _home(uri)
            await opened.enter_async_context(store)
        take = await plan_again(manifest, shot, entry, store, name=name)
        await store.check()
        farm = await opened.enter_async_context(Farm(addresses, patience=_PATIENCE_SECONDS, warn=write_error))
        leases = await opened.enter_async_context(Leases(store, f"rerender-{uuid.uuid4()}"))
        context = RunContext(
            farm, store, sources, Limits(order.render_seconds), RunProgress(), leases, InputAssets(store)
        )
        try:
            record = await rerender(
                take, context, _Progress(), lambda error: write_error(f"{error}; trying again at once")
            )
        except PlanRefused:
            raise
        except PrevisError as error:
            _fail(order, name, take, error)
            return _FAILED
        rendered = _Rendered(record, await compare_frames(entry.frames, record.frames, store), store)
    if order.as_json:
        write_json(_heading(name, take) | _as_json(rendered, entry))
    else:
        _print(rendered, take, entry)
        write_error("its record is replaced, as by a refresh: the next run renders again what builds on changed frames")
    return 0


async def _home(uri: str) -> S3Store | FolderStore:
    root = store_of_manifest(uri)
    if root is None:
        raise StoreRefused(f"the store of {shown(uri)}", "the manifest is not inside a store: give --store")
    return await option_store(root)


class _Progress:
    """Log each change of the render's phase."""

    def __init__(self) -> None:
        self._phase: Phase | None = None

    def __call__(self, server: str, state: PromptState) -> None:
        if state.phase is not self._phase:
            self._phase = state.phase
            write_error(f"{state.phase.value} on {server}, prompt {state.prompt_id}")


def _fail(order: RerenderOrder, name: str, take: PlannedTake, error: PrevisError) -> None:
    if order.as_json:
        write_json(_heading(name, take) | {"error": str(error)})
    else:
        write_error(f"{visible(take.label)} failed: {error}")


def _heading(name: str, take: PlannedTake) -> dict[str, Any]:
    facts = {
        "shot_id": take.shot.shot_id,
        "take": take.number,
        "pass": take.pass_name or None,
        "fingerprint": take.fingerprint,
        "seed": take.seed,
    }
    return {"schema": SCHEMA, "manifest": name, **facts}


def _as_json(rendered: _Rendered, entry: TakeEntry) -> dict[str, Any]:
    excluded = {"schema_name", "fingerprint", "seed", "frames"}
    record = rendered.record.model_dump(mode="json", by_alias=True, exclude=excluded)
    frames = [
        frame.model_dump(mode="json", exclude={"thumbnail"})
        | {"place": rendered.store.uri(frame.key), "likeness": like}
        for frame, like in zip(rendered.record.frames, rendered.comparisons, strict=True)
    ]
    return record | {"frames": frames, "frames_before": len(entry.frames)}


def _print(rendered: _Rendered, take: PlannedTake, entry: TakeEntry) -> None:
    record = rendered.record
    lines = [f"{take.label}: rendered again on {record.server} in {record.seconds:.1f} s"]
    compared = zip(record.frames, rendered.comparisons, strict=True)
    lines += [f"{rendered.store.uri(frame.key)}: {_COMPARED[comparison]}" for frame, comparison in compared]
    if len(entry.frames) > len(record.frames):
        lines.append(f"the manifest has {len(entry.frames)} frames of it")
    if take.fingerprint != entry.fingerprint:
        lines.append("this version of previs gives its graph another fingerprint than the manifest")
    for line in lines:
        write_line(line)
