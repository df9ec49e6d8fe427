"""The HTTP endpoints of one server, each a method; no state but the connection pool.

Every failure to get an answer is :exc:`~previs.errors.ServerUnreachable` or :exc:`~previs.errors.ServerTrouble`, so
no caller sees an exception of httpx.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from previs.comfyui.address import Address
from previs.comfyui.graph import Graph
from previs.comfyui.history import OutputFile
from previs.errors import AccessDenied, FrameDamaged, ServerTrouble, ServerUnreachable

_TIMEOUT = httpx.Timeout(10, read=30)
_FILE_TIMEOUT = httpx.Timeout(10, read=60, pool=None)
_CHUNK = 1 << 20
_OK = 200
_BAD_REQUEST = 400
_DENIED = frozenset({401, 403})
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that came whole, by its ``Content-Length``."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Prompt ids on a server, everybody's."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    def place_of(self, prompt_id: str) -> str | None:
        """``running``, ``pending`` or none."""
        if prompt_id in self.running:
            return "running"
        return "pending" if prompt_id in self.pending else None


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
    """Requests to one server."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = address.name
        self._http = self._client(_TIMEOUT, connections=16)
        # Large files on a slow line must not keep questions about other prompts waiting.
        self._files = self._client(_FILE_TIMEOUT, connections=4)

    def _client(self, timeout: httpx.Timeout, *, connections: int) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.address.url.rstrip("/") + "/",
            headers=dict(self.address.headers),
            timeout=timeout,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._files.aclose()

    async def post_prompt(self, graph: Graph, *, prompt_id: str, client_id: str) -> Posted:
        """Queue a graph under an id of our own.

        When this raises, the server may have queued it all the same: look for the id before posting again. No server
        dedupes ids.
        """
        content = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        response = await self._request("POST", "prompt", json=content, allow=_BAD_REQUEST)
        return Posted(response.status_code == _OK, self._object(response, "POST /prompt"))

    async def queue(self) -> Queue:
        """Which prompts run and wait."""
        body = self._object(await self._request("GET", "queue"), "GET /queue")
        return Queue(_prompt_ids(body.get("queue_running")), _prompt_ids(body.get("queue_pending")))

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """The history entry of a prompt; none for pending, running and unknown ones alike."""
        response = await self._request("GET", f"history/{quote(prompt_id, safe='')}")
        entry = self._object(response, "GET /history").get(prompt_id)
        return entry if isinstance(entry, Mapping) else None

    async def delete_pending(self, prompt_id: str) -> None:
        """Take a prompt out of the queue; nothing happens if it is not pending."""
        await self._request("POST", "queue", json={"delete": [prompt_id]})

    async def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt that runs; nothing happens if another one runs. Acts between sampler steps.

        Servers of before 2025-08 ignore the id and stop whatever runs: call this only for a prompt that the queue
        shows as running.
        """
        await self._request("POST", "interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Have the server drop its models and the results it remembers, once it is idle."""
        await self._request("POST", "free", json={"unload_models": True, "free_memory": True})

    async def object_info(self, class_type: str | None = None) -> Mapping[str, Any]:
        """Node classes with the rules of their inputs: all, or one (empty if the server has no such class)."""
        path = "object_info" if class_type is None else f"object_info/{quote(class_type, safe='')}"
        return self._object(await self._request("GET", path), "GET /object_info")

    async def system_stats(self) -> Mapping[str, Any]:
        """Versions and devices; the cheapest sign that this is a ComfyUI that answers."""
        return self._object(await self._request("GET", "system_stats"), "GET /system_stats")

    async def upload_image(self, name: str, content: bytes, *, subfolder: str) -> str:
        """Put a picture into the server's input folder.

        Returns:
            The name that ``LoadImage`` takes. The server's choice: another one than asked for when that name was
            taken by other bytes.
        """
        response = await self._request(
            "POST",
            "upload/image",
            files={"image": (name, content)},
            data={"subfolder": subfolder, "type": "input"},
        )
        body = self._object(response, "POST /upload/image")
        if not isinstance(body.get("name"), str):
            raise ServerTrouble(self.name, "POST /upload/image", "no name")
        placed = str(body.get("subfolder") or "")
        return f"{placed}/{body['name']}" if placed else body["name"]

    async def download(self, file: OutputFile, to: Path) -> Downloaded:
        """Stream an output file to a path.

        Raises:
            FrameDamaged: the server no longer has it, or it came shorter or longer than announced.
        """
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        digest, size = hashlib.sha256(), 0
        try:
            # A compressed answer's Content-Length would say nothing of the file.
            plain = {"Accept-Encoding": "identity"}
            async with self._answer(
                "GET", "view", self._files, params=query, headers=plain, allow=_NOT_FOUND
            ) as response:
                if response.status_code == _NOT_FOUND:
                    raise FrameDamaged(file.filename, f"{self.name} no longer has it")
                with to.open("wb") as out:
                    async for chunk in response.aiter_raw(_CHUNK):
                        out.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                announced = response.headers.get("content-length")
        except httpx.RemoteProtocolError as error:
            raise FrameDamaged(file.filename, f"{self.name} stopped sending after {size} bytes") from error
        if announced is not None and announced != str(size):
            raise FrameDamaged(file.filename, f"{size} bytes came of {announced}")
        return Downloaded(to, size, digest.hexdigest())

    async def _request(self, method: str, path: str, *, allow: int = _OK, **content: Any) -> httpx.Response:  # noqa: ANN401 - passed on to httpx
        try:
            async with self._answer(method, path, self._http, allow=allow, **content) as response:
                await response.aread()
                return response
        except httpx.RemoteProtocolError as error:
            raise ServerUnreachable(self.name, "the connection broke in the middle of an answer") from error

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        client: httpx.AsyncClient,
        *,
        allow: int,
        **content: Any,  # noqa: ANN401 - passed on to httpx
    ) -> AsyncIterator[httpx.Response]:
        """A response whose status is 200 or ``allow``; a cut body is left to the reader (``RemoteProtocolError``)."""
        request = f"{method} /{path.partition('/')[0]}"
        answered = False
        try:
            async with client.stream(method, path, **content) as response:
                answered = True
                if response.status_code in _DENIED:
                    raise AccessDenied(self.name, response.status_code)
                if response.status_code not in {_OK, allow}:
                    raise ServerTrouble(self.name, request, f"HTTP {response.status_code}")
                yield response
        except httpx.TimeoutException as error:
            raise ServerUnreachable(self.name, f"{request} timed out") from error
        except httpx.RemoteProtocolError as error:
            if answered:
                raise
            raise ServerUnreachable(self.name, "it hung up without an answer") from error
        except httpx.DecodingError as error:
            raise ServerTrouble(self.name, request, "a body that cannot be unpacked") from error
        except httpx.TransportError as error:
            raise ServerUnreachable(self.name, _reason(error)) from error

    def _object(self, response: httpx.Response, request: str) -> Mapping[str, Any]:
        try:
            body = response.json()
        except (ValueError, RecursionError) as error:
            # No JSON, or numbers or nesting that no server of this kind sends.
            raise ServerTrouble(self.name, request, "something that is no JSON") from error
        if not isinstance(body, dict):
            raise ServerTrouble(self.name, request, "JSON of another form than ComfyUI's")
        return body


def _reason(error: httpx.TransportError) -> str:
    # A foreign error's own words may hold a header's value.
    return (
        "the connection was refused or not possible" if isinstance(error, httpx.ConnectError) else type(error).__name__
    )


def _prompt_ids(entries: object) -> tuple[str, ...]:
    """Queue entries are ``[number, prompt_id, graph, …]``."""
    listed = entries if isinstance(entries, list) else []
    return tuple(str(entry[1]) for entry in listed if isinstance(entry, list) and len(entry) > 1)
