"""The HTTP endpoints of one server, each a method; no state but the connection pool and which endpoints there are.

Every failure to get an answer is an error of :mod:`previs.comfyui.client.connection`, so no caller sees one of httpx.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from previs.comfyui.client.address import Address
from previs.comfyui.client.connection import BROKEN_OFF, Answer, Connection
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import OutputFile
from previs.comfyui.protocol.queue import Queue, read_queue
from previs.errors import FrameDamaged

_CHUNK = 1 << 18
_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404
# What servers without an endpoint answer, and proxies that let known paths through alone.
_MAYBE_ABSENT = frozenset({403, 404, 405, 501})
_OTHER_FORM = "JSON of another form than ComfyUI's"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that came whole, by its ``Content-Length``."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Posted:
    """The answer to ``POST /prompt``: accepted, or refused whole (400) or in part (200 with ``node_errors``)."""

    accepted: bool
    body: Mapping[str, Any]

    @property
    def refused(self) -> bool:
        """Whether anything of the graph was refused."""
        return not self.accepted or bool(self.body.get("node_errors"))


class Api:
    """Requests to one server.

    Attributes:
        has_jobs: whether the server has ``/api/jobs/{id}``; not known before it was first asked.
        has_job_cancel: likewise for ``/api/jobs/{id}/cancel``.
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
        """Queue a graph under an id of our own.

        When this raises, the server may have queued it all the same: look for the id before posting again. No server
        dedupes ids.
        """
        content = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        answer = await self._connection.request("POST", "prompt", json=content, allow={_BAD_REQUEST})
        return Posted(answer.status == _OK, self._object(answer, "POST", "prompt"))

    async def queue(self) -> Queue:
        """Which prompts run and wait."""
        queue = read_queue(self._object(await self._connection.request("GET", "queue"), "GET", "queue"))
        if queue is None:
            raise self._connection.trouble("GET", "queue", _OTHER_FORM)
        return queue

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """The history entry of a prompt; none for pending, running and unknown ones alike."""
        answer = await self._connection.request("GET", f"history/{_escaped(prompt_id)}")
        entry = self._object(answer, "GET", "history").get(prompt_id)
        return entry if isinstance(entry, Mapping) else None

    async def has_history(self) -> bool:
        """Whether any prompt has ended there since its start; one entry at most is asked for."""
        answer = await self._connection.request("GET", "history", params={"max_items": 1})
        return bool(self._object(answer, "GET", "history"))

    async def job(self, prompt_id: str) -> Mapping[str, Any] | None:
        """What newer servers tell of a prompt in one answer; see :func:`previs.comfyui.protocol.jobs.read_job`.

        Returns:
            None where the server does not know the prompt, and where :attr:`has_jobs` is false: it has no such
            endpoint, and is not asked again.
        """
        if self.has_jobs is False:
            return None
        answer = await self._connection.request(
            "GET", f"{self.address.jobs_path}/{_escaped(prompt_id)}", allow=_MAYBE_ABSENT
        )
        body = _job_answer(answer, "status")
        self.has_jobs = body is not None
        return body if answer.status == _OK else None

    async def cancel_job(self, prompt_id: str) -> bool | None:
        """Take a prompt off the server by one request, whether it waits or runs, if the server is new enough.

        Returns:
            Whether it was cancelled; it was not if the server does not know it or it has ended. None where
            :attr:`has_job_cancel` is false: nothing was done, and the older way must be taken.
        """
        if self.has_job_cancel is False or self.has_jobs is False:
            return None
        path = f"{self.address.jobs_path}/{_escaped(prompt_id)}/cancel"
        answer = await self._connection.request("POST", path, allow=_MAYBE_ABSENT)
        body = _job_answer(answer, "cancelled")
        self.has_job_cancel = body is not None
        return None if body is None else body.get("cancelled") is True

    def forget_version(self) -> None:
        """Ask anew which endpoints there are: after a restart it may be another version that answers."""
        self.has_jobs = self.has_job_cancel = None

    async def delete_pending(self, prompt_id: str) -> None:
        """Take a prompt out of the queue; nothing happens if it is not pending."""
        await self._connection.request("POST", "queue", json={"delete": [prompt_id]})

    async def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt that runs; nothing happens if another one runs. Acts between sampler steps.

        Servers of before 2025-08 ignore the id and stop whatever runs: call this only for a prompt that the queue
        shows as running.
        """
        await self._connection.request("POST", "interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Have the server drop its models and the results it remembers, once it is idle."""
        await self._connection.request("POST", "free", json={"unload_models": True, "free_memory": True})

    async def object_info(self, class_type: str | None = None) -> Mapping[str, Any]:
        """Node classes with the rules of their inputs: all, or one (empty if the server has no such class)."""
        path = "object_info" if class_type is None else f"object_info/{_escaped(class_type)}"
        return self._object(await self._connection.request("GET", path), "GET", "object_info")

    async def model_metadata(self, folder: str, name: str) -> Mapping[str, Any] | None:
        """The ``__metadata__`` in the header of a ``.safetensors`` file.

        Args:
            folder: of models, by ComfyUI's name for it, such as ``loras``.
            name: of the file, as a loader takes it.

        Returns:
            None where the server tells nothing of it: there is no such file, it has no such header or one of more
            than 1 MB, or the endpoint is missing.
        """
        path = f"view_metadata/{_escaped(folder)}"
        answer = await self._connection.request("GET", path, params={"filename": name}, allow=_MAYBE_ABSENT)
        return self._object(answer, "GET", path) if answer.status == _OK else None

    async def system_stats(self) -> Mapping[str, Any]:
        """Versions and devices; the cheapest sign that this is a ComfyUI that answers."""
        return self._object(await self._connection.request("GET", "system_stats"), "GET", "system_stats")

    async def upload_image(self, name: str, content: bytes, *, subfolder: str) -> str:
        """Put a picture into the server's input folder.

        Returns:
            The name that ``LoadImage`` takes. The server's choice: another one than asked for when that name was
            taken by other bytes.
        """
        answer = await self._connection.request(
            "POST",
            "upload/image",
            files={"image": (name, content)},
            data={"subfolder": subfolder, "type": "input"},
        )
        body = self._object(answer, "POST", "upload/image")
        if not isinstance(body.get("name"), str):
            raise self._connection.trouble("POST", "upload/image", "no name")
        placed = str(body.get("subfolder") or "")
        return f"{placed}/{body['name']}" if placed else body["name"]

    async def download(self, file: OutputFile, to: Path) -> Downloaded:
        """Stream an output file to a path; of its bytes a few hundred KB are in memory at a time.

        Raises:
            FrameDamaged: the server no longer has it, or it came shorter or longer than announced.
        """
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        digest, size = hashlib.sha256(), 0
        try:
            async with self._connection.file("view", query, allow={_NOT_FOUND}) as response:
                if response.status_code == _NOT_FOUND:
                    raise FrameDamaged(file.filename, f"{self.name} no longer has it")
                with to.open("wb") as out:
                    async for chunk in response.aiter_bytes(_CHUNK):
                        out.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                # Of a file that came packed, the length is that of the packed bytes.
                announced, came = response.headers.get("content-length"), response.num_bytes_downloaded
        except BROKEN_OFF as error:
            raise FrameDamaged(file.filename, f"{self.name} stopped sending after {size} bytes") from error
        except httpx.DecodingError as error:
            raise FrameDamaged(file.filename, f"it came packed and cannot be unpacked after {size} bytes") from error
        if announced is not None and announced != str(came):
            raise FrameDamaged(file.filename, f"{came} bytes came of {announced}")
        return Downloaded(to, size, digest.hexdigest())

    def _object(self, answer: Answer, method: str, path: str) -> Mapping[str, Any]:
        body = answer.parsed()
        if isinstance(body, dict):
            return body
        raise self._connection.trouble(method, path, "something that is no JSON" if body is None else _OTHER_FORM)


def _escaped(part: str) -> str:
    return quote(part, safe="", errors="replace")


def _job_answer(answer: Answer, key: str) -> Mapping[str, Any] | None:
    """What an endpoint for jobs said; none where it was not such an endpoint that answered.

    What it knows is told with a key of its own, and that a job is unknown as 404 with ``{"error": …}``. Everything else
    comes from what stands in its place: another 404, a refusal, the page that some proxies answer to every path.
    """
    body = answer.parsed()
    expected = {_OK: key, _NOT_FOUND: "error"}.get(answer.status)
    return body if isinstance(body, dict) and expected in body else None
