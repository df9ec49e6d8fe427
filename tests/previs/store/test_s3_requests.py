"""Check responses of S3 that end anywhere: each is complete enough, or counts as trouble."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from previs.store import s3_requests
from previs.store.s3_connection import S3Connection
from previs.store.s3_errors import classify, s3_errors
from previs.store.s3_settings import S3Settings
from tests.previs.store.fault_schedule import headers_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

WHERE: dict[str, Any] = {"Bucket": "film", "Key": "boards/a"}
HEAD = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nDate: Fri, 27 Nov 2026 10:44:48 GMT\r\nContent-Type: application/xml\r\n"
)
TIMES = b'ETag: "1"\r\nLast-Modified: Fri, 27 Nov 2026 10:44:48 GMT\r\nx-amz-version-id: 1\r\n'
LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>boards/a'
    b"</Key><LastModified>2026-11-27T10:44:48.000Z</LastModified><Size>20</Size></Contents></ListBucketResult>"
)
DELETED = b'<?xml version="1.0" encoding="UTF-8"?><DeleteResult></DeleteResult>'
NO_BUCKET = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code><Message>m</Message></Error>'


def answer_of(body: bytes, more: bytes = b"", *, length_first: bool = False, head: bytes = HEAD) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return head + (length + more if length_first else more + length) + b"x-amz-request-id: 1\r\n\r\n" + body


def in_chunks(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]) if part)
    return HEAD + TIMES + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


class FixedResponse:
    """Answer every request with the same bytes, ``response``; ``url`` is the address."""

    def __init__(self) -> None:
        self.response = b""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = headers_of(await reader.readuntil(b"\r\n\r\n"))
        if b"expect" in fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(int(fields.get(b"content-length", 0)))
        writer.write(self.response)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[FixedResponse]:
    made = FixedResponse()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


def read(client: "S3Client") -> bytes | None:
    content = io.BytesIO()
    return content.getvalue() if s3_requests.read(client, WHERE, content, 100) else None


async def outcomes(
    server: FixedResponse, answer: bytes, work: Callable[["S3Client"], object], *, shortest: int = len(b"HTTP/1.1 200")
) -> list[object]:
    """Return the result or the kind of error of a request for every length of the response after its status."""
    settings = S3Settings(
        bucket="film",
        region="us-east-1",
        endpoint_url=server.url,
        access_key_id="AKIDSCRIPTED",
        secret_access_key="secret",  # noqa: S106 - opens nothing
    )
    connection = S3Connection(settings)
    found: list[object] = []
    for end in range(shortest, len(answer) + 1):
        server.response = answer[:end]
        try:
            found.append(await connection.run(work))
        except s3_errors() as error:
            found.append(classify(error).kind)
    await connection.aclose()
    return found


@pytest.mark.parametrize(
    "answer", [answer_of(b"x" * 20, TIMES), answer_of(b"x" * 20, TIMES, length_first=True), in_chunks(b"x" * 20)]
)
async def test_an_object_whose_response_ends_early_is_trouble(server: FixedResponse, answer: bytes) -> None:
    found = await outcomes(server, answer, read)
    assert found[-1] == b"x" * 20
    assert set(found[:-8]) == {"trouble"}
    assert set(found[-8:]) <= {"trouble", b"x" * 20}


@pytest.mark.parametrize("answer", [answer_of(b"x" * 101), in_chunks(b"x" * 101)])
async def test_no_more_than_the_limit_of_an_object_is_read(server: FixedResponse, answer: bytes) -> None:
    with pytest.raises(s3_requests.ObjectTooLargeError):
        await outcomes(server, answer, read, shortest=len(answer))


async def test_a_size_whose_response_ends_early_is_trouble_or_too_small(server: FixedResponse) -> None:
    answer = answer_of(b"x" * 20, TIMES).removesuffix(b"x" * 20)
    found = await outcomes(server, answer, lambda client: s3_requests.size_of(client, WHERE))
    assert found[-1] == 20
    assert set(found) == {"trouble", 2, 20}
    assert found.count(2) == 1


async def test_a_listing_that_ends_early_is_not_a_short_one(server: FixedResponse) -> None:
    def keys(client: "S3Client") -> object:
        return [listed.get("Key") for listed in s3_requests.list_page(client, {"Bucket": "film"}).get("Contents", [])]

    found = await outcomes(server, answer_of(LISTING), keys)
    assert found[-1] == ["boards/a"]
    assert set(found[:-1]) == {"trouble"}


async def test_a_deletion_whose_answer_ends_early_may_have_had_refusals(server: FixedResponse) -> None:
    found = await outcomes(server, answer_of(DELETED), lambda client: s3_requests.remove(client, "film", ["a"]))
    assert found[-1] is None
    assert set(found[:-1]) == {"trouble"}


async def test_a_missing_bucket_does_not_count_as_a_missing_object(server: FixedResponse) -> None:
    answer = answer_of(NO_BUCKET, head=HEAD.replace(b"200 OK", b"404 Not Found"))
    found = await outcomes(server, answer, read)
    assert found[-1] == "refused"
    assert None not in found[answer.index(b"Content-Length") + 20 :]


async def test_a_file_sent_while_responses_end_early_is_sent_or_trouble(server: FixedResponse, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x" * 20)
    found = await outcomes(
        server, answer_of(b"", b'ETag: "1"\r\n'), lambda client: s3_requests.send(client, path, WHERE, {})
    )
    assert found[-1] is None
    assert set(found) <= {"trouble", None}
