"""Keep the three folders of a ComfyUI server (input, output, temp) under its rules for file names."""

import hashlib
import mimetypes
import posixpath
import re
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

FOLDERS = ("input", "output", "temp")
MOST_COUNTERS = 10_000

_ANNOTATED = re.compile(r"(?P<name>.*) ?\[(?P<folder>input|output|temp)\]$")
_ADDED_TYPES = {".webp": "image/webp"}  # Python 3.13 was the first to know it
_LISTED_AS_IMAGE = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


class OutsideError(Exception):
    """Report a file name prefix that leads out of its folder."""

    def __str__(self) -> str:
        return f"Saving image outside the output folder is not allowed: {self.args[0]}"


@dataclass(frozen=True, slots=True)
class Stored:
    """Represent one file; ``written`` is its time of writing, in nanoseconds since the epoch."""

    content: bytes
    written: int

    @property
    def etag(self) -> str:
        """Return the ``ETag`` that aiohttp makes from time and size."""
        return f'"{self.written:x}-{len(self.content):x}"'

    @property
    def last_modified(self) -> str:
        """Return the value of the header ``Last-Modified``."""
        return formatdate(self.written / 1e9, usegmt=True)


@dataclass(slots=True)
class Disk:
    """Hold files by folder and path.

    Args:
        keep: Number of files to keep in memory for each folder; the oldest are dropped first.
        root: Folder to write to instead of memory, with one subfolder each; no file is dropped there.
    """

    keep: int
    root: Path | None = None
    files: dict[str, dict[str, Stored]] = field(default_factory=lambda: {folder: {} for folder in FOLDERS})
    counters: dict[tuple[str, str], int] = field(default_factory=dict)

    def write(self, folder: str, path: str, content: bytes) -> None:
        """Write a file; replace a file with the same path."""
        if self.root is not None:
            target = self.root / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            return
        files = self.files[folder]
        files.pop(path, None)
        files[path] = Stored(content, time.time_ns())
        while len(files) > self.keep:
            del files[next(iter(files))]

    def read(self, folder: str, path: str) -> Stored | None:
        """Return a file, or None if it does not exist."""
        if self.root is None:
            return self.files[folder].get(path)
        target = self.root / folder / path
        return Stored(target.read_bytes(), target.stat().st_mtime_ns) if target.is_file() else None

    def loaded(self, name: str) -> Stored | None:
        """Return the file that ``LoadImage`` loads: ``storyboard/hero.png`` or ``shot_00001_.png [output]``."""
        match = _ANNOTATED.match(name)
        folder, path = (match["folder"], match["name"].strip()) if match else ("input", name)
        path = posixpath.normpath(path)
        return None if leads_out(path) else self.read(folder, path)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.loaded(name) is not None

    def images(self) -> list[str]:
        """Return the choices of ``LoadImage`` in ``object_info``: images in the input folder, not in subfolders."""
        if self.root is not None:
            folder = self.root / "input"
            names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())
        else:
            names = (path for path in self.files["input"] if "/" not in path)
        return sorted(name for name in names if name.lower().endswith(_LISTED_AS_IMAGE))

    def save(self, folder: str, prefix: str, ending: str, content: bytes) -> dict[str, str]:
        """Write an output under the next free number of its prefix: ``boards/shot`` gives ``boards/shot_00001_.png``.

        Return the file as an output node reports it; raise OutsideError if the prefix leads out of the folder.
        """
        path = posixpath.normpath(prefix)
        if leads_out(path):
            raise OutsideError(prefix)
        subfolder, stem = posixpath.split(path)
        number = self.counters.pop((folder, path), 0) + 1
        while self._exists(folder, name := posixpath.join(subfolder, f"{stem}_{number:05}_.{ending}")):
            number += 1
        self.counters[folder, path] = number
        if len(self.counters) > MOST_COUNTERS:
            del self.counters[next(iter(self.counters))]
        self.write(folder, name, content)
        return {"filename": posixpath.basename(name), "subfolder": subfolder, "type": folder}

    def _exists(self, folder: str, path: str) -> bool:
        return path in self.files[folder] if self.root is None else (self.root / folder / path).exists()

    def upload(self, folder: str, subfolder: str, name: str, content: bytes, *, overwrite: bool) -> str:
        """Write a file that a client uploads, and return its name, with a number if other content has that name."""
        stem, ending = posixpath.splitext(name)
        chosen, number = name, 0
        parent = posixpath.normpath(subfolder) if subfolder else ""
        while not overwrite and (stored := self.read(folder, posixpath.join(parent, chosen))) is not None:
            if hashlib.sha256(stored.content).digest() == hashlib.sha256(content).digest():
                return chosen
            number += 1
            chosen = f"{stem} ({number}){ending}"
        self.write(folder, posixpath.join(parent, chosen), content)
        return chosen


def leads_out(path: str) -> bool:
    """Return whether a normalized path leads out of its folder."""
    return path.startswith(("/", "../")) or path == ".." or "\\" in path or "\0" in path


def media_type(name: str) -> str:
    """Return the media type for a file name's extension."""
    ending = posixpath.splitext(name)[1].lower()
    return _ADDED_TYPES.get(ending) or mimetypes.types_map.get(ending, "application/octet-stream")
