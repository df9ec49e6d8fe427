"""Run a process worker in a terminal and, if wanted, on a network of its own."""

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.runs import POOL

_CHECKOUT = Path(__file__).parents[1]
_NAME = f"bench{os.getpid()}"
# A network of the block for benchmarks (RFC 2544).
_OUTSIDE, _INSIDE = (f"198.18.{os.getpid() % 256}.{end}" for end in (1, 2))
_CHUNK = 1 << 16


class Network:
    """Control the cable between a namespace of Linux, where a machine's processes run, and everything else.

    Attributes:
        outside: Address of everything else.
    """

    outside = _OUTSIDE

    def cut(self) -> None:
        """Cut the cable: packets vanish, and connections stay open."""
        _ip("link", "set", _NAME, "down")

    def join(self) -> None:
        """Connect the cable again."""
        _ip("link", "set", _NAME, "up")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Make a network inside the ``with`` block; only root can."""
    inside = ("-n", _NAME)
    try:
        _ip("netns", "add", _NAME)
        _ip("link", "add", _NAME, "type", "veth", "peer", "name", "eth0", "netns", _NAME)
        _ip("addr", "add", f"{_OUTSIDE}/30", "dev", _NAME)
        _ip("link", "set", _NAME, "up")
        _ip(*inside, "addr", "add", f"{_INSIDE}/30", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")
        yield Network()
    finally:
        # The cable goes with it.
        _ip("netns", "delete", _NAME)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)  # noqa: S603, S607 - our own words


class Worker:
    """Control a worker.

    Args:
        environment: Environment, besides this process's own.
        isolated: Whether it runs in the namespace of :func:`network`.
        limit: Runs that it has at one time; None for any number.
    """

    def __init__(self, environment: Mapping[str, str], *, isolated: bool = False, limit: int | None = None) -> None:
        self._limit = [] if limit is None else ["--limit", str(limit)]
        self._environment = {**os.environ, **environment}
        self._isolated = isolated
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal = -1

    @property
    def pid(self) -> int:
        """Return its process, which leads a session and a group of its own."""
        if self._process is None:
            raise ProcessLookupError
        return self._process.pid

    def start(self) -> None:
        """Start it in a new terminal."""
        self._terminal, inner = pty.openpty()
        namespace = ["ip", "netns", "exec", _NAME] if self._isolated else []
        program = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, *self._limit]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            # Under nohup, a closed terminal would end nothing.
            ["env", "--default-signal=HUP", "setsid", "--ctty", *namespace, *program],  # noqa: S607 - of the system
            cwd=_CHECKOUT,
            env=self._environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
        )
        os.close(inner)
        asyncio.get_running_loop().add_reader(self._terminal, self._read)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            if os.read(self._terminal, _CHUNK):
                return
        self._close()

    def _close(self) -> None:
        if self._terminal >= 0:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = -1

    async def close_terminal(self) -> None:
        """Close its terminal, as a window is closed."""
        self._close()
        await self._wait()

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Stop it with a signal."""
        if self._process is not None:
            self._process.send_signal(number)
            await self._wait()

    async def _wait(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
            self._process = None
        self._close()
