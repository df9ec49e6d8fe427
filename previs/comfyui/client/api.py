"""Call the HTTP endpoints of one server, each by a method.

The only state is the connection pool and which endpoints exist. Failures raise the errors of
:mod:`previs.comfyui.client.connection`, never those of httpx.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from previs.comfyui.client.address import LARGEST_FILE, Address
from previs.comfyui.client.bodies import BodyDamagedError, BodyLimits, BodyTooLargeError, Response, read_pieces
from previs.comfyui.client.connection import BODY_LIMIT, CONNECTION_BROKEN, REDIRECTS, TOO_LARGE, Answer, Connection
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import OutputFile
from previs.comfyui.protocol.queue import Queue, read_queue
from previs.errors import FileNotPassed, FrameDamaged

_WRITE_BUFFER = 1 << 18
# A film may take hours on a slow line: it has as long as it makes progress.
_FILES = BodyLimits(LARGEST_FILE, total=None, least_bytes=1 << 19, per_seconds=60)
_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404
# Answers of servers that lack an endpoint, and of proxies that allow only known paths.
_MAYBE_ABSENT = frozenset({403, 404, 405, 501})
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_OUTSIDE = (
    "the server made it but does not have it in its output folder: the node saves elsewhere, or the file was removed; "
    "give the node a folder within the output folder"
)
_LONGEST_PATH, _SHOWN = 4_096, 60
_NO_NAME = (
    f"the server named it, and no file can be named so: a path has at most {_LONGEST_PATH:,} characters, none of which "
    "is NUL or half of a surrogate pair; give the node that saves another filename_prefix"
)
_NOT_COMFYUI = "JSON that is not in ComfyUI's format"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Describe a downloaded file that is complete according to its ``Content-Length``."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Posted:
    """Hold an answer to ``POST /prompt``: accepted, refused (400), or partly refused (200 with ``node_errors``)."""

    accepted: bool
    body: Mapping[str, Any]

    @property
    def refused(self) -> bool:
        """Return whether any part of the graph was refused."""
        return not self.accepted or bool(self.body.get("node_errors"))


class Api:
    """Call the endpoints of one server.

    Attributes:
        has_jobs: Whether the server has ``/api/jobs/{id}``; None before the first request.
        has_job_cancel: Whether the server has ``/api/jobs/{id}/cancel``; None before the first request.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = address.name
        self.has_jobs: bool | None = None
        self.has_job_cancel: bool | None = None
        self._connection = Connection(address)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connection.aclose()

    async def post_prompt(self, graph: Graph, *, prompt_id: str, client_id: str) -> Posted:
        """Queue a graph under an id that the client chose.

        If this raises, the server may have queued it nevertheless: search for the id before posting again. Servers do
        not deduplicate ids.
        """
        content = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        answer = await self._connection.request("POST", "prompt", json=content, allow={_BAD_REQUEST})
        return Posted(answer.status == _OK, await self._object(answer, "POST", "prompt"))

    async def queue(self) -> Queue:
        """Return the running and pending prompts."""
        queue = read_queue(await self._object(await self._connection.request("GET", "queue"), "GET", "queue"))
        if queue is None:
            raise self._connection.unavailable("GET", "queue", _NOT_COMFYUI)
        return queue

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """Return the history entry of a prompt, or None if it is pending, running or unknown."""
        answer = await self._connection.request("GET", f"history/{_escaped(prompt_id)}")
        entry = (await self._object(answer, "GET", "history")).get(prompt_id)
        return entry if isinstance(entry, Mapping) else None

    async def has_history(self) -> bool:
        """Return whether any prompt has ended on the server since its start; requests at most one entry."""
        answer = await self._connection.request("GET", "history", params={"max_items": 1})
        return bool(await self._object(answer, "GET", "history"))

    async def job(self, prompt_id: str) -> Mapping[str, Any] | None:
        """Return a prompt's job for :func:`previs.comfyui.protocol.jobs.read_job`, or None if the prompt is unknown.

        Return None also if the server lacks the endpoint; then :attr:`has_jobs` is false, and it is not asked again.
        """
        if self.has_jobs is False:
            return None
        answer = await self._connection.request(
            "GET", f"{self.address.jobs_path}/{_escaped(prompt_id)}", allow=_MAYBE_ABSENT
        )
        body = _job_body(answer, await self._connection.parsed(answer, "GET", "jobs"), "status")
        self.has_jobs = body is not None
        return body if answer.status == _OK else None

    async def cancel_job(self, prompt_id: str) -> bool | None:
        """Remove a pending or running prompt by one request; return whether it was still pending or running.

        Return None if :attr:`has_job_cancel` is false: nothing was done, and the caller must use the older endpoints.
        """
        if self.has_job_cancel is False or self.has_jobs is False:
            return None
        path = f"{self.address.jobs_path}/{_escaped(prompt_id)}/cancel"
        answer = await self._connection.request("POST", path, allow=_MAYBE_ABSENT)
        body = _job_body(answer, await self._connection.parsed(answer, "POST", "jobs"), "cancelled")
        self.has_job_cancel = body is not None
        return None if body is None else body.get("cancelled") is True

    def forget_endpoints(self) -> None:
        """Forget which endpoints exist, as a restarted server may be another version."""
        self.has_jobs = self.has_job_cancel = None

    async def delete_pending(self, prompt_id: str) -> None:
        """Remove a pending prompt from the queue; do nothing if it is not pending."""
        await self._connection.request("POST", "queue", json={"delete": [prompt_id]})

    async def interrupt(self, prompt_id: str) -> None:
        """Interrupt a running prompt between sampler steps; do nothing if another one runs.

        Servers older than 2025-08 ignore the id and interrupt any prompt. Call this only for a prompt that the queue
        shows as running.
        """
        await self._connection.request("POST", "interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Make the server unload its models and cached results once it is idle."""
        await self._connection.request("POST", "free", json={"unload_models": True, "free_memory": True})

    async def object_info(self, class_type: str | None = None) -> Mapping[str, Any]:
        """Return descriptions of all node classes, or of one (empty if the server lacks it)."""
        path = "object_info" if class_type is None else f"object_info/{_escaped(class_type)}"
        return await self._object(await self._connection.request("GET", path), "GET", "object_info")

    async def model_metadata(self, folder: str, name: str) -> Mapping[str, Any] | None:
        """Return the ``__metadata__`` in the header of a ``.safetensors`` file in a folder such as ``loras``.

        Return None if the file is missing, its header is missing or over 1 MB, or the server lacks the endpoint.
        """
        path = f"view_metadata/{_escaped(folder)}"
        answer = await self._connection.request("GET", path, params={"filename": name}, allow=_MAYBE_ABSENT)
        return await self._object(answer, "GET", path) if answer.status == _OK else None

    async def system_stats(self) -> Mapping[str, Any]:
        """Return versions and devices; the cheapest check that a ComfyUI answers."""
        return await self._object(await self._connection.request("GET", "system_stats"), "GET", "system_stats")

    async def upload_image(self, name: str, path: Path, *, subfolder: str) -> str:
        """Upload an image to the server's input folder, and return the name that ``LoadImage`` takes.

        The server chooses another name than requested if other content already has that name.

        Raises:
            FileNotPassed: A proxy before the server refuses a file of this size.
        """
        form = {"subfolder": subfolder, "type": "input"}
        with path.open("rb") as content:
            answer = await self._connection.request(
                "POST", "upload/image", files={"image": (name, content)}, data=form, allow={TOO_LARGE}
            )
            size = content.seek(0, io.SEEK_END)
        if answer.status == TOO_LARGE:
            raise FileNotPassed(self.name, name, f"{BODY_LIMIT}; the file has {size:,} bytes")
        body = await self._object(answer, "POST", "upload/image")
        if not isinstance(body.get("name"), str):
            raise self._connection.unavailable("POST", "upload/image", "no name")
        folder = str(body.get("subfolder") or "")
        return f"{folder}/{body['name']}" if folder else body["name"]

    async def download(self, file: OutputFile, to: Path, *, fresh: bool = False, room: int | None = None) -> Downloaded:
        """Stream an output file to a path, with a few hundred KB in memory at a time.

        Args:
            file: The file.
            to: Path to write to.
            fresh: Whether the server has just made it.
            room: Most bytes that it may have, if other files have used some of the server's limit.

        Raises:
            FrameDamaged: The server no longer has the file, or its length differs from the announced one.
            FileNotPassed: No file can have its name, a page came in its place, it is too large, or the server does not
                have a file that it has just made.
            ServerUnreachable: Fewer than 512 KB arrived in a minute.
        """
        if not _can_be_named(file):
            raise FileNotPassed(self.name, file.filename[:_SHOWN], _NO_NAME)
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        digest, size = hashlib.sha256(), 0
        limits = replace(_FILES, size=self.address.largest_file if room is None else room)
        try:
            async with self._connection.stream_file("view", query, allow={_NOT_FOUND, *REDIRECTS}) as response:
                if response.status_code == _NOT_FOUND and fresh:
                    raise FileNotPassed(self.name, file.filename, _OUTSIDE)
                if response.status_code == _NOT_FOUND:
                    raise FrameDamaged(file.filename, f"{self.name} no longer has it")
                if page := _page(response, file):
                    raise FileNotPassed(self.name, file.filename, page)
                with to.open("wb", _WRITE_BUFFER) as out:
                    async for piece in read_pieces(response, limits):
                        out.write(piece)
                        digest.update(piece)
                        size += len(piece)
                # Content-Length counts compressed bytes.
                announced, received = response.headers.get("content-length"), response.num_bytes_downloaded
        except CONNECTION_BROKEN as error:
            raise FrameDamaged(file.filename, f"{self.name} stopped sending after {size} bytes") from error
        except BodyDamagedError as error:
            raise FrameDamaged(file.filename, f"{error}, after {size} bytes") from error
        except BodyTooLargeError as error:
            them = "it has" if limits.size == self.address.largest_file else "with the take's other files, it has"
            reason = f"{them} more than {self.address.largest_file:,} bytes: raise frame_gigabytes of the farm block"
            raise FileNotPassed(self.name, file.filename, reason) from error
        if announced is not None and announced != str(received):
            raise FrameDamaged(file.filename, f"{received} of {announced} bytes arrived")
        return Downloaded(to, size, digest.hexdigest())

    async def _object(self, answer: Answer, method: str, path: str) -> Mapping[str, Any]:
        body = await self._connection.parsed(answer, method, path)
        if isinstance(body, dict):
            return body
        raise self._connection.unavailable(method, path, "no JSON" if body is None else _NOT_COMFYUI)


def _can_be_named(file: OutputFile) -> bool:
    path = f"{file.subfolder}/{file.filename}"
    return len(path) <= _LONGEST_PATH and "\0" not in path and path.encode(errors="replace").decode() == path


def _page(response: Response, file: OutputFile) -> str:
    """Say that a page came in a file's place; ComfyUI itself sends no file as a page."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code in REDIRECTS:
        came = f"a redirect (HTTP {response.status_code})"
    elif kind in _PAGES and not file.filename.lower().endswith((".html", ".htm")):
        came = f"a page ({kind})"
    else:
        return ""
    return (
        f"{came} came in its place, as from a login: check the headers or the token of the farm block, and that the "
        "proxy before the server lets /view pass"
    )


def _escaped(part: str) -> str:
    return quote(part, safe="", errors="replace")


def _job_body(answer: Answer, body: object, key: str) -> Mapping[str, Any] | None:
    """Return the answer of an endpoint for jobs, or None if something else answered.

    The endpoint answers 200 with a key of its own, or 404 with ``{"error": …}`` for an unknown job. Any other answer
    comes from elsewhere: a server without the endpoint, or a proxy that answers every path with a page.
    """
    expected = {_OK: key, _NOT_FOUND: "error"}.get(answer.status)
    return body if isinstance(body, dict) and expected in body else None
