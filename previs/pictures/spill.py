"""Keep large bytes in temporary files rather than in memory."""

import shutil
import tempfile
import threading
import uuid
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 8_000_000_000


class SpillFolder:
    """Hold a temporary folder, which is removed when nothing refers to it or its files, or when the program ends.

    Args:
        most: Bytes that its files may have together.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._path = Path(tempfile.mkdtemp(prefix="previs-"))
        self._bytes = 0
        self._lock = threading.Lock()
        weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)

    def new(self) -> "SpilledFile":
        """Return a file of a name of its own, which does not exist yet."""
        return SpilledFile(self._path / uuid.uuid4().hex, self)

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
