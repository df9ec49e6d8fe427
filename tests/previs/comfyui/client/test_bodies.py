"""Test that no answer takes more memory or time than its limits, whatever it sends."""

import asyncio
import gzip
import json
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from previs.comfyui.client import api as endpoints
from previs.comfyui.client import connection
from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.bodies import (
    BodyDamagedError,
    BodyLimits,
    BodyTooLargeError,
    BodyTooSlowError,
    answer_to,
    read_body,
)
from previs.comfyui.protocol.history import OutputFile
from previs.errors import FileNotPassed, FrameDamaged, ServerUnavailable, ServerUnreachable
from tests.previs.comfyui.client.bombs import (
    GZIP,
    OK,
    ZLIB,
    Send,
    bomb,
    encoded,
    endless,
    nested,
    sending,
    whole,
    zeros,
)
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.client.http_server import answering, response

LIMITS = BodyLimits(1_000_000, headers_within=0.5, total=1.5, least_bytes=1000, per_seconds=0.5)
CONTENT = b"frame " * 1000
FILE = OutputFile("a.png", "", "output", "9")
DRIP = endless(OK + b"Content-Length: 1000000\r\n\r\n", b"x", 0.02)
RAW_DEFLATE = zlib.compressobj(wbits=-15)


async def body_of(send: Send, limits: BodyLimits = LIMITS) -> bytes:
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with (
        sending(send) as url,
        httpx.AsyncClient(verify=plain) as client,
        answer_to(client.build_request("GET", url), client, limits) as answer,
    ):
        return await read_body(answer, limits)


@contextmanager
def few_megabytes(most: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most * 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "gzip\r\nContent-Encoding: gzip"])
async def test_a_nested_encoding_is_refused_before_anything_is_decoded(encoding: str) -> None:
    packed = nested(100)
    assert len(packed) < 3400
    await body_of(encoded(CONTENT, "identity"))  # what is imported first is not counted
    with few_megabytes(2), pytest.raises(BodyDamagedError, match="several content encodings"):
        await body_of(encoded(packed, encoding))


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip2"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(BodyDamagedError, match="not asked for"):
        await body_of(encoded(CONTENT, encoding))


@pytest.mark.parametrize(("encoding", "form"), [("gzip", GZIP), ("deflate", ZLIB)])
async def test_a_bomb_is_decoded_no_further_than_the_limit(encoding: str, form: int) -> None:
    packed = zeros(form)
    assert len(packed) < LIMITS.size
    with few_megabytes(4), pytest.raises(BodyTooLargeError):
        await body_of(encoded(packed, encoding))


async def test_an_encoding_that_never_yields_a_byte_counts_by_its_own_size() -> None:
    empty = zlib.compressobj(wbits=31)
    start = empty.compress(b"") + empty.flush(zlib.Z_SYNC_FLUSH)
    head = OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
    with pytest.raises(BodyTooLargeError):
        await body_of(endless(head + start, b"\0\0\0\xff\xff" * 10_000))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(CONTENT)),
        ("X-Gzip", gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:])),
        ("deflate", zlib.compress(CONTENT)),
        ("deflate", RAW_DEFLATE.compress(CONTENT) + RAW_DEFLATE.flush()),
        ("identity", CONTENT),
        ("gzip, identity", gzip.compress(CONTENT)),
    ],
    ids=["gzip", "members", "deflate", "raw deflate", "identity", "gzip and identity"],
)
async def test_a_single_encoding_is_decoded(encoding: str, packed: bytes) -> None:
    assert await body_of(encoded(packed, encoding)) == CONTENT


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (gzip.compress(CONTENT)[:-9], "ends early"),
        (b"no gzip", "is damaged"),
        (gzip.compress(CONTENT) + b"more", "is damaged"),
    ],
    ids=["cut", "none", "more"],
)
async def test_a_damaged_encoding_is_reported(packed: bytes, said: str) -> None:
    with pytest.raises(BodyDamagedError, match=said):
        await body_of(encoded(packed, "gzip"))


@pytest.mark.parametrize(
    "send",
    [
        endless(OK + b"Connection: close\r\n\r\n", bytes(1 << 16)),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + bytes(0x4000) + b"\r\n"),
        whole(OK + b"Content-Length: 1000001\r\n\r\n"),
        whole(OK + b"Content-Length: 99999999999999999999\r\n\r\n"),
    ],
    ids=["no length", "chunks", "announced", "announced beyond any disk"],
)
async def test_a_body_over_the_limit_is_read_no_further(send: Send) -> None:
    with few_megabytes(4), pytest.raises(BodyTooLargeError):
        await body_of(send)


@pytest.mark.parametrize(
    ("send", "said"),
    [
        (DRIP, "fewer than 1,000 bytes in 0.5 s"),
        (endless(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff", 0.1), "fewer"),
        (endless(OK + b"Content-Length: 1000000\r\n\r\n", bytes(1000), 0.1), "not complete after 1.5 s"),
        (endless(OK, b"X", 0.02), "no complete headers within 0.5 s"),
        (endless(OK, b"X-More: y\r\n", 0.02), "no complete headers"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no complete headers"),
    ],
    ids=["drip", "drip in gzip", "slow to the end", "drip in a header", "drip of headers", "endless 100 Continue"],
)
async def test_an_answer_that_drips_ends_after_a_set_time(send: Send, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(BodyTooSlowError, match=said):
        await body_of(send)
    assert time.monotonic() - began < 3


async def test_endless_headers_end_at_the_librarys_limit() -> None:
    with few_megabytes(4), pytest.raises(httpx.RemoteProtocolError):
        await body_of(endless(OK, b"X-More: " + b"y" * 1000 + b"\r\n"))


async def test_a_body_that_makes_progress_may_take_long() -> None:
    steady = BodyLimits(1_000_000, total=None, least_bytes=1000, per_seconds=0.4)
    parts = endless(OK + b"Content-Length: 6000\r\n\r\n", bytes(600), 0.1)
    began = time.monotonic()
    assert len(await body_of(parts, steady)) == 6000
    assert time.monotonic() - began > 2 * steady.per_seconds


async def test_a_body_that_ends_before_its_length_is_a_broken_connection() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await body_of(whole(OK + b"Content-Length: 100\r\n\r\n" + b"x" * 99))


async def test_bytes_after_the_announced_length_are_left() -> None:
    assert await body_of(whole(OK + b"Content-Length: 2\r\n\r\n{}and more")) == b"{}"


async def test_servers_are_asked_for_no_content_encoding() -> None:
    async with answering(lambda _: response(200, {})) as (url, asked), api_of(url) as api:
        await api.has_history()
    assert "accept-encoding: identity" in asked.heads[0].lower()


async def test_a_servers_answer_that_drips_means_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ANSWERS", LIMITS)
    for send in (DRIP, endless(OK, b"X", 0.02)):
        async with sending(send) as url, api_of(url) as api:
            with pytest.raises(ServerUnreachable, match="GET /queue is too slow"):
                await api.queue()


async def test_a_servers_nested_answer_is_no_answer() -> None:
    with few_megabytes(3):
        async with sending(encoded(nested(100), "gzip, gzip")) as url, api_of(url) as api:
            with pytest.raises(ServerUnavailable, match="several content encodings"):
                await api.object_info()


async def test_a_file_that_drips_means_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(endpoints, "_FILES", LIMITS)
    async with sending(DRIP) as url, api_of(url) as api:
        with pytest.raises(ServerUnreachable, match="GET /view is too slow"):
            await api.download(FILE, tmp_path / "a")


@pytest.mark.parametrize(
    "send",
    [
        whole(OK + b"Content-Length: 100001\r\n\r\n"),
        endless(OK + b"Connection: close\r\n\r\n", bytes(1 << 16)),
        bomb,
    ],
    ids=["announced", "endless", "bomb"],
)
async def test_a_file_over_the_farms_limit_names_the_setting(send: Send, tmp_path: Path) -> None:
    async with sending(send) as url:
        api = Api(Address(url, largest_file=100_000))
        with pytest.raises(FileNotPassed, match="more than 100,000 bytes: raise frame_gigabytes of the farm block"):
            await api.download(FILE, tmp_path / "a")
        await api.aclose()
    assert not (tmp_path / "a").exists() or (tmp_path / "a").stat().st_size <= 100_000


async def test_a_file_in_nested_encodings_is_damaged(tmp_path: Path) -> None:
    async with sending(encoded(nested(100), "gzip, gzip")) as url, api_of(url) as api:
        with few_megabytes(3), pytest.raises(FrameDamaged, match="several content encodings"):
            await api.download(FILE, tmp_path / "a")


def chunked(count: int, piece: bytes) -> Send:
    """Send a body in equal chunks, all at once."""
    chunks = b"%x\r\n%s\r\n" % (len(piece), piece) * count
    return whole(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


async def test_a_body_in_very_many_small_pieces_is_refused() -> None:
    with pytest.raises(BodyDamagedError, match="more than 10,000 pieces, of fewer than 512 bytes each"):
        await body_of(chunked(10_001, b"x"))
    assert await body_of(chunked(10_000, b"x")) == b"x" * 10_000


async def test_others_work_while_a_body_in_small_pieces_is_read() -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    await body_of(chunked(1, b"x" * 9_000))
    whole_body, turns = turns, 0
    await body_of(chunked(9_000, b"x"))
    working.cancel()
    assert turns > whole_body + 100


async def test_an_answer_of_very_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_VALUES", 1_000)
    for count, text in ((1_000, "[],"), (100, '"a,[{",')):
        body = f'{{"queue_pending": [], "queue_running": [{text * count}0]}}'.encode()
        async with answering(lambda _, body=body: response(200, body)) as (url, _), api_of(url) as api:  # type: ignore[misc]
            if text == "[],":
                with pytest.raises(ServerUnavailable, match="GET /queue with more than 1,000 values"):
                    await api.queue()
            else:
                assert (await api.queue()).entries == ()


@pytest.mark.parametrize(("letters", "aside"), [(1_000, False), (1_000_000, True)])
async def test_a_large_answer_is_parsed_in_a_thread(
    letters: int, *, aside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: threads.append(threading.current_thread()) or loads(text))
    async with answering(lambda _: response(200, {"a": "x" * letters})) as (url, _), api_of(url) as api:
        assert await api.has_history()
    assert [each is not threading.current_thread() for each in threads] == [aside]
