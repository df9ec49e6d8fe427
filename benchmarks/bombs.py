"""Measure what answers cost that are meant to take a client's memory or time, with previs and with httpx alone."""

import asyncio
import gzip
import multiprocessing
import time
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from benchmarks.rows import Row
from previs.errors import PrevisError
from previs.ingest.reader import SourceReader

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_MOST_MB, _MOST_SECONDS = 120.0, 65.0
_MB: Final = 1 << 20
_OF_MEMORY: Final = ("nested gzip", "gzip", "endless body")
_OF_TIME: Final = ("drip", "drip in a header", "endless 100 Continue")

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def bombs(megabytes: int, seconds: float) -> Row:
    """Read each bomb with a :class:`SourceReader` and with httpx alone, each time in a process of its own.

    Args:
        megabytes: Decoded size of the compressed bombs, and bytes of the endless body before it ends after all.
        seconds: Time after which httpx alone is stopped: it has no limit of its own, and would go on.
    """
    figures: dict[str, float] = {}
    for name in (*_OF_MEMORY, *_OF_TIME):
        mb, took = await _measured(name, megabytes, seconds, alone=False)
        mb_alone, took_alone = await _measured(name, megabytes, seconds, alone=True)
        key = name.replace(" ", "_")
        figures |= {f"{key}_mb": mb, f"{key}_alone_mb": mb_alone, f"{key}_s": took, f"{key}_alone_s": took_alone}
        ratio = ("mb_ratio", mb_alone / max(mb, 1)) if name in _OF_MEMORY else ("s_ratio", took_alone / took)
        figures[f"{key}_{ratio[0]}"] = round(ratio[1], 1)
    met = all(
        value <= (_MOST_MB if name.endswith("_mb") else _MOST_SECONDS)
        for name, value in figures.items()
        if name.endswith(("_mb", "_s")) and "_alone_" not in name
    )
    return Row(figures, f"each in {_MOST_MB:g} MB above the start and {_MOST_SECONDS:g} s", met)


async def _measured(name: str, megabytes: int, seconds: float, *, alone: bool) -> tuple[float, float]:
    server = await asyncio.start_server(partial(_answer, _bomb(name, megabytes)), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/list.json"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        measured = await asyncio.get_running_loop().run_in_executor(fresh, _in_fresh_process, url, seconds, alone)
    server.close()
    return measured


def _in_fresh_process(url: str, seconds: float, alone: bool) -> tuple[float, float]:  # noqa: FBT001 - executors pass no names
    return asyncio.run(_read_alone(url, seconds) if alone else _read(url))


async def _read(url: str) -> tuple[float, float]:
    async with SourceReader() as reader:
        before, began = _peak_mb(), time.monotonic()
        with suppress(PrevisError):
            await reader.read(url)
        return round(_peak_mb() - before, 1), round(time.monotonic() - began, 1)


async def _read_alone(url: str, seconds: float) -> tuple[float, float]:
    async with httpx.AsyncClient(timeout=30) as client:
        before, began = _peak_mb(), time.monotonic()
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(seconds):
                await client.get(url)
        return round(_peak_mb() - before, 1), round(time.monotonic() - began, 1)


async def _answer(send: Send, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        await reader.readuntil(b"\r\n\r\n")
        await send(writer)
    writer.close()


def _bomb(name: str, megabytes: int) -> Send:
    match name:
        case "nested gzip":
            return partial(_whole, _encoded(gzip.compress(_packed(megabytes)), b"gzip, gzip"))
        case "gzip":
            return partial(_whole, _encoded(_packed(megabytes), b"gzip"))
        case "endless body":
            return partial(_pieces, _OK + b"\r\n", bytes(_MB), megabytes, 0.0)
        case "drip":
            return partial(_pieces, _OK + b"Content-Length: 100000\r\n\r\n", b"x", 100_000, 5.0)
        case "drip in a header":
            return partial(_pieces, _OK, b"X", 100_000, 5.0)
        case _:
            return partial(_pieces, b"", b"HTTP/1.1 100 Continue\r\n\r\n", 10_000, 1.0)


def _packed(megabytes: int) -> bytes:
    packing = zlib.compressobj(9, wbits=31)
    return b"".join(packing.compress(bytes(_MB)) for _ in range(megabytes)) + packing.flush()


def _encoded(body: bytes, encoding: bytes) -> bytes:
    return _OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body)) + body


async def _whole(answer: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer)
    await writer.drain()


async def _pieces(start: bytes, piece: bytes, count: int, pause: float, writer: asyncio.StreamWriter) -> None:
    writer.write(start)
    for _ in range(count):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


def _peak_mb() -> float:
    """Return the most memory that the process had resident; needs Linux."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
