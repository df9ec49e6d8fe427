"""Prepare the run that renders shots again: the revised list in the store, and how the run is started."""

import asyncio
import hashlib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final

from previs.ingest.workflow_files import DEFAULT_WORKFLOW
from previs.publishing.board_sheet import shots_of
from previs.publishing.review import ReviewAnswer, revised
from previs.records.manifest import Manifest
from previs.store import Store, keys
from previs.store.addresses import base_of, kind_of, resolve

_LIST: Final = "the list as it was reviewed"
_JSON: Final = "application/json"
_FILES: Final = frozenset({"references.url", "workflow", "look"})


@dataclass(frozen=True, slots=True)
class AgainOrder:
    """Hold how the shots are rendered again.

    Attributes:
        parameters: Parameters of the flow.
        command: The same as a command to type.
        notices: Sentences on what the list does not have.
        complete: Whether the list can be run from where it is stored; else it names files relative to a folder that is
            not known, the one of the list that was run.
    """

    parameters: dict[str, Any]
    command: str
    notices: tuple[str, ...]
    complete: bool = True


async def order_again(
    store: Store, given_store: str, manifest: Manifest, answer: ReviewAnswer, origin: str | None = None
) -> AgainOrder:
    """Store the revised list, and return how its shots are rendered again.

    Args:
        store: Store of the board.
        given_store: The store as a run names it: a path, URL or ``block:NAME``.
        manifest: Whole manifest of the board's latest run.
        answer: Answer of the review; it asks for at least one shot.
        origin: Path or URL of the list of that run; None if it is not known, or was no file.

    Raises:
        ShotListFaults: A prompt is not allowed, or the shots of the manifest are no list for this version.
        SourceNotFound: A name in the list leads nowhere.
        StoreRefused, StoreUnavailable: The list cannot be stored.
    """
    listed, notices = await asyncio.to_thread(_revised, manifest, answer)
    relative = {name for name in _names(listed) if kind_of(name) == "path" and not _is_absolute(name)}
    inline = origin is None or origin.startswith(store.uri(keys.LISTS))
    complete = True
    if relative and not inline:
        listed = _renamed(listed, lambda name: resolve(name, base_of(origin or "")) if name in relative else name)
    elif relative:
        kept = await store.entries(keys.REFERENCES)
        complete = all(f"{keys.REFERENCES}{name}" in kept for name in relative)
    # A list below lists/ has its pictures below references/, as one that was sent inline.
    uri = await _stored(
        store, _json(listed), "" if relative and inline else keys.run_prefix(manifest.board, manifest.run)
    )
    only = [entry.shot_id for entry in manifest.shots if str(entry.shot_id) in answer.again]
    parameters: dict[str, Any] = {"shots": uri, "board": manifest.board, "store": given_store, "only": only}
    words = ["previs", "run", uri, "--board", manifest.board, "--store", given_store]
    if manifest.workflow and manifest.workflow != DEFAULT_WORKFLOW.model_dump(mode="json", exclude_unset=True):
        workflow = manifest.workflow
        parameters["workflow"] = workflow
        words += ["--workflow", workflow if isinstance(workflow, str) else await _stored(store, _json(workflow))]
    words += ["--only", *map(str, only)]
    return AgainOrder(parameters, shlex.join(words), tuple(notices), complete)


def _revised(manifest: Manifest, answer: ReviewAnswer) -> tuple[dict[str, Any], list[str]]:
    listed, notices = shots_of(manifest, _LIST)
    given = revised(listed, answer, manifest).model_dump(mode="json", exclude_unset=True)
    # What it says of files is of the sheet that it is made for.
    return given, [each for each in notices if "sheet" not in each]


def _names(listed: dict[str, Any]) -> list[str]:
    """Return the paths and URLs that a list names."""
    found: list[str] = []

    def note(name: str) -> str:
        found.append(name)
        return name

    _renamed(listed, note)
    return found


def _renamed(value: Any, rename: Callable[[str], str], field: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Return a list with other names for its pictures, workflows and look files."""
    if isinstance(value, dict):
        return {key: _renamed(each, rename, _field_within(field, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, rename, field) for each in value]
    return rename(value) if isinstance(value, str) and field in _FILES else value


def _field_within(field: str, key: str) -> str:
    return f"{field}.url" if field == "references" and key == "url" else key


def _is_absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


async def _stored(store: Store, content: bytes, prefix: str = "") -> str:
    digest = hashlib.sha256(content).hexdigest()
    key = f"{prefix}shots-{digest[:12]}.json" if prefix else keys.shot_list_key(digest)
    await store.put(key, content, media_type=_JSON)
    return store.uri(key)
