"""Single steps with the client of S3, which block; what goes wrong is raised as botocore has it."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.parsers import ResponseParserError

from previs.errors import SourceNotFound
from previs.store.s3_errors import S3_ERRORS, classify, error_of_key

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PART_BYTES: Final = 16 * 1024 * 1024
# The most that S3 takes in one request.
KEYS_A_REQUEST: Final = 1000
# A large file is sent in four parts at once, beside the single requests.
PARTS_AT_ONCE: Final = 4


def read(client: "S3Client", where: dict[str, Any]) -> bytes | None:
    """An object's bytes, or nothing if there is none."""
    try:
        answer = client.get_object(**where)
    except S3_ERRORS as error:
        if classify(error).kind == "absent":
            return None
        raise
    with closing(answer["Body"]) as body:
        return body.read()


def size_of(client: "S3Client", where: dict[str, Any]) -> int | None:
    """An object's size in bytes, or nothing if there is none.

    Too small if the answer ended within that very number, which nothing tells from a whole one.
    """
    try:
        return client.head_object(**where).get("ContentLength")
    except S3_ERRORS as error:
        if classify(error).kind == "absent":
            return None
        raise


def listed(client: "S3Client", wanted: dict[str, Any]) -> Mapping[str, Any]:
    """A page of a listing."""
    try:
        return client.list_objects_v2(**wanted)
    except ValueError as error:
        # botocore lets numbers and times that are none through as they fail.
        raise ResponseParserError("a listing with values that are none") from error


def put_new(client: "S3Client", wanted: dict[str, Any]) -> bool:
    """Write an object if there is none; false if there is one, or if this S3 refuses the condition itself."""
    try:
        client.put_object(**wanted, IfNoneMatch="*")
    except S3_ERRORS as error:
        if classify(error).kind not in {"taken", "unsupported"}:
            raise
        return False
    return True


def heeds_conditions(client: "S3Client", probe: dict[str, Any]) -> bool:
    """Write an object, then tell whether this S3 refuses to write it if there must be none."""
    client.put_object(**probe)
    try:
        client.put_object(**probe, IfNoneMatch="*")
    except S3_ERRORS as error:
        kind = classify(error).kind
        if kind not in {"taken", "unsupported"}:
            raise
        return kind == "taken"
    return False


def send_new(client: "S3Client", path: Path, wanted: dict[str, Any]) -> bool:
    """Write a file of one part as :func:`put_new` does."""
    with opened(path) as stream:
        return put_new(client, wanted | {"Body": stream})


def send(client: "S3Client", path: Path, where: dict[str, Any], extra: dict[str, Any]) -> None:
    """Write a file, a large one in parts, in the place of what is there."""
    opened(path).close()
    parts = TransferConfig(
        multipart_threshold=PART_BYTES + 1, multipart_chunksize=PART_BYTES, max_concurrency=PARTS_AT_ONCE
    )
    # Of an open stream boto3 holds up to ten parts in memory; a path's parts it reads while it sends them. Its own
    # upload_file would hide what was answered behind an error of another class.
    with create_transfer_manager(client, parts) as transfers:
        transfers.upload(str(path), where["Bucket"], where["Key"], extra_args=extra).result()


def remove(client: "S3Client", bucket: str, names: list[str]) -> None:
    """Remove objects, a thousand at most; where S3 has no such request, one by one."""
    try:
        wanted: Any = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        answer = client.delete_objects(Bucket=bucket, Delete=wanted)
    except S3_ERRORS as error:
        if classify(error).kind != "unsupported":
            raise
        for name in names:
            client.delete_object(Bucket=bucket, Key=name)
        return
    for fault in answer.get("Errors", []):
        if (refusal := error_of_key(fault)) is not None:
            raise refusal


def opened(path: Path) -> BinaryIO:
    """A file to be read.

    Raises:
        SourceNotFound: it cannot be.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
