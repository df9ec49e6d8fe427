"""Keep files in a folder."""

import asyncio
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from previs.errors import PrevisError, RecordUnreadable, SourceNotFound, StoreRefused, StoreUnavailable
from previs.store import keys
from previs.store.bounds import RECORD_BYTES, too_large
from previs.store.interface import StoredFile
from previs.store.links import REFUSAL, leads_out

_REASONS: Final = {
    errno.EACCES: "no permission: let the user who runs this read and write there",
    errno.EPERM: "no permission: let the user who runs this read and write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOENT: "it does not exist and cannot be created: is its drive connected?",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder where a file should be",
    errno.ENOTEMPTY: "there is a folder where a file should be",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.ELOOP: "the path has a circle of symbolic links",
    errno.EILSEQ: "the file system does not allow a character of the path",
    errno.EINVAL: "the file system does not allow a character of the path",
}
# ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION: another program, such as a virus scanner, has the file open.
_WINDOWS_IN_USE: Final = {32, 33}
# Errors of file systems without hard links: FAT, some network shares, Android.
_NO_LINKS: Final = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_UNFINISHED: Final = ".part"
_UNFINISHED_NAME: Final = re.compile(rf"\.[0-9a-f]{{16}}{re.escape(_UNFINISHED)}")
_COPY_BYTES: Final = 1 << 20
_FOLDER_ATTEMPTS: Final = 20


class FolderStore:
    """Keep files in a folder, which is created at the first write.

    A program that is killed while it writes leaves a hidden file ending in ``.part``; only ``unfinished`` lists it.
    A writer is told of a file when its bytes, its name and the folders above it are on the disk; leases and heartbeats
    need not be, as they say nothing once their runs have ended. The store's folder and the folders in it, such as
    ``frames``, may be symbolic links; no link below them is followed out of them.

    Args:
        folder: Absolute path, or relative to the present working directory.
        page_assets: Whether pages have style and script beside them.
    """

    public = True
    link_seconds = None

    def __init__(self, folder: Path | str, *, page_assets: bool = False) -> None:
        self.page_assets = page_assets
        self._root = Path(folder).absolute()
        self._synced: set[Path] = set()

    def __repr__(self) -> str:
        return f"FolderStore({str(self._root)!r})"

    @property
    def name(self) -> str:
        """Return the folder's absolute path."""
        return str(self._root)

    async def check(self) -> None:
        """Create the folder, list it, and write, read and remove a file."""
        await asyncio.to_thread(self._check)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:  # noqa: ARG002 - a folder keeps no media types
        """Write bytes and replace what is stored under the key."""

        def write(target: BinaryIO) -> None:
            target.write(data)

        await asyncio.to_thread(self._write, key, write)

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:  # noqa: ARG002 - a folder keeps no media types
        """Write bytes if the key is free; on file systems without links a reader may see half of them."""
        return await asyncio.to_thread(self._create, key, data)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,  # noqa: ARG002 - a folder keeps no media types
        download_name: str | None = None,  # noqa: ARG002 - nor download names
        if_absent: bool = False,
        likely_new: bool = False,  # noqa: ARG002 - to look first costs a folder nothing
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - nor metadata
    ) -> None:
        """Copy a file and replace what is stored under the key."""
        await asyncio.to_thread(self._copy, key, path, if_absent=if_absent)

    async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
        """Return the bytes under a key, or None if there are none."""
        return await asyncio.to_thread(self._read, key, limit)

    async def get_file(self, key: str, path: Path, *, limit: int) -> bool:
        """Copy the file under a key, and return whether there is one."""
        return await asyncio.to_thread(self._copy_out, key, path, limit)

    @asynccontextmanager
    async def replacing(self, key: str) -> AsyncIterator[Path]:
        """Yield the path of a file to write, which replaces what is under the key once the ``with`` block ends."""
        target = self._path(key)
        unfinished = await asyncio.to_thread(self._unfinished_beside, target)
        try:
            yield unfinished
            await asyncio.to_thread(self._finish, unfinished, target)
        except OSError as error:
            raise self._error(target, error) from error
        finally:
            with suppress(OSError):
                await asyncio.to_thread(unfinished.unlink, missing_ok=True)

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        """Return all files below a prefix by key, without keys that cannot be used."""
        return await asyncio.to_thread(self._entries, keys.below(prefix))

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove files, and folders that become empty."""
        await asyncio.to_thread(self._delete, [self._path(key) for key in keys])

    async def unfinished(self) -> dict[str, StoredFile]:
        """Return the files that writers left unfinished, or are writing, by key."""
        return await asyncio.to_thread(self._unfinished)

    async def link(self, key: str) -> str:
        """Return the file's ``file://`` URL."""
        return self._path(key).as_uri()

    def uri(self, key: str) -> str:
        """Return the absolute path of a file, or of a folder, which keeps its closing slash."""
        path = str(self._path(key.removesuffix("/")))
        return f"{path}{os.sep}" if key.endswith("/") else path

    async def aclose(self) -> None:
        """Do nothing: the store holds nothing open."""

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
        if (fault := _fault_of(key)) is not None:
            raise StoreRefused(self.name, f"key {key!r}: {fault}")
        return self._root.joinpath(*key.split("/"))

    def _followed(self, path: Path, *, of: Path | None = None) -> Path:
        """Return the path of a file, or of its folder if ``of`` is the file.

        Raises:
            StoreRefused: A symbolic link leads elsewhere.
        """
        if self._leads_out(path, of or path):
            raise StoreRefused(self.name, f"{path}: {REFUSAL}")
        return path

    def _leads_out(self, path: Path, file: Path) -> bool:
        kind, *rest = file.relative_to(self._root).parts
        with self._translated(path):
            return leads_out(path, self._root / kind if rest else self._root)

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
        target, lasts = self._path(key), not key.startswith(keys.OF_THE_MOMENT)
        with self._temporary_file(target, write, sync=lasts) as unfinished:
            unfinished.replace(target)
            if lasts:
                self._sync_folders(target)

    def _create(self, key: str, data: bytes) -> bool:
        target, lasts = self._path(key), not key.startswith(keys.OF_THE_MOMENT)
        with self._temporary_file(target, lambda stream: stream.write(data), sync=lasts) as unfinished:
            try:
                _link(unfinished, target)
            except FileExistsError:
                # NFS may raise this for a repeated request that it has carried out already.
                return self._holds(key, data)
            if lasts:
                self._sync_folders(target)
        return True

    def _sync_folders(self, path: Path) -> None:
        """Write a file's name to the disk, and those of new folders above it, as far as the system can do it."""
        synced: list[Path] = []
        for folder in path.parents:
            # Windows opens no folders, and some network shares sync none.
            with suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            synced.append(folder)
            if folder in self._synced or folder == self._root:
                break
        self._synced.update(synced)

    @contextmanager
    def _temporary_file(self, target: Path, write: Callable[[BinaryIO], object], *, sync: bool) -> Iterator[Path]:
        """Write a temporary file beside the target and remove it at the end, unless it was moved."""
        self._followed(target.parent, of=target)
        unfinished = target.with_name(f".{secrets.token_hex(8)}{_UNFINISHED}")
        with self._translated(target):
            try:
                with self._create_file(unfinished) as stream:
                    write(stream)
                    if sync:
                        stream.flush()
                        os.fsync(stream.fileno())
                yield unfinished
            finally:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)

    def _unfinished_beside(self, target: Path) -> Path:
        self._followed(target.parent, of=target)
        unfinished = target.with_name(f".{secrets.token_hex(8)}{_UNFINISHED}")
        with self._translated(target):
            self._create_file(unfinished).close()
        return unfinished

    def _finish(self, unfinished: Path, target: Path) -> None:
        with self._translated(target):
            with unfinished.open("rb+") as stream:
                os.fsync(stream.fileno())
            unfinished.replace(target)
            self._sync_folders(target)

    def _create_file(self, path: Path) -> BinaryIO:
        for _ in range(_FOLDER_ATTEMPTS):
            with suppress(FileNotFoundError):
                return path.open("xb")
            # Deleting a folder's last file removes the folder too. If that happens while mkdir checks what is in its
            # way, Python raises FileExistsError.
            with suppress(FileNotFoundError, FileExistsError):
                self._make_folder(path.parent)
        self._make_folder(path.parent)
        return path.open("xb")

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Any of them may be new.
        self._synced.difference_update((folder, *folder.parents))

    def _delete(self, paths: list[Path]) -> None:
        for path in paths:
            self._followed(path.parent, of=path)
            if self._size_of(path) is not None:
                with self._translated(path):
                    path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                # It is not empty, in use, or gone.
                return
            self._synced.discard(folder)
            folder = folder.parent

    def _copy(self, key: str, path: Path, *, if_absent: bool) -> None:
        target = self._path(key)
        try:
            source = path.open("rb")
        except OSError as error:
            raise SourceNotFound(str(path), error.strerror or type(error).__name__) from error
        with source:
            size = os.fstat(source.fileno()).st_size
            if if_absent and self._size_of(self._followed(target)) == size:
                return
            self._write(key, lambda stream: shutil.copyfileobj(source, stream, _COPY_BYTES))

    def _size_of(self, path: Path) -> int | None:
        status = self._status_of(path)
        return None if status is None else status.st_size

    def _status_of(self, path: Path) -> os.stat_result | None:
        with self._translated(path):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _read(self, key: str, limit: int) -> bytes | None:
        path = self._followed(self._path(key))
        return None if self._size_of(path) is None else b"".join(self._pieces(path, limit))

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self._read(key, len(data)) == data
        except RecordUnreadable:
            return False

    def _copy_out(self, key: str, to: Path, limit: int) -> bool:
        path = self._followed(self._path(key))
        if self._size_of(path) is None:
            return False
        with to.open("wb") as stream:
            stream.writelines(self._pieces(path, limit))
        return True

    def _pieces(self, path: Path, limit: int) -> Iterator[bytes]:
        """Yield a file's bytes; ``RecordUnreadable`` if there are more than the limit."""
        with self._translated(path), path.open("rb") as stream:
            left = limit
            while piece := stream.read(min(_COPY_BYTES, max(left, 0) + 1)):
                left -= len(piece)
                if left < 0:
                    raise too_large(str(path), limit)
                yield piece

    def _entries(self, prefix: str) -> dict[str, StoredFile]:
        top = self._path(prefix.rstrip("/")) if prefix else self._root
        self._followed(top, of=top / "a file")
        finished = (path for path in self._walk(top) if not _is_unfinished(path))
        return self._listed(path for path in finished if not (path.is_symlink() and self._leads_out(path, path)))

    def _unfinished(self) -> dict[str, StoredFile]:
        """List what writers left in the store's own folders; ``references`` belongs to people."""
        below = (path for kind in keys.KINDS for path in self._walk(self._root / kind.rstrip("/")))
        paths = (*self._root.glob(f".*{_UNFINISHED}"), *below)
        return self._listed(path for path in paths if _UNFINISHED_NAME.fullmatch(path.name))

    def _walk(self, top: Path) -> Iterator[Path]:
        for folder, _, names in os.walk(top, onerror=self._raise_unlisted):
            yield from (Path(folder, name) for name in names)

    def _listed(self, paths: Iterable[Path]) -> dict[str, StoredFile]:
        found: dict[str, StoredFile] = {}
        for path in paths:
            if (status := self._status_of(path)) is not None:
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                found[path.relative_to(self._root).as_posix()] = StoredFile(status.st_size, modified)
        return keys.without_faults(found, self.name, _fault_of)

    def _raise_unlisted(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise self._error(Path(str(error.filename)), error) from error

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(path, error) from error
        except ValueError as error:
            raise StoreRefused(self.name, "a path cannot contain one of its characters") from error

    def _error(self, path: Path, error: OSError) -> PrevisError:
        reason = _REASONS.get(error.errno or 0)
        if reason is not None and getattr(error, "winerror", None) not in _WINDOWS_IN_USE:
            return StoreRefused(self.name, f"{path}: {reason}")
        return StoreUnavailable(self.name, f"{path}: {error.strerror or type(error).__name__}")


def _fault_of(key: str) -> str | None:
    return keys.fault_of(key) or ("a file name on Windows cannot contain a colon" if ":" in key else None)


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_UNFINISHED)


def _link(unfinished: Path, target: Path) -> None:
    """Give a file a second name, atomically where the file system has links; ``FileExistsError`` if it is taken."""
    try:
        os.link(unfinished, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    with target.open("xb") as stream:
        stream.write(unfinished.read_bytes())
        stream.flush()
        os.fsync(stream.fileno())
