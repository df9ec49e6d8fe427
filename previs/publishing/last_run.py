"""Read the run before a run, to tell what changed."""

import asyncio
from typing import Final

from previs.boards.runs import RunLocation, run_locations
from previs.errors import PrevisError
from previs.publishing.views import Since, since
from previs.records.manifest import Manifest, read_manifest
from previs.store import Store, keys
from previs.text.visible import visible

_GONE: Final = "its manifest was just removed"
MOST_BYTES: Final = 64_000_000
"""Bytes of the largest manifest that is compared, of some 3,400 shots: reading one takes thrice its size."""


async def since_last_run(manifest: Manifest, store: Store) -> Since | None:
    """Return what changed since the run that started before a run; None if there is none.

    A run that cannot be read is no reason to stop: the result says why.
    """
    here = RunLocation(keys.part(manifest.board), keys.part(manifest.run))
    run = ""
    try:
        listed = run_locations(await store.entries(keys.board_prefix(manifest.board)))
        last = max((each for each in listed if each < here), default=None)
        if last is None:
            return None
        run = last.run
        content = await store.get(last.manifest, limit=MOST_BYTES)
        if content is None:
            return Since(run, fault=_GONE)
        return await asyncio.to_thread(_compare, manifest, content, store.uri(last.manifest))
    except PrevisError as error:
        return Since(run, fault=visible(str(error)))


def _compare(manifest: Manifest, content: bytes, name: str) -> Since:
    return since(manifest, read_manifest(content, name=name))
