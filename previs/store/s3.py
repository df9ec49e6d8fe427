"""Keep files in S3 or in any service with its protocol."""

import asyncio
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

from previs.errors import RecordUnreadable, StoreRefused, StoreUnavailable
from previs.store import keys, s3_requests
from previs.store.bounds import RECORD_BYTES, too_large
from previs.store.interface import StoredFile
from previs.store.retry import CHECK_SECONDS, PATIENCE_SECONDS, retrying
from previs.store.s3_connection import S3Connection
from previs.store.s3_errors import NO_S3, classify, s3_errors
from previs.store.s3_settings import S3Settings
from previs.store.s3_wire import content_disposition, entry_of, user_metadata

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from previs.store.s3_errors import S3Error

T = TypeVar("T")

# Always the same key, so that a check needs no permission to delete.
_PROBE_KEY: Final = ".previs-check"
_PROBE: Final = b"previs makes sure here that it may write and read\n"
# An S3 without If-None-Match cannot tell writers apart: each checks after this time whose bytes are stored.
_SETTLING_SECONDS: Final = 1.0
_MOST_LISTED: Final = 2_000_000
# S3 may return pages with few objects or none, of a bucket with many old versions.
_LEAST_PER_PAGE: Final = 100
_SPLIT: Final = "remove runs with previs prune, or use another prefix"


class S3Store:
    """Keep files below a prefix of a bucket.

    The credentials need ``s3:ListBucket`` on the bucket, ``s3:GetObject`` and ``s3:PutObject`` below the prefix, and
    ``s3:AbortMultipartUpload`` to clean up cancelled uploads of large files. Only ``delete`` needs ``s3:DeleteObject``.

    Every method retries while S3 is busy, silent or unreachable; ``check`` does so for 5 s at most.

    Args:
        settings: Bucket, prefix, endpoint and credentials.
        patience: Seconds for which a method retries.
    """

    def __init__(self, settings: S3Settings, *, patience: float = PATIENCE_SECONDS) -> None:
        self._settings = settings
        self._connection = S3Connection(settings)
        self._prefix = keys.below(settings.prefix)
        self._patience = patience
        self._honours_conditions: bool | None = None

    def __repr__(self) -> str:
        return f"S3Store({self.name!r})"

    @property
    def name(self) -> str:
        """Return ``s3://bucket/prefix``."""
        return f"s3://{self._settings.bucket}/{self._prefix}".rstrip("/")

    @property
    def settings(self) -> S3Settings:
        """Return the settings, credentials included."""
        return self._settings

    @property
    def public(self) -> bool:
        """Return whether the settings have a public URL."""
        return self._settings.public_url is not None

    @property
    def page_assets(self) -> bool:
        """Return whether pages have style and script beside them."""
        return self._settings.page_assets

    @property
    def link_seconds(self) -> int | None:
        """Return for how long a signed URL works, in seconds, or None for public URLs."""
        return None if self.public else self._settings.link_seconds

    async def check(self) -> None:
        """List, write and read; a small file ``.previs-check`` stays in the store."""
        seconds = min(self._patience, CHECK_SECONDS)
        own = {"Bucket": self._settings.bucket, "Prefix": self._prefix + _PROBE_KEY}
        await self._run(lambda client: s3_requests.list_page(client, own), self._list_permission(), seconds)
        self._honours_conditions = await self._probe_conditions(seconds)
        if await self._read(_PROBE_KEY, seconds, RECORD_BYTES) != _PROBE:
            raise StoreRefused(self.name, NO_S3)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes and replace what is stored under the key."""
        target = self._object(key) | self._encryption() | {"ContentType": media_type}
        await self._run(lambda client: client.put_object(**target, Body=data), self._write_permission())

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Write bytes if the key is free.

        An S3 that ignores ``If-None-Match`` cannot tell writers apart. There the last writer within a second of the
        first gets true, and so may a writer that pauses for longer between its check and its write.
        """
        target = self._object(key) | self._encryption() | {"ContentType": media_type}
        if self._honours_conditions is None:
            self._honours_conditions = await self._probe_conditions(self._patience)
        if self._honours_conditions:
            request = target | {"Body": data}
            if await self._run(lambda client: s3_requests.put_new(client, request), self._write_permission()):
                return True
        elif await self._holds(key, data) is None:
            await self.put(key, data, media_type=media_type)
            await asyncio.sleep(_SETTLING_SECONDS)
        # If the key is taken, an earlier attempt may have written these bytes although its response was lost.
        return bool(await self._holds(key, data))

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        download_name: str | None = None,
        if_absent: bool = False,
        likely_new: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a file, a large one in parts, and replace what is stored under the key."""
        target = self._object(key)
        extra: dict[str, Any] = self._encryption() | {"ContentType": media_type}
        if download_name is not None:
            extra["ContentDisposition"] = content_disposition(download_name, media_type)
        if metadata:
            extra["Metadata"] = user_metadata(metadata)
        if not (if_absent and await self._ensure_stored(path, target, extra, likely_new=likely_new)):
            await self._run(
                lambda client: s3_requests.send(client, path, target, extra), self._write_permission(), of_file=True
            )

    async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
        """Return the bytes under a key, or None if there are none."""
        return await self._read(key, self._patience, limit)

    async def get_file(self, key: str, path: Path, *, limit: int) -> bool:
        """Copy an object to a file, and return whether it exists."""
        target = self._object(key)

        def fetch(client: "S3Client") -> bool:
            with path.open("wb") as stream:
                return s3_requests.read(client, target, stream, limit)

        try:
            return await self._run(fetch, self._read_permission(), of_file=True)
        except s3_requests.ObjectTooLargeError as error:
            raise too_large(self.uri(key), limit) from error

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        """Return all files below a prefix by key, a thousand per request, without keys that cannot be used.

        Raises:
            StoreRefused: There are more than two million, or more pages than these can fill, or a page repeats.
        """
        below = keys.below(prefix)
        if below:
            self._object(below.rstrip("/"))
        request: Any = {"Bucket": self._settings.bucket, "Prefix": self._prefix + below}
        found: dict[str, StoredFile] = {}
        asked: set[str] = set()
        listed_so_far = 0
        while True:
            page = await self._listed(request)
            for listed in page.get("Contents", []):
                key, entry = listed.get("Key", ""), entry_of(listed)
                if entry is None or not key.startswith(request["Prefix"]):
                    raise StoreRefused(self.name, NO_S3)
                if not key.endswith("/"):
                    found[key[len(self._prefix) :]] = entry
            more = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or not more:
                return keys.without_faults(found, self.name)
            if more in asked:
                raise StoreRefused(self.name, NO_S3)
            asked.add(more)
            listed_so_far += max(len(page.get("Contents", [])), _LEAST_PER_PAGE)
            if listed_so_far > _MOST_LISTED:
                raise StoreRefused(self.name, f"below {below or 'it'} are more than {_MOST_LISTED:,} objects: {_SPLIT}")
            request = request | {"ContinuationToken": more}

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand per request."""
        names = [self._object(key)["Key"] for key in keys]
        for start in range(0, len(names), s3_requests.KEYS_PER_REQUEST):
            await self._remove(names[start : start + s3_requests.KEYS_PER_REQUEST])

    async def unfinished(self) -> dict[str, StoredFile]:
        """Return nothing: an object is visible only as a whole; a rule of the bucket ends uploads in parts."""
        return {}

    async def link(self, key: str) -> str:
        """Return the public URL, or one that is signed for the time that the settings allow."""
        target = self._object(key)
        if self._settings.public_url is not None:
            return f"{self._settings.public_url}/{quote(target['Key'])}"
        seconds = self._settings.link_seconds
        return await self._run(
            lambda client: client.generate_presigned_url("get_object", Params=target, ExpiresIn=seconds),
            self._read_permission(),
        )

    def uri(self, key: str) -> str:
        """Return ``s3://bucket/prefix/key`` without escapes; the key may be a folder with its closing slash."""
        self._object(key.removesuffix("/"))
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    async def aclose(self) -> None:
        """Wait for pending requests and close all connections."""
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
            except s3_errors() as error:
                raise self._error(error, permission) from error

        return await retrying(self._patience if patience is None else patience)(attempt)

    async def _read(self, key: str, patience: float, limit: int) -> bytes | None:
        target = self._object(key)

        def fetch(client: "S3Client") -> bytes | None:
            content = io.BytesIO()
            return content.getvalue() if s3_requests.read(client, target, content, limit) else None

        try:
            return await self._run(fetch, self._read_permission(), patience)
        except s3_requests.ObjectTooLargeError as error:
            raise too_large(self.uri(key), limit) from error

    async def _holds(self, key: str, data: bytes) -> bool | None:
        """Return whether a key holds these bytes, or None if it is free."""
        try:
            stored = await self.get(key, limit=len(data))
        except RecordUnreadable:
            return False
        return None if stored is None else stored == data

    async def _size(self, target: dict[str, Any]) -> int | None:
        return await self._run(lambda client: s3_requests.size_of(client, target), self._read_permission())

    async def _listed(self, request: dict[str, Any]) -> Mapping[str, Any]:
        return await self._run(lambda client: s3_requests.list_page(client, request), self._list_permission())

    async def _remove(self, names: list[str]) -> None:
        bucket = self._settings.bucket
        await self._run(lambda client: s3_requests.remove(client, bucket, names), self._delete_permission())

    async def _ensure_stored(
        self, path: Path, target: dict[str, Any], extra: dict[str, Any], *, likely_new: bool
    ) -> bool:
        """Return whether a file of this size is stored, after creating it if the key was free and the file is small."""
        size = await asyncio.to_thread(_size_of, path)
        small = size <= s3_requests.PART_BYTES
        if not (small and likely_new and self._honours_conditions):
            stored = await self._size(target)
            if stored is not None or not small or self._honours_conditions is False:
                return stored == size
        request = target | extra
        return (
            await self._run(
                lambda client: s3_requests.send_new(client, path, request), self._write_permission(), of_file=True
            )
            or await self._size(target) == size
        )

    async def _probe_conditions(self, patience: float) -> bool:
        probe = self._object(_PROBE_KEY) | self._encryption() | {"ContentType": "text/plain", "Body": _PROBE}
        return await self._run(
            lambda client: s3_requests.honours_conditions(client, probe), self._write_permission(), patience
        )

    def _error(self, error: "S3Error", permission: str) -> StoreRefused | StoreUnavailable:
        found = classify(error, permission)
        return (StoreUnavailable if found.kind == "trouble" else StoreRefused)(self.name, found.reason)

    def _object(self, key: str) -> dict[str, Any]:
        fault = keys.fault_of(key) or (keys.fault_of(self._prefix + key))
        if fault is not None:
            raise StoreRefused(self.name, f"key {key!r}: {fault}")
        return {"Bucket": self._settings.bucket, "Key": self._prefix + key}

    def _encryption(self) -> dict[str, Any]:
        request = {
            "ServerSideEncryption": self._settings.server_side_encryption,
            "SSEKMSKeyId": self._settings.kms_key_id,
        }
        return {name: value for name, value in request.items() if value is not None}

    def _list_permission(self) -> str:
        return f"s3:ListBucket on s3://{self._settings.bucket}"

    def _write_permission(self) -> str:
        needed = f"s3:PutObject on {self.name}/*"
        if (self._settings.server_side_encryption or "").startswith("aws:kms"):
            return f"{needed}, and kms:GenerateDataKey and kms:Decrypt on the encryption key"
        return needed

    def _delete_permission(self) -> str:
        return f"s3:DeleteObject on {self.name}/*"

    def _read_permission(self) -> str:
        return f"s3:GetObject on {self.name}/*, and s3:ListBucket on the bucket to detect absent objects"


def _size_of(path: Path) -> int:
    with s3_requests.open_file(path) as stream:
        return os.fstat(stream.fileno()).st_size
