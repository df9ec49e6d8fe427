"""Check what a run is made from before Prefect is started."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any, BinaryIO

from previs.comfyui.protocol.classes import NodeClass
from previs.errors import TryAgain
from previs.ingest.lists import read_inline_list
from previs.ingest.load import load_inputs
from previs.ingest.reader import LIMIT_BYTES, SourceReader
from previs.ingest.workflow_files import DEFAULT_WORKFLOW, read_workflow_at
from previs.notifications.events import is_ready
from previs.planning.make_plan import RunOptions, choose_shots, make_plan
from previs.planning.passes import choose_passes
from previs.shots import ShotList, read_shot_list
from previs.store import keys
from previs.store.addresses import kind_of, shown


async def check_inputs(shots: Any, workflow: str | None, options: RunOptions) -> None:  # noqa: ANN401 - any JSON
    """Report the faults of a run's inputs that this machine can find alone, in the run's own words.

    The run itself finds faults of files in S3, on the web or too large to read twice, and those that only a ComfyUI
    server can tell or that may be gone the next time.

    Raises:
        FixTheInput: The shot list, the workflow or the options cannot be used.
    """
    unknown = contextlib.suppress(_LeftToTheRun, TryAgain)
    async with _LocalReader() as sources:
        with unknown:
            await _check_together(shots, workflow, options, sources)
            return
        with unknown:
            _check_choice(await _read_shots(shots, sources), options)
        with unknown:
            if workflow is not None:
                await check_workflow(workflow, sources)


async def check_workflow(uri: str, sources: SourceReader) -> None:
    """Check a workflow's file as far as is possible without a server.

    Raises:
        FixTheInput, SourceUnavailable: The workflow cannot be used or read.
    """
    with contextlib.suppress(_LeftToTheRun):
        await read_workflow_at(uri, sources, ask_no_server)


async def _check_together(shots: Any, workflow: str | None, options: RunOptions, sources: SourceReader) -> None:  # noqa: ANN401
    if not _has_own_place(shots):
        raise _LeftToTheRun
    inputs = await load_inputs(shots, workflow or DEFAULT_WORKFLOW, sources, None, ask_no_server)
    given = inputs.shot_list, inputs.workflows, inputs.pictures
    await asyncio.to_thread(make_plan, *given, options=options)


async def _read_shots(shots: Any, sources: SourceReader) -> ShotList:  # noqa: ANN401 - any JSON
    if _has_own_place(shots):
        return (await load_inputs(shots, DEFAULT_WORKFLOW, sources, None, ask_no_server)).shot_list
    if isinstance(shots, str):
        return await asyncio.to_thread(read_shot_list, await sources.read(shots), name=shown(shots))
    if is_ready(shots):
        raise _LeftToTheRun
    return await asyncio.to_thread(read_inline_list, shots)


def _has_own_place(shots: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether references are relative to the list; else they are relative to the store, which may be a block."""
    return isinstance(shots, str) and PurePath(shots).parent.name != keys.LISTS.rstrip("/")


def _check_choice(shot_list: ShotList, options: RunOptions) -> None:
    if not isinstance(options.refresh, bool):
        choose_shots(shot_list, options.refresh, field="refresh")
    asked = choose_shots(shot_list, options.only)
    choose_passes(shot_list, options.passes, asked or {shot.label for shot in shot_list.shots})


class _LeftToTheRun(Exception):
    """Report that only the run can find out."""


class _LocalReader(SourceReader):
    """Read files of this machine and ``data:`` URIs, up to a total size that takes a second or two to check."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._one_at_a_time = asyncio.Lock()

    async def save(
        self, uri: str, to: BinaryIO, *, limit: int = LIMIT_BYTES, sender: bool = False, beside: str | None = None
    ) -> None:
        async with self._one_at_a_time:
            if self._bytes > LIMIT_BYTES or kind_of(uri) in {"s3", "http"}:
                raise _LeftToTheRun
            await super().save(uri, to, limit=limit, sender=sender, beside=beside)
            self._bytes += to.tell()


async def ask_no_server(
    names: Collection[str],  # noqa: ARG001 - the signature of a question
    *,
    needed: bool,  # noqa: ARG001 - likewise
) -> Mapping[str, Mapping[str, NodeClass | None]]:
    """Leave a question for node classes to the run."""
    raise _LeftToTheRun
