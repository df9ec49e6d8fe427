"""Define the interface of every store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from previs.store.bounds import RECORD_BYTES


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Represent a file in a listing.

    Attributes:
        size: Size in bytes.
        modified: Time of the last write by the store's own clock; aware, in UTC.
    """

    size: int
    modified: datetime


class Store(Protocol):
    """Keep files under keys, which :mod:`previs.store.keys` defines.

    Every method may be called from many tasks at once, and none blocks the event loop. Writes are atomic: a reader sees
    the old bytes or the new ones, never half of them. A cancelled write may still happen.

    Every method raises ``StoreRefused`` if a person must change something, such as a key that leads out of the store,
    and ``StoreUnavailable`` if the same call may succeed later.
    """

    @property
    def name(self) -> str:
        """Return the store's name for people, without secrets: ``s3://bucket/prefix`` or the folder."""

    @property
    def public(self) -> bool:
        """Return whether a page in the store can show its neighbours by relative links, without signatures."""

    @property
    def page_assets(self) -> bool:
        """Return whether pages have style and script beside them, because the store's host forbids inline ones."""

    @property
    def link_seconds(self) -> int | None:
        """Return for how long a URL from ``link`` works, in seconds, or None if it lasts."""

    async def check(self) -> None:
        """Try to list, write and read, so that no take is rendered that cannot be kept."""

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes and replace what is stored under the key."""

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Write bytes if the key is free, and return whether the key now holds these bytes.

        Of any number of callers on any machines exactly one gets true, provided that no two of them pass the same
        bytes. A request whose answer was lost may have written, so the stored bytes are compared afterwards.
        """

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
        """Write a file of any size and replace what is stored under the key.

        Args:
            key: Key to write to.
            path: Path of the file to copy; ``SourceNotFound`` if it cannot be read.
            media_type: Media type, such as ``image/png``.
            download_name: File name that a browser proposes when somebody saves the file.
            if_absent: Keep a stored file of the same size; for keys made of the content's hash.
            likely_new: With ``if_absent``: whether the key is most likely free, so that a store need not ask first.
            metadata: Texts to keep with the file, by names of letters, digits and hyphens; some stores drop them.
        """

    async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
        """Return the bytes under a key, or None if there are none.

        Raises:
            RecordUnreadable: There are more than ``limit``; no more are read.
        """

    async def get_file(self, key: str, path: Path, *, limit: int) -> bool:
        """Copy the bytes under a key, in pieces, to a file, and return whether there are any.

        If it raises, the file may exist and be incomplete.

        Raises:
            RecordUnreadable: There are more than ``limit``; no more are read.
            OSError: The file cannot be written.
        """

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        """Return all files below a prefix by key; the prefix is a folder, with or without its last slash.

        S3 refuses the listing if there are more than two million.
        """

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove files; absent keys are ignored. If it raises, some files may be removed already."""

    async def unfinished(self) -> dict[str, StoredFile]:
        """Return the files that killed writers left, and those of writers at work, by key; no listing has them."""

    async def link(self, key: str) -> str:
        """Return a URL that a person can open, without checking that the file exists."""

    def uri(self, key: str) -> str:
        """Return the URI of a key for programs: ``s3://bucket/prefix/key`` or an absolute path.

        A folder of keys, such as ``references/``, has a URI too, which ends with its slash.
        """

    async def aclose(self) -> None:
        """Wait for pending writes and release connections; the store cannot be used afterwards."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
