"""Read a screenplay, make its shot list, store it and show it."""

import asyncio
import hashlib
import json
from typing import Final

from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from previs.ingest.reader import SourceReader
from previs.publishing.views.wording import cell, plural
from previs.screenplay import LARGEST_FILE, make_shot_list, read_screenplay
from previs.shots import ShotList
from previs.store import Store, keys
from previs.store.addresses import shown, stem_of
from tasks.artifacts import artifact_key, log_failures
from tasks.retries import step
from tasks.starter import starter

_INLINE: Final = "the script"
_UNTITLED: Final = "screenplay"
_MOST_ROWS: Final = 500


@step("read screenplay")
async def read_script(script: str, store: Store) -> ShotList:
    """Return the shot list of a screenplay; its title is never empty.

    Args:
        script: Text of the screenplay if it has a line break, or else its path or URL.
        store: Store whose credentials are used for ``s3://`` URLs.
    """
    inline = "\n" in script or "\r" in script
    name = _INLINE if inline else shown(script)
    content = script.encode() if inline else await _read(script, store)
    screenplay = await asyncio.to_thread(read_screenplay, content, name)
    title = _UNTITLED if inline else stem_of(script) or _UNTITLED
    shot_list = await asyncio.to_thread(make_shot_list, screenplay, title=title)
    scenes = sum(1 for scene in screenplay.scenes if scene.heading)
    get_run_logger().info("%s: %s, %s", name, plural(scenes, "scene"), plural(len(shot_list.shots), "shot"))
    return shot_list


async def _read(uri: str, store: Store) -> bytes:
    by = await starter()
    async with SourceReader.for_store(store, by.allowed_with(store)) as reader:
        return await reader.read(uri, limit=LARGEST_FILE, sender="script" in by.of_senders)


@step("store shot list")
async def store_list(shot_list: ShotList, store: Store) -> str:
    """Put the list into the store under the hash of its content, and return its path or URL."""
    values = shot_list.model_dump(mode="json", exclude_unset=True)
    content = json.dumps(values, ensure_ascii=False, indent=2).encode() + b"\n"
    key = keys.shot_list_key(hashlib.sha256(content).hexdigest())
    await store.put(key, content, media_type="application/json")
    get_run_logger().info("shot list: %s", store.uri(key))
    return store.uri(key)


async def show_list(shot_list: ShotList, board: str, uri: str) -> None:
    """Create the artifact of a list: a table of its shots, or of the first 500."""
    rows = [
        {
            "#": number,
            "shot": cell(shot.label),
            "seconds": f"{shot.duration:g}",
            "prompt": cell(shot.prompt),
            "dialogue": cell(shot.dialogue or ""),
            "notes": cell(shot.notes or ""),
        }
        for number, shot in enumerate(shot_list.shots[:_MOST_ROWS], 1)
    ]
    seconds = sum(shot.duration for shot in shot_list.shots)
    more = f", of which the first {_MOST_ROWS} are shown" if len(shot_list.shots) > _MOST_ROWS else ""
    description = f"{plural(len(shot_list.shots), 'shot')}, {seconds:g} s{more}: `{cell(uri)}`"
    with log_failures():
        await acreate_table_artifact(rows, key=artifact_key(board, "shot-list"), description=description)
