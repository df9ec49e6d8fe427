"""Make runs with their frames, records and pages, and put them in a store."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from previs.publishing.publish import links_of, publish
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame, InputPicture, TakeRecord
from previs.store import Store, keys

BEGAN = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mark(name: str) -> str:
    """Return a fingerprint."""
    return sha(name.encode())


def frame(content: bytes, suffix: str = ".png", **changes: Any) -> Frame:
    known = {"key": keys.frame_key(sha(content), suffix), "sha256": sha(content), "size": len(content)}
    return Frame(**(known | {"media_type": "image/png", "width": 4, "height": 4} | changes))


def picture(content: bytes) -> InputPicture:
    found = sha(content)
    return InputPicture(name=f"previs/{found}.png", key=keys.input_key(found, ".png"), sha256=found, size=len(content))


def take(number: int, *contents: bytes, **changes: Any) -> TakeEntry:
    """Return a take with frames of these contents; without any it failed."""
    frames = changes.get("frames", tuple(map(frame, contents)))
    known = {"outcome": "rendered" if frames else "failed", "fingerprint": mark(f"{number}{frames!r}")}
    return TakeEntry(**({"take": number, "frames": frames} | known | changes))


def shot(shot_id: int | str, *takes: TakeEntry, **changes: Any) -> ShotEntry:
    known = {"success": all(each.frames for each in takes), "image_url": None, "prompt": "夜", "duration": 2.0}
    return ShotEntry(**({"shot_id": shot_id, "shot": {}, "takes": takes} | known | changes))


def run_name(number: int) -> str:
    return f"20261031-1740{number:02d}-abcdef01"


def manifest(*shots: ShotEntry, board: str = "夜景 1", number: int = 1, **changes: Any) -> Manifest:
    known = {"started": BEGAN, "finished": BEGAN.replace(second=number), "workflow": {}, "run": run_name(number)}
    return Manifest(**({"board": board, "shots": shots} | known | changes))


def record(entry: TakeEntry, **changes: Any) -> TakeRecord:
    known = {
        "fingerprint": entry.fingerprint,
        "seed": 7,
        "prompt_id": "00000000-0000-5000-8000-000000000000",
        "server": "http://render-01:8188",
        "seconds": 1.5,
        "finished": BEGAN,
        "frames": entry.frames,
        "inputs": entry.inputs,
    }
    return TakeRecord(**(known | changes))


async def put_record(store: Store, made: TakeRecord) -> None:
    content = made.model_dump_json(by_alias=True).encode()
    await store.put(keys.take_key(made.fingerprint), content, media_type="application/json")


async def put_files(store: Store, contents: Mapping[str, bytes]) -> None:
    for key, content in contents.items():
        await store.put(key, content, media_type="application/octet-stream")


async def put_run(store: Store, made: Manifest, known: Sequence[bytes] = ()) -> None:
    """Put a finished run in a store: its records, manifest and page, and those frames and pictures that are known."""
    by_sha = {sha(content): content for content in known}
    entries = [each for entry in made.shots for each in entry.takes]
    files = [file for each in entries for file in (*each.frames, *each.inputs)]
    await put_files(store, {file.key: by_sha[file.sha256] for file in files if file.sha256 in by_sha})
    for each in entries:
        if each.frames:
            await put_record(store, record(each))
    frames = [one for each in entries for one in each.frames]
    await publish(made, await links_of(frames, store), store)


async def contents(store: Store) -> dict[str, bytes]:
    """Return all files of a store."""
    found = {key: await store.get(key) for key in await store.entries("")}
    return {key: content for key, content in found.items() if content is not None}


async def put_beat(store: Store, run: str, *, over: bool) -> None:
    beat = {"schema": "previs.beat/1", "run": run, "beat": 3, "over": over}
    await store.put(keys.heartbeat_key(run), json.dumps(beat).encode(), media_type="application/json")
