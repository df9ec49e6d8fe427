"""The lock of the record says which server runs, and it ends with the server, however that ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from previs.daemon import LocalServer, claim, running_server, stop_server

HOLD = """
import os, pathlib, sys
from previs.daemon import LocalServer, claim
with claim(pathlib.Path(sys.argv[1])) as claimed:
    claimed.write(LocalServer(os.getpid(), 4711, "3.8.8"))
    print(claimed.earlier_port, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holding(home: Path, earlier_port: int = 0) -> Iterator[LocalServer]:
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == f"{earlier_port}\n"
        yield LocalServer(process.pid, 4711, "3.8.8")
        process.kill()


def test_a_server_runs_as_long_as_its_process_whether_it_ends_well_or_not_and_the_next_gets_its_port(
    tmp_path: Path,
) -> None:
    home = tmp_path / "家"
    assert running_server(home) is None
    with holding(home) as server:
        assert running_server(home) == server
        with claim(home) as second:
            assert second is None
        assert running_server(home) == server
        os.kill(server.process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, server.process, os.WEXITED | os.WNOWAIT)
        assert running_server(home) is None
    with holding(home, earlier_port=4711):
        pass


def test_stop_ends_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    with holding(tmp_path) as server:
        assert stop_server(tmp_path) == server
        assert running_server(tmp_path) is None


def test_a_server_learns_that_its_record_was_deleted(tmp_path: Path) -> None:
    with claim(tmp_path) as claimed:
        assert claimed is not None
        assert not claimed.lost
        for each in tmp_path.iterdir():
            each.unlink()
        assert claimed.lost


def test_a_record_that_nobody_locks_is_of_no_server_though_its_number_and_port_are_in_use(tmp_path: Path) -> None:
    with holding(tmp_path):
        [record] = tmp_path.iterdir()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander,
    ):
        record.write_text(
            json.dumps({"process": bystander.pid, "port": taken.getsockname()[1], "version": "3.8.8"}), "utf-8"
        )
        assert running_server(tmp_path) is None
        assert stop_server(tmp_path) is None
        assert bystander.poll() is None
        bystander.kill()
