"""Record which process serves: in a file that it keeps locked, so that the lock ends with it, however it ends."""

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_PAUSE: Final = 0.02
# Who looks whether the file is locked locks it for a moment, and who has locked it writes a moment later.
_MOMENT: Final = 2.0


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Describe the Prefect server of this machine that stays.

    Attributes:
        process: Number of its process.
        port: Port on 127.0.0.1.
        version: Version of Prefect.
    """

    process: int
    port: int
    version: str

    @property
    def address(self) -> str:
        """Return the URL of its pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """Return the URL of its API, as in ``PREFECT_API_URL``."""
        return f"{self.address}/api"


class Claim:
    """Hold the lock of the record."""

    def __init__(self, file: int) -> None:
        self._file = file
        # What an earlier server wrote must not pass for this one's record.
        earlier = _parsed(os.read(file, 4096))
        self.earlier_port = earlier.port if earlier else 0
        os.ftruncate(file, 0)

    @property
    def lost(self) -> bool:
        """Return whether the record was deleted, so that nobody finds the server any more."""
        return not os.fstat(self._file).st_nlink

    def write(self, server: LocalServer) -> None:
        """Write the record."""
        os.pwrite(self._file, json.dumps(asdict(server)).encode(), 0)


@contextlib.contextmanager
def claim(home: Path) -> Iterator[Claim | None]:
    """Hold the lock of the record while the context lasts; yield None if another process holds it."""
    home.mkdir(parents=True, exist_ok=True)
    file = os.open(_path(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + _MOMENT
        while not (locked := _lock(file, fcntl.LOCK_EX)) and time.monotonic() < end:
            time.sleep(_PAUSE)
        yield Claim(file) if locked else None
    finally:
        os.close(file)


def running_server(home: Path) -> LocalServer | None:
    """Return the server that runs for a ``PREFECT_HOME``, or None if there is none.

    A record that nobody locks is of a server that has ended, even if its process number or its port is used again.
    """
    end = time.monotonic() + _MOMENT
    while (content := _locked_content(home)) is not None:
        if (server := _parsed(content)) or time.monotonic() > end:
            return server
        time.sleep(_PAUSE)
    return None


def log_file(home: Path) -> Path:
    """Return the path of the server's log."""
    return _path(home).with_suffix(".log")


def _path(home: Path) -> Path:
    # Machines may share a home, but not a process or a port.
    return home / f"previs-server-{platform.node() or 'localhost'}.json"


def _locked_content(home: Path) -> bytes | None:
    """Return the record's content, or None if no process has locked it."""
    try:
        file = os.open(_path(home), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _lock(file, fcntl.LOCK_SH) else os.read(file, 4096)
    finally:
        os.close(file)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parsed(content: bytes) -> LocalServer | None:
    try:
        return LocalServer(**json.loads(content))
    except (ValueError, TypeError):
        return None
