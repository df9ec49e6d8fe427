"""What a store can do, whatever it is made of."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class Store(Protocol):
    """Files under keys, which are those of :mod:`previs.store.keys`.

    Every method may be called from many tasks at once and blocks no event loop. Writing is atomic: a reader sees the
    old bytes or the new ones, never half of them. A write that was cancelled may still happen.

    Every method raises ``StoreRefused`` where a person must change something (a key that leads out of the store is such
    a case), and ``StoreTrouble`` where the same may succeed later.
    """

    @property
    def name(self) -> str:
        """The store in a person's words, without secrets: ``s3://bucket/prefix`` or the folder."""

    @property
    def public(self) -> bool:
        """Whether a page in the store can show its neighbours by relative links, with no signature."""

    async def check(self) -> None:
        """Try to list, write and read, so that no render is paid for that cannot be kept."""

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Write bytes, in the place of what is there."""

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        download_name: str | None = None,
        if_absent: bool = False,
    ) -> None:
        """Write a file of any size, in the place of what is there.

        Args:
            key: where to.
            path: of the file to copy; ``SourceNotFound`` if it cannot be read.
            media_type: such as ``image/png``.
            download_name: what a browser should call the file when somebody saves it.
            if_absent: leave a file alone that is there with the same size: for keys made of the content's hash.
        """

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or nothing if there are none."""

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Every key below a prefix with its size in bytes; the prefix is a folder, with or without its last slash."""

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
