"""A store in a folder."""

import asyncio
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from previs.errors import PrevisError, SourceNotFound, StoreRefused, StoreTrouble
from previs.store import keys

_PERSON_MUST_ACT: Final = {
    errno.EACCES: "no permission: let the user who runs this read and write there",
    errno.EPERM: "no permission: let the user who runs this read and write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOENT: "it is gone, or cannot be made: is its drive there?",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder where a file should be",
    errno.ENOTEMPTY: "there is a folder where a file should be",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.ELOOP: "the path goes round in symbolic links",
    errno.EILSEQ: "the file system does not allow a character of the path",
    errno.EINVAL: "the file system does not allow a character of the path",
}
# ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION: another program, a virus scanner say, has the file open just now.
_WINDOWS_IN_USE: Final = {32, 33}
_UNFINISHED: Final = ".part"
_COPY_BYTES: Final = 1 << 20


class FolderStore:
    """A store in a folder, which is made when first written to.

    A program that is killed while it writes leaves a hidden file ending in ``.part`` behind; the store never shows it.

    Args:
        folder: absolute, or relative to the working directory of this moment.
    """

    public = True

    def __init__(self, folder: Path | str) -> None:
        self._root = Path(folder).absolute()

    def __repr__(self) -> str:
        return f"FolderStore({str(self._root)!r})"

    @property
    def name(self) -> str:
        """The folder's absolute path."""
        return str(self._root)

    async def check(self) -> None:
        """Make the folder, then list it, write a file there, read it and remove it."""
        await asyncio.to_thread(self._check)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:  # noqa: ARG002 - a folder keeps no media types
        """Write bytes, in the place of what is there."""

        def write(target: BinaryIO) -> None:
            target.write(data)

        await asyncio.to_thread(self._write, key, write)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,  # noqa: ARG002 - a folder keeps no media types
        download_name: str | None = None,  # noqa: ARG002 - nor other names
        if_absent: bool = False,
    ) -> None:
        """Copy a file, in the place of what is there."""
        await asyncio.to_thread(self._copy, key, path, if_absent=if_absent)

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or nothing if there are none."""
        return await asyncio.to_thread(self._read, key)

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Every key below a prefix with its size in bytes."""
        return await asyncio.to_thread(self._sizes, keys.below(prefix))

    async def link(self, key: str) -> str:
        """The file as a ``file://`` address."""
        return self._path(key).as_uri()

    def uri(self, key: str) -> str:
        """The absolute path of a file, or of a folder, which keeps its closing slash."""
        path = str(self._path(key.removesuffix("/")))
        return f"{path}{os.sep}" if key.endswith("/") else path

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _path(self, key: str) -> Path:
        fault = keys.fault_of(key)
        if fault is None and ":" in key:
            fault = "no folder on Windows can hold a colon in a name"
        if fault is not None:
            raise StoreRefused(self.name, f"key {key!r}: {fault}")
        return self._root.joinpath(*key.split("/"))

    def _check(self) -> None:
        with self._translated(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            probe = self._root / f".{secrets.token_hex(8)}{_UNFINISHED}"
            try:
                probe.write_bytes(b"previs")
                probe.read_bytes()
                os.listdir(self._root)  # noqa: PTH208 - iterdir opens the folder only when it is iterated
            finally:
                probe.unlink(missing_ok=True)

    def _write(self, key: str, write: Callable[[BinaryIO], object]) -> None:
        target = self._path(key)
        unfinished = target.with_name(f".{secrets.token_hex(8)}{_UNFINISHED}")
        with self._translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("xb") as stream:
                    write(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                unfinished.replace(target)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)
                raise

    def _copy(self, key: str, path: Path, *, if_absent: bool) -> None:
        target = self._path(key)
        try:
            source = path.open("rb")
        except OSError as error:
            raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
        with source:
            size = os.fstat(source.fileno()).st_size
            if if_absent and self._size(target) == size:
                return
            self._write(key, lambda stream: shutil.copyfileobj(source, stream, _COPY_BYTES))

    def _size(self, path: Path) -> int | None:
        with self._translated(path):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        if self._size(path) is None:
            return None
        with self._translated(path):
            return path.read_bytes()

    def _sizes(self, prefix: str) -> dict[str, int]:
        top = self._path(prefix.rstrip("/")) if prefix else self._root
        found: dict[str, int] = {}
        for folder, _, names in os.walk(top, onerror=self._unlisted):
            for name in names:
                path = Path(folder, name)
                size = None if name.startswith(".") and name.endswith(_UNFINISHED) else self._size(path)
                if size is not None:
                    found[path.relative_to(self._root).as_posix()] = size
        return found

    def _unlisted(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise self._error(Path(str(error.filename)), error) from error

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(path, error) from error
        except ValueError as error:
            raise StoreRefused(self.name, "no path can hold one of its characters") from error

    def _error(self, path: Path, error: OSError) -> PrevisError:
        reason = _PERSON_MUST_ACT.get(error.errno or 0)
        if reason is not None and getattr(error, "winerror", None) not in _WINDOWS_IN_USE:
            return StoreRefused(self.name, f"{path}: {reason}")
        return StoreTrouble(self.name, f"{path}: {error.strerror or type(error).__name__}")
