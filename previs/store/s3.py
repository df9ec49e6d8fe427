"""A store in S3 or in anything that speaks its protocol."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

from boto3.s3.transfer import TransferConfig, create_transfer_manager

from previs.errors import SourceNotFound, StoreRefused, StoreTrouble
from previs.store import keys
from previs.store.s3_connection import PARTS_AT_ONCE, S3Connection, S3Settings
from previs.store.s3_verdicts import NO_S3, S3_ERRORS, S3Error, judge

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

_PART_BYTES: Final = 16 * 1024 * 1024
# Always the same key, so that a check needs no permission to delete.
_PROBE_KEY: Final = ".previs-check"
_PROBE: Final = b"previs makes sure here that it may write and read\n"


class S3Store:
    """A store below a prefix of a bucket.

    Needs ``s3:ListBucket`` on the bucket, ``s3:GetObject`` and ``s3:PutObject`` on what is below the prefix, and, for
    large files given up half-way, ``s3:AbortMultipartUpload``. Nothing is ever deleted.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._connection = S3Connection(settings)
        self._prefix = keys.below(settings.prefix)

    def __repr__(self) -> str:
        return f"S3Store({self.name!r})"

    @property
    def name(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._settings.bucket}/{self._prefix}".rstrip("/")

    @property
    def settings(self) -> S3Settings:
        """How it is reached, credentials included."""
        return self._settings

    @property
    def public(self) -> bool:
        """Whether a public address was given."""
        return self._settings.public_url is not None

    async def check(self) -> None:
        """List, write and read; a small file ``.previs-check`` stays below the prefix."""
        bucket, prefix = self._settings.bucket, self._prefix
        await self._run(lambda client: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1), self._listing())
        await self.put(_PROBE_KEY, _PROBE, media_type="text/plain")
        if await self.get(_PROBE_KEY) != _PROBE:
            raise StoreRefused(self.name, NO_S3)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes, in the place of what is there."""
        where = self._where(key)
        extra = self._encryption() | {"ContentType": media_type}
        await self._run(lambda client: client.put_object(**where, Body=data, **extra), self._writing())

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        download_name: str | None = None,
        if_absent: bool = False,
    ) -> None:
        """Write a file, a large one in parts, in the place of what is there."""
        where = self._where(key)
        extra = self._encryption() | {"ContentType": media_type}
        if download_name is not None:
            extra["ContentDisposition"] = content_disposition(download_name)
        parts = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )

        def send(client: "S3Client") -> None:
            try:
                stream = path.open("rb")
            except OSError as error:
                raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
            with stream:
                if if_absent and self._size(client, where) == os.fstat(stream.fileno()).st_size:
                    return
            # Of an open stream boto3 holds up to ten parts in memory; a path's parts it reads while it sends them. Its
            # own upload_file would hide what was answered behind an error of another class.
            with create_transfer_manager(client, parts) as transfers:
                transfers.upload(str(path), where["Bucket"], where["Key"], extra_args=extra).result()

        await self._run(send, self._writing())

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or nothing if there are none."""
        where = self._where(key)

        def fetch(client: "S3Client") -> bytes:
            body = client.get_object(**where)["Body"]
            try:
                return body.read()
            finally:
                body.close()

        try:
            return await self._connection.run(fetch)
        except S3_ERRORS as error:
            if judge(error, self._reading()).kind == "absent":
                return None
            raise self._error(error, self._reading()) from error

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Every key below a prefix with its size in bytes, a thousand a request."""
        below = keys.below(prefix)
        if below:
            self._where(below.rstrip("/"))
        wanted, cut = self._prefix + below, len(self._prefix)

        def collect(client: "S3Client") -> dict[str, int]:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._settings.bucket, Prefix=wanted)
            listed = (entry for page in pages for entry in page.get("Contents", []))
            return {entry["Key"][cut:]: entry["Size"] for entry in listed if not entry["Key"].endswith("/")}

        return await self._run(collect, self._listing())

    async def link(self, key: str) -> str:
        """The public address, or else one signed for the time that the settings allow."""
        where = self._where(key)
        if self._settings.public_url is not None:
            return f"{self._settings.public_url}/{quote(where['Key'])}"
        seconds = self._settings.link_seconds
        return await self._run(
            lambda client: client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds),
            self._reading(),
        )

    def uri(self, key: str) -> str:
        """An object, or a folder with its closing slash, as ``s3://bucket/prefix/key`` with nothing escaped."""
        self._where(key.removesuffix("/"))
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    async def aclose(self) -> None:
        """Wait for requests under way and close all connections."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _run(self, work: "Callable[[S3Client], T]", permission: str) -> T:
        try:
            return await self._connection.run(work)
        except S3_ERRORS as error:
            raise self._error(error, permission) from error

    def _error(self, error: S3Error, permission: str) -> StoreRefused | StoreTrouble:
        verdict = judge(error, permission)
        return (StoreTrouble if verdict.kind == "trouble" else StoreRefused)(self.name, verdict.reason)

    def _size(self, client: "S3Client", where: dict[str, Any]) -> int | None:
        try:
            return client.head_object(**where)["ContentLength"]
        except S3_ERRORS as error:
            if judge(error, self._reading()).kind == "absent":
                return None
            raise self._error(error, self._reading()) from error

    def _where(self, key: str) -> dict[str, Any]:
        fault = keys.fault_of(key) or (keys.fault_of(self._prefix + key))
        if fault is not None:
            raise StoreRefused(self.name, f"key {key!r}: {fault}")
        return {"Bucket": self._settings.bucket, "Key": self._prefix + key}

    def _encryption(self) -> dict[str, Any]:
        wanted = {
            "ServerSideEncryption": self._settings.server_side_encryption,
            "SSEKMSKeyId": self._settings.kms_key_id,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _listing(self) -> str:
        return f"s3:ListBucket on s3://{self._settings.bucket}"

    def _writing(self) -> str:
        needed = f"s3:PutObject on {self.name}/*"
        if (self._settings.server_side_encryption or "").startswith("aws:kms"):
            return f"{needed}, and kms:GenerateDataKey and kms:Decrypt on the encryption key"
        return needed

    def _reading(self) -> str:
        return f"s3:GetObject on {self.name}/*, and s3:ListBucket on the bucket to tell what is absent"


def content_disposition(download_name: str) -> str:
    """A Content-Disposition header that shows a file in the browser and names it when it is saved (RFC 6266, 8187)."""
    name = "".join("_" if unicodedata.category(c) in {"Cc", "Cs"} or c in '/\\"' else c for c in download_name)
    plain = "".join(c if c.isascii() else "_" for c in name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
