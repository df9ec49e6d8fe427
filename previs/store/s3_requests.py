"""Send single requests to S3; functions block, and errors are botocore's own."""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from botocore import exceptions as boto

from previs.errors import SourceNotFound
from previs.store.s3_errors import classify, error_of_key, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PART_BYTES: Final = 16 * 1024 * 1024
# S3 deletes at most 1000 objects per request.
KEYS_PER_REQUEST: Final = 1000
PARTS_AT_ONCE: Final = 4
_PIECE_BYTES: Final = 1 << 18
_LEAST_BYTES, _PER_SECONDS = 1 << 16, 30.0


class ObjectTooLargeError(Exception):
    """Report an object with more bytes than the limit."""


def read(client: "S3Client", where: dict[str, Any], to: BinaryIO, limit: int) -> bool:
    """Write an object's bytes to an empty file, and return whether it exists.

    Raises:
        ObjectTooLargeError: It has more bytes than the limit.
    """
    try:
        answer = client.get_object(**where)
    except s3_errors() as error:
        if classify(error).kind == "absent":
            return False
        raise
    to.writelines(body_pieces(answer, limit))
    return True


def body_pieces(answer: Mapping[str, Any], largest: int, seconds: float | None = None) -> Iterator[bytes]:
    """Yield the bytes of an object that was requested, in pieces of at most 256 KB, and close its answer.

    Args:
        answer: Answer of ``get_object``.
        largest: Most bytes that it may have.
        seconds: Longest time; None for as long as 64 KB arrive every 30 s.

    Raises:
        ObjectTooLargeError: It has more bytes.
        ReadTimeoutError, IncompleteReadError, ResponseStreamingError: It did not arrive in time, or not whole.
    """
    announced = answer.get("ContentLength")
    size = 0
    with closing(answer["Body"]) as body:
        if (announced or 0) > largest:
            raise ObjectTooLargeError
        for piece in _pieces(body, seconds):
            size += len(piece)
            if size > largest:
                raise ObjectTooLargeError
            yield piece
    if announced is not None and size != announced:
        raise boto.IncompleteReadError(actual_bytes=size, expected_bytes=announced)


def _pieces(body: Any, seconds: float | None) -> Iterator[bytes]:  # noqa: ANN401 - the stubs lack its context manager
    """Yield a body as it arrives; ``read`` would wait for a full piece, however slowly its bytes arrive."""
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    began = since = time.monotonic()
    arrived = 0
    with body as raw:
        while True:
            try:
                piece = raw.read1(_PIECE_BYTES)
            except ReadTimeoutError as error:
                raise boto.ReadTimeoutError(endpoint_url="S3", error=error) from error
            except ProtocolError as error:
                raise boto.ResponseStreamingError(error=error) from error
            if not piece:
                return
            now, arrived = time.monotonic(), arrived + len(piece)
            if (arrived < _LEAST_BYTES and now - since > _PER_SECONDS) or (seconds and now - began > seconds):
                raise boto.ReadTimeoutError(endpoint_url="S3")
            if arrived >= _LEAST_BYTES:
                since, arrived = now, 0
            yield piece


def size_of(client: "S3Client", where: dict[str, Any]) -> int | None:
    """Return an object's size in bytes, or None if it does not exist.

    The size is too small if the response was cut within that very number, which cannot be detected.
    """
    try:
        return client.head_object(**where).get("ContentLength")
    except s3_errors() as error:
        if classify(error).kind == "absent":
            return None
        raise


def list_page(client: "S3Client", wanted: dict[str, Any]) -> Mapping[str, Any]:
    """Return a page of a listing."""
    try:
        return client.list_objects_v2(**wanted)
    except ValueError as error:
        from botocore.parsers import ResponseParserError

        # botocore does not translate the ValueError of an invalid number or time.
        raise ResponseParserError("a listing with invalid values") from error


def put_new(client: "S3Client", wanted: dict[str, Any]) -> bool:
    """Write an object if it does not exist; return false if it exists, or if this S3 rejects the condition."""
    try:
        client.put_object(**wanted, IfNoneMatch="*")
    except s3_errors() as error:
        if classify(error).kind not in {"taken", "unsupported"}:
            raise
        return False
    return True


def honours_conditions(client: "S3Client", probe: dict[str, Any]) -> bool:
    """Write an object, and return whether this S3 refuses to create it a second time."""
    client.put_object(**probe)
    try:
        client.put_object(**probe, IfNoneMatch="*")
    except s3_errors() as error:
        kind = classify(error).kind
        if kind not in {"taken", "unsupported"}:
            raise
        return kind == "taken"
    return False


def send_new(client: "S3Client", path: Path, wanted: dict[str, Any]) -> bool:
    """Write a file in one part, as :func:`put_new` does."""
    with open_file(path) as stream:
        return put_new(client, wanted | {"Body": stream})


def send(client: "S3Client", path: Path, where: dict[str, Any], extra: dict[str, Any]) -> None:
    """Write a file, a large one in parts, and replace the stored object."""
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    open_file(path).close()
    parts = TransferConfig(
        multipart_threshold=PART_BYTES + 1, multipart_chunksize=PART_BYTES, max_concurrency=PARTS_AT_ONCE
    )
    # boto3 holds up to ten parts of an open stream in memory, but reads those of a path while it sends them. Its
    # upload_file would hide the response behind an error of another class.
    with create_transfer_manager(client, parts) as transfers:
        transfers.upload(str(path), where["Bucket"], where["Key"], extra_args=extra).result()


def remove(client: "S3Client", bucket: str, names: list[str]) -> None:
    """Remove at most a thousand objects; one by one if this S3 has no request for many."""
    try:
        wanted: Any = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        answer = client.delete_objects(Bucket=bucket, Delete=wanted)
    except s3_errors() as error:
        if classify(error).kind != "unsupported":
            raise
        for name in names:
            client.delete_object(Bucket=bucket, Key=name)
        return
    for fault in answer.get("Errors", []):
        if (refusal := error_of_key(fault)) is not None:
            raise refusal


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        SourceNotFound: The file cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
