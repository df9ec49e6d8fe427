"""Read workflows by path or URL, with their bindings files."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any, Protocol

from previs.comfyui.protocol.classes import NodeClass, merge_classes
from previs.errors import AccessDenied, SourceNotFound, TryAgain
from previs.ingest.bases import Base, base_at
from previs.ingest.reader import SourceReader
from previs.pictures import workflow_in
from previs.shots import plain_json
from previs.store.addresses import base_of, kind_of, local_path, resolve, shown
from previs.store.credentials import without_credentials
from previs.workflow import BindingsFile, Workflow, WorkflowSettings, bindings_name, open_workflow, read_bindings

DEFAULT_WORKFLOW = WorkflowSettings(checkpoint="sd_xl_base_1.0.safetensors")
INLINE_WORKFLOW = "the workflow settings"
_START_BYTES = 1_000
_NEEDS_SERVER = (
    "is in the format of ComfyUI's editor, and a server's node classes are needed to read it: start a server, "
    'name one that is up, or export the graph with "Export (API)"'
)


class ClassLookup(Protocol):
    """Look up node classes on servers."""

    async def __call__(self, names: Collection[str], *, needed: bool) -> Mapping[str, Mapping[str, NodeClass | None]]:
        """Return node classes by server and name, None for one that it lacks; if ``needed``, wait for a server."""


async def load_workflow(
    workflow: object, reader: SourceReader, look_up: ClassLookup, inline: Base
) -> tuple[Workflow, dict[str, Any] | str, Base]:
    """Return a workflow, its facts for the record without credentials, and the base of what it names."""
    if not isinstance(workflow, str):
        plain = await asyncio.to_thread(plain_json, workflow)
        return await _bind(plain, INLINE_WORKFLOW, look_up), without_credentials(plain), inline
    bound = await read_workflow_at(workflow, reader, look_up, sender=inline.sender)
    return bound, shown(workflow), base_at(workflow, inline)


async def read_workflow_at(uri: str, reader: SourceReader, look_up: ClassLookup, *, sender: bool = False) -> Workflow:
    """Read a workflow's file by its path or URL, with the bindings file beside it if there is one.

    Args:
        uri: Path or URL.
        reader: Reader for paths and URLs.
        look_up: Look-up for the workflow's node classes.
        sender: Whether a sender named the file.

    Raises:
        WorkflowFaults, SourceNotFound, SourceUnavailable, NoServer, AccessDenied: As in :func:`load_inputs`.
    """
    name = shown(uri)
    content = await asyncio.to_thread(workflow_in, await reader.read(uri, sender=sender), name=name)
    return await _bind(content, name, look_up, await _bindings_beside(uri, reader, sender=sender))


async def _bind(
    content: bytes | Mapping[str, Any], name: str, look_up: ClassLookup, bindings: BindingsFile | None = None
) -> Workflow:
    opened = await asyncio.to_thread(open_workflow, content, name=name)
    try:
        servers = await look_up(opened.classes, needed=opened.needs_classes) if opened.classes else {}
    except (AccessDenied, TryAgain) as error:
        error.add_note(f"{name} {_NEEDS_SERVER}")
        raise
    return await asyncio.to_thread(opened.read, merge_classes(servers.values()), bindings)


def bindings_uri(workflow: str) -> str:
    """Return the path or URL of the bindings file beside a workflow's file."""
    return resolve(bindings_name(_file_name(workflow)), base_of(workflow))


async def _bindings_beside(workflow: str, reader: SourceReader, *, sender: bool) -> BindingsFile | None:
    """Read the bindings file beside a graph, if there is one.

    A web server may answer with an HTML page for a file that it does not have. A signed URL is valid for one name only,
    so no other name is requested beside it.
    """
    web = kind_of(workflow) == "http"
    if kind_of(workflow) == "data" or (web and "?" in workflow):
        return None
    uri = bindings_uri(workflow)
    try:
        content = await reader.read(uri, sender=sender)
    except SourceNotFound:
        return None
    if web and content[:_START_BYTES].lstrip().startswith(b"<"):
        return None
    return await asyncio.to_thread(read_bindings, content, name=shown(uri))


def _file_name(uri: str) -> str:
    if kind_of(uri) in {"path", "file"}:
        return PurePath(local_path(uri)).name
    return uri.rpartition("/")[2]
