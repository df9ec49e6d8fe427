"""Give files of a store as local files: those of a folder as they are, those of S3 as copies of bounded size."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from previs.pictures.spill import SpilledFile, SpillFolder
from previs.store import FolderStore, Store
from previs.store.links import leads_out

_MOST_BYTES: Final = 4_000_000_000
_IN_USE_SECONDS: Final = 60.0


@dataclass(slots=True)
class FileCache:
    """Keep temporary files by name; the least recently used ones go when all together are too large.

    Attributes:
        most: Bytes that all files may have together; files that were used in the last minute stay all the same.
        clock: Returns the time in seconds.
    """

    most: int = _MOST_BYTES
    clock: Callable[[], float] = time.monotonic
    _folder: SpillFolder = field(default_factory=SpillFolder)
    _files: OrderedDict[str, tuple[SpilledFile, int, float]] = field(default_factory=OrderedDict)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def get(self, name: str, write: Callable[[Path], Awaitable[bool]]) -> Path | None:
        """Return a file, or None if there is none.

        Args:
            name: Name of the content; the same name means the same bytes.
            write: Function that writes the file if it is not there, and returns whether it exists.
        """
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            if name not in self._files:
                made = self._folder.new()
                try:
                    written = await write(made.path)
                except BaseException:
                    made.path.unlink(missing_ok=True)
                    raise
                if not written:
                    made.path.unlink(missing_ok=True)
                    return None
                self._files[name] = made, made.size, self.clock()
            made, size, _ = self._files[name]
            self._files[name] = made, size, self.clock()
            self._files.move_to_end(name)
            self._evict()
            return made.path

    def close(self) -> None:
        """Remove all files."""
        self._files.clear()
        self._folder.__exit__()

    def _evict(self) -> None:
        total = sum(size for _, size, _ in self._files.values())
        for name, (made, size, used) in list(self._files.items()):
            if total <= self.most or self.clock() - used < _IN_USE_SECONDS:
                return
            made.path.unlink(missing_ok=True)
            del self._files[name]
            total -= size


async def stored_file(store: Store, cache: FileCache, key: str, *, limit: int) -> Path | None:
    """Return a file of a store as a local file, or None if there is none.

    Args:
        store: Store of the file.
        cache: Files of other stores than folders, as they were copied.
        key: Key of the file; its content never changes.
        limit: Most bytes that it may have.

    Raises:
        RecordUnreadable: It has more.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    if isinstance(store, FolderStore):
        return await asyncio.to_thread(_in_folder, store, key)
    return await cache.get(key, lambda path: store.get_file(key, path, limit=limit))


def _in_folder(store: FolderStore, key: str) -> Path | None:
    path = Path(store.uri(key))
    top = Path(store.name) / key.partition("/")[0]
    return path if path.is_file() and not leads_out(path, top) else None
