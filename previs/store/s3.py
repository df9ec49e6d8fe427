"""A store in S3 or in anything that speaks its protocol."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

from previs.errors import StoreRefused, StoreUnavailable
from previs.store import keys, s3_requests
from previs.store.interface import StoredFile
from previs.store.retry import CHECK_SECONDS, PATIENCE_SECONDS, patiently
from previs.store.s3_connection import S3Connection
from previs.store.s3_errors import NO_S3, S3_ERRORS, S3Error, classify
from previs.store.s3_settings import S3Settings
from previs.store.s3_wire import content_disposition, entry_of, user_metadata

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

# Always the same key, so that a check needs no permission to delete.
_PROBE_KEY: Final = ".previs-check"
_PROBE: Final = b"previs makes sure here that it may write and read\n"
# Where nothing tells the first writer of a key from the second, each looks after this time who was the last.
_SETTLING_SECONDS: Final = 1.0


class S3Store:
    """A store below a prefix of a bucket.

    Needs ``s3:ListBucket`` on the bucket, ``s3:GetObject`` and ``s3:PutObject`` on what is below the prefix, and, for
    large files given up half-way, ``s3:AbortMultipartUpload``. Only ``delete`` needs ``s3:DeleteObject``.

    Every method but ``check`` asks again for as long as its patience lasts where S3 is busy, silent or away.

    Args:
        settings: where it is.
        patience: for how many seconds.
    """

    def __init__(self, settings: S3Settings, *, patience: float = PATIENCE_SECONDS) -> None:
        self._settings = settings
        self._connection = S3Connection(settings)
        self._prefix = keys.below(settings.prefix)
        self._patience = patience
        self._heeds_conditions: bool | None = None

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

    @property
    def link_seconds(self) -> int | None:
        """What the settings allow a signed address; nothing for a public one."""
        return None if self.public else self._settings.link_seconds

    async def check(self) -> None:
        """List, write and read; a small file ``.previs-check`` stays below the prefix."""
        seconds = min(self._patience, CHECK_SECONDS)
        own = {"Bucket": self._settings.bucket, "Prefix": self._prefix + _PROBE_KEY}
        await self._run(lambda client: s3_requests.listed(client, own), self._listing(), seconds)
        self._heeds_conditions = await self._probe_conditions(seconds)
        if await self._read(_PROBE_KEY, seconds) != _PROBE:
            raise StoreRefused(self.name, NO_S3)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes, in the place of what is there."""
        where = self._where(key) | self._encryption() | {"ContentType": media_type}
        await self._run(lambda client: client.put_object(**where, Body=data), self._writing())

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Write bytes if nothing is under the key.

        An S3 that does not heed ``If-None-Match`` cannot tell writers apart: there the last one counts who wrote within
        a second of the first, and one that is held up for longer between looking and writing may count as well.
        """
        where = self._where(key) | self._encryption() | {"ContentType": media_type}
        if self._heeds_conditions is None:
            self._heeds_conditions = await self._probe_conditions(self._patience)
        if self._heeds_conditions:
            wanted = where | {"Body": data}
            if await self._run(lambda client: s3_requests.put_new(client, wanted), self._writing()):
                return True
        elif await self.get(key) is None:
            await self.put(key, data, media_type=media_type)
            await asyncio.sleep(_SETTLING_SECONDS)
        # Also where it was taken: the first of two attempts may have written although its answer was lost.
        return await self.get(key) == data

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        download_name: str | None = None,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a file, a large one in parts, in the place of what is there."""
        where = self._where(key)
        extra: dict[str, Any] = self._encryption() | {"ContentType": media_type}
        if download_name is not None:
            extra["ContentDisposition"] = content_disposition(download_name)
        if metadata:
            extra["Metadata"] = user_metadata(metadata)
        if not (if_absent and await self._is_there(path, where, extra)):
            await self._run(lambda client: s3_requests.send(client, path, where, extra), self._writing(), of_file=True)

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or nothing if there are none."""
        return await self._read(key, self._patience)

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        """Every key below a prefix with its size and time, a thousand a request."""
        below = keys.below(prefix)
        if below:
            self._where(below.rstrip("/"))
        wanted: Any = {"Bucket": self._settings.bucket, "Prefix": self._prefix + below}
        found: dict[str, StoredFile] = {}
        while True:
            page = await self._listed(wanted)
            for listed in page.get("Contents", []):
                key, entry = listed.get("Key", ""), entry_of(listed)
                if entry is None or not key.startswith(wanted["Prefix"]):
                    raise StoreRefused(self.name, NO_S3)
                if not key.endswith("/"):
                    found[key[len(self._prefix) :]] = entry
            more = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or not more:
                return found
            if more == wanted.get("ContinuationToken"):
                raise StoreRefused(self.name, NO_S3)
            wanted = wanted | {"ContinuationToken": more}

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand a request."""
        names = [self._where(key)["Key"] for key in keys]
        for start in range(0, len(names), s3_requests.KEYS_A_REQUEST):
            await self._remove(names[start : start + s3_requests.KEYS_A_REQUEST])

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

    async def _run(
        self,
        work: "Callable[[S3Client], T]",
        permission: str,
        patience: float | None = None,
        *,
        of_file: bool = False,
    ) -> T:
        async def attempt() -> T:
            try:
                return await self._connection.run(work, of_file=of_file)
            except S3_ERRORS as error:
                raise self._error(error, permission) from error

        return await patiently(self._patience if patience is None else patience)(attempt)

    async def _read(self, key: str, patience: float) -> bytes | None:
        where = self._where(key)
        return await self._run(lambda client: s3_requests.read(client, where), self._reading(), patience)

    async def _size(self, where: dict[str, Any]) -> int | None:
        return await self._run(lambda client: s3_requests.size_of(client, where), self._reading())

    async def _listed(self, wanted: dict[str, Any]) -> Mapping[str, Any]:
        return await self._run(lambda client: s3_requests.listed(client, wanted), self._listing())

    async def _remove(self, names: list[str]) -> None:
        bucket = self._settings.bucket
        await self._run(lambda client: s3_requests.remove(client, bucket, names), self._deleting())

    async def _is_there(self, path: Path, where: dict[str, Any], extra: dict[str, Any]) -> bool:
        """Whether a file is there now with its size: it was, or could be written without taking another's place."""
        size = await asyncio.to_thread(_size_of, path)
        there = await self._size(where)
        if there is not None or size > s3_requests.PART_BYTES or self._heeds_conditions is False:
            return there == size
        wanted = where | extra
        return (
            await self._run(lambda client: s3_requests.send_new(client, path, wanted), self._writing(), of_file=True)
            or await self._size(where) == size
        )

    async def _probe_conditions(self, patience: float) -> bool:
        probe = self._where(_PROBE_KEY) | self._encryption() | {"ContentType": "text/plain", "Body": _PROBE}
        return await self._run(lambda client: s3_requests.heeds_conditions(client, probe), self._writing(), patience)

    def _error(self, error: S3Error, permission: str) -> StoreRefused | StoreUnavailable:
        verdict = classify(error, permission)
        return (StoreUnavailable if verdict.kind == "trouble" else StoreRefused)(self.name, verdict.reason)

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

    def _deleting(self) -> str:
        return f"s3:DeleteObject on {self.name}/*"

    def _reading(self) -> str:
        return f"s3:GetObject on {self.name}/*, and s3:ListBucket on the bucket to tell what is absent"


def _size_of(path: Path) -> int:
    with s3_requests.opened(path) as stream:
        return os.fstat(stream.fileno()).st_size
