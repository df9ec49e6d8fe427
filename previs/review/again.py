"""Prepare the run that renders shots again: the revised list in the store, and how the run is started."""

import asyncio
import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Any, Final

from previs.ingest.workflow_files import DEFAULT_WORKFLOW
from previs.publishing.board_sheet import shots_of
from previs.publishing.review import ReviewAnswer, revised
from previs.records.manifest import Manifest
from previs.store import Store, keys

_LIST: Final = "the list as it was reviewed"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class AgainOrder:
    """Hold how the shots are rendered again.

    Attributes:
        parameters: Parameters of the flow.
        command: The same as a command to type.
        notices: Sentences on what the list does not have.
    """

    parameters: dict[str, Any]
    command: str
    notices: tuple[str, ...]


async def order_again(store: Store, given_store: str, manifest: Manifest, answer: ReviewAnswer) -> AgainOrder:
    """Store the revised list, and return how its shots are rendered again.

    Args:
        store: Store of the board.
        given_store: The store as a run names it: a path, URL or ``block:NAME``.
        manifest: Whole manifest of the board's latest run.
        answer: Answer of the review; it asks for at least one shot.

    Raises:
        ShotListFaults: A prompt is not allowed, or the shots of the manifest are no list for this version.
        StoreRefused, StoreUnavailable: The list cannot be stored.
    """
    content, notices = await asyncio.to_thread(_revised, manifest, answer)
    uri = await _stored(store, content)
    only = [entry.shot_id for entry in manifest.shots if str(entry.shot_id) in answer.again]
    parameters: dict[str, Any] = {"shots": uri, "board": manifest.board, "store": given_store, "only": only}
    words = ["previs", "run", uri, "--board", manifest.board, "--store", given_store]
    if manifest.workflow and manifest.workflow != DEFAULT_WORKFLOW.model_dump(mode="json", exclude_unset=True):
        workflow = manifest.workflow
        parameters["workflow"] = workflow
        as_file = workflow if isinstance(workflow, str) else await _stored(store, _json(workflow))
        words += ["--workflow", as_file]
    words += ["--only", *map(str, only)]
    return AgainOrder(parameters, shlex.join(words), tuple(notices))


def _revised(manifest: Manifest, answer: ReviewAnswer) -> tuple[bytes, list[str]]:
    listed, notices = shots_of(manifest, _LIST)
    return _json(revised(listed, answer, manifest).model_dump(mode="json", exclude_unset=True)), notices


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


async def _stored(store: Store, content: bytes) -> str:
    key = keys.shot_list_key(hashlib.sha256(content).hexdigest())
    await store.put(key, content, media_type=_JSON)
    return store.uri(key)
