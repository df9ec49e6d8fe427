"""Reading a file step by step, with an error when it ends too early."""

import re
from typing import BinaryIO, NoReturn

from previs.errors import FrameDamaged

STEP = 64 * 1024


class ByteReader:
    """A file of known size that is read from its beginning, a little at a time.

    Args:
        file: open for reading, at any place.
        name: what errors call it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.size = file.seek(0, 2)
        file.seek(0)

    @property
    def at(self) -> int:
        """How many bytes were passed."""
        return self._file.tell()

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self.size - self.at

    def take(self, count: int) -> bytes:
        """Exactly so many bytes; not for counts that the file itself claims."""
        found = self._file.read(count)
        if len(found) < count:
            raise self.cut_short()
        return found

    def number(self, count: int, *, little: bool = False) -> int:
        """An unsigned integer of so many bytes."""
        return int.from_bytes(self.take(count), "little" if little else "big")

    def skip(self, count: int) -> None:
        """Pass so many bytes, which must be there."""
        if count > self.left:
            raise self.cut_short()
        self._file.seek(count, 1)

    def seek_pattern(self, pattern: re.Pattern[bytes]) -> bytes:
        """Pass everything up to and with a pattern of two bytes, and give what matched."""
        before = b""
        while chunk := self._file.read(STEP):
            if found := pattern.search(before + chunk):
                self._file.seek(found.end() - len(before) - len(chunk), 1)
                return found[0]
            before = chunk[-1:]
        raise self.cut_short()

    def refuse(self, reason: str) -> NoReturn:
        """Say what is wrong with this file."""
        raise FrameDamaged(self.name, reason)

    def cut_short(self) -> FrameDamaged:
        """The error of a file that ends before its own end."""
        return FrameDamaged(self.name, f"it is cut short: it ends at byte {self.size}, before its own end")
