"""Read a file piece by piece; fail when it ends too early."""

import re
from typing import BinaryIO, NoReturn

from previs.errors import FrameDamaged

STEP = 64 * 1024
_FIRST_STEP = 64  # most markers of a JPEG follow one another closely


class ByteReader:
    """Read a file of known size from its beginning, a little at a time; errors show its name."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.size = file.seek(0, 2)
        file.seek(0)

    @property
    def at(self) -> int:
        """Return the current position in bytes."""
        return self._file.tell()

    @property
    def left(self) -> int:
        """Return the number of bytes from the current position to the end."""
        return self.size - self.at

    def take(self, count: int) -> bytes:
        """Read exactly ``count`` bytes; check a count that the file itself states against ``left`` first."""
        found = self._file.read(count)
        if len(found) < count:
            raise self.cut_short()
        return found

    def peek(self, count: int) -> bytes:
        """Return at most ``count`` bytes and stay at the current position."""
        found = self._file.read(count)
        self._file.seek(-len(found), 1)
        return found

    def number(self, count: int, *, little: bool = False) -> int:
        """Read an unsigned integer of ``count`` bytes."""
        return int.from_bytes(self.take(count), "little" if little else "big")

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes, which the file must have."""
        if count > self.left:
            raise self.cut_short()
        self._file.seek(count, 1)

    def seek_pattern(self, pattern: re.Pattern[bytes]) -> bytes:
        """Return the first match of a two-byte pattern and continue right after it."""
        before, step = b"", _FIRST_STEP
        while chunk := self._file.read(step):
            if found := pattern.search(before + chunk):
                self._file.seek(found.end() - len(before) - len(chunk), 1)
                return found[0]
            before, step = chunk[-1:], STEP
        raise self.cut_short()

    def refuse(self, reason: str) -> NoReturn:
        """Raise FrameDamaged for this file."""
        raise FrameDamaged(self.name, reason)

    def cut_short(self) -> FrameDamaged:
        """Return the error for a file that ends before its own structure does."""
        return FrameDamaged(self.name, f"it is cut short: it ends at byte {self.size}, before its own end")
