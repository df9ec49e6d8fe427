"""Keep large bytes in temporary files rather than in memory.

A program holds a lock on each of its temporary folders. The system releases it when the program ends, however it ends,
so a folder of this machine whose lock is free is abandoned. ``systemd-tmpfiles`` leaves locked folders alone, too.
"""

import contextlib
import hashlib
import logging
import os
import platform
import re
import shutil
import stat
import tempfile
import threading
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOG: Final = logging.getLogger("previs.pictures")
MOST_BYTES: Final = 8_000_000_000
_ONLY_THE_OWNER: Final = 0o700


class SpillFolder:
    """Hold a temporary folder, which is removed when nothing refers to it or its files, or when the program ends.

    The end of a ``with`` block removes it at once.

    Args:
        most: Bytes that its files may have together.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._path, held = _locked_folder()
        self._bytes = 0
        self._lock = threading.Lock()
        self._unused: list[Path] = []
        self._remove = weakref.finalize(self, _remove_own, self._path, held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def new(self) -> "SpilledFile":
        """Return a file of a name of its own, which does not exist yet."""
        return SpilledFile(self._path / uuid.uuid4().hex, self)

    @contextlib.contextmanager
    def reused(self) -> Iterator[Path]:
        """Yield the path of a file that is absent or empty, for the ``with`` block; a later block gets the file again.

        To empty a file takes less time than to make one. After an error the file is removed: a thread whose caller was
        cancelled may still be at work on it.
        """
        path = self._unused.pop() if self._unused else self._path / uuid.uuid4().hex
        try:
            yield path
            with contextlib.suppress(FileNotFoundError):
                os.truncate(path, 0)
            self._unused.append(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def keep(self, content: bytes) -> "SpilledFile":
        """Write bytes to a new file."""
        made = self.new()
        made.path.write_bytes(content)
        return made

    def has_room(self, file: "SpilledFile") -> bool:
        """Count a complete file, and return whether all counted files stay within the limit."""
        with self._lock:
            self._bytes += file.size
            return self._bytes <= self.most


@dataclass(frozen=True, slots=True)
class SpilledFile:
    """Hold a temporary file, which exists as long as this object."""

    path: Path
    _owner: SpillFolder = field(repr=False)

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return self.path.stat().st_size

    def digest(self) -> str:
        """Return the SHA-256 of its bytes, hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def remove_abandoned() -> list[Path]:
    """Remove the temporary folders that killed programs of this user left on this machine, and return their paths.

    A symbolic link, another user's folder, and one whose lock is held or cannot be tried are left alone.
    """
    if fcntl is None:
        return []
    # Machines may share a folder on a file system that does not share locks, so a name holds its machine's.
    ours = re.compile(rf"{_prefix()}[a-z0-9_]{{8}}")
    with contextlib.suppress(OSError):
        with os.scandir(tempfile.gettempdir()) as listed:
            found = [Path(each.path) for each in listed if ours.fullmatch(each.name)]
        removed = [path for path in found if _removed_if_abandoned(path)]
        for path in removed:
            _LOG.info("removed %s, which a killed program left", path)
        return removed
    return []


def _prefix() -> str:
    return f"previs-{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-"


def _locked_folder() -> tuple[Path, int | None]:
    """Create a temporary folder, and return it with the descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_prefix()))
        if fcntl is None:
            return path, None
        try:
            held = _try_lock(path)
        except FileNotFoundError:
            continue
        # Another program may have taken it for abandoned before it was locked.
        if held is None or _is_at(path, held):
            return path, held
        os.close(held)


def _removed_if_abandoned(path: Path) -> bool:
    with contextlib.suppress(OSError):
        held = _try_lock(path)
        if held is None:
            return False
        try:
            found = os.fstat(held)
            if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != _ONLY_THE_OWNER:
                return False
            _empty(held)
            if _is_at(path, held):
                path.rmdir()
                return True
        finally:
            os.close(held)
    return False


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that locks a folder, or None if the lock is held, or the file system has none.

    Raises:
        OSError: It is no folder, or a symbolic link, or cannot be opened.
    """
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


def _is_at(path: Path, held: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(held))
    except FileNotFoundError:
        return False


def _empty(folder: int) -> None:
    """Remove what is in an open folder, whatever its path now leads to."""
    for name, is_folder in list(_content(folder)):
        if is_folder:
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def _content(folder: int) -> Iterator[tuple[str, bool]]:
    with os.scandir(folder) as listed:
        for each in listed:
            yield each.name, each.is_dir(follow_symlinks=False)


def _remove_own(path: Path, held: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if held is not None:
        os.close(held)
