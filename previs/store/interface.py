"""What a store can do, whatever it is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a listing.

    Attributes:
        size: in bytes.
        modified: when it was last written, by the store's own clock; aware, in UTC.
    """

    size: int
    modified: datetime


class Store(Protocol):
    """Files under keys, which are those of :mod:`previs.store.keys`.

    Every method may be called from many tasks at once and blocks no event loop. Writing is atomic: a reader sees the
    old bytes or the new ones, never half of them. A write that was cancelled may still happen.

    Every method raises ``StoreRefused`` where a person must change something (a key that leads out of the store is such
    a case), and ``StoreUnavailable`` where the same may succeed later.
    """

    @property
    def name(self) -> str:
        """The store in a person's words, without secrets: ``s3://bucket/prefix`` or the folder."""

    @property
    def public(self) -> bool:
        """Whether a page in the store can show its neighbours by relative links, with no signature."""

    @property
    def link_seconds(self) -> int | None:
        """How long an address from ``link`` works; nothing if it lasts."""

    async def check(self) -> None:
        """Try to list, write and read, so that no render is paid for that cannot be kept."""

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes, in the place of what is there."""

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Write bytes only if nothing is under the key, and tell whether these bytes are what is there now.

        Of any number of callers on any machines exactly one is told so, provided that each one's bytes hold something
        that no other caller's do. For it cannot be known whether a request whose answer was lost has written: what is
        found there afterwards is compared.
        """

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
        """Write a file of any size, in the place of what is there.

        Args:
            key: where to.
            path: of the file to copy; ``SourceNotFound`` if it cannot be read.
            media_type: such as ``image/png``.
            download_name: what a browser should call the file when somebody saves it.
            if_absent: leave a file alone that is there with the same size: for keys made of the content's hash.
            metadata: words to keep with the file where the store has a place for them, under names of letters, digits
                and hyphens.
        """

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or nothing if there are none."""

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        """Every key below a prefix with its size and time; the prefix is a folder, with or without its last slash."""

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove files; a key under which there is none is passed over. What was removed when it raises stays so."""

    async def link(self, key: str) -> str:
        """An address that a person can open; whether the file is there is not asked."""

    def uri(self, key: str) -> str:
        """The place of a key for programs: ``s3://bucket/prefix/key`` or an absolute path.

        A folder of keys, such as ``references/``, has a place too, which ends with its slash.
        """

    async def aclose(self) -> None:
        """Wait for writes under way and release connections; the store cannot be used afterwards."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
