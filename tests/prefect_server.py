"""Run a Prefect server."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from tests.ports import free_port

STARTS_WITHIN = 120

# Prefect waits for seconds where the tests would wait along. The more often it writes, the more often SQLite is locked.
PERIODS = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}

# Clients register the types of the blocks that they save; a server would import whatever else has some.
NO_BLOCKS = {"PREFECT_API_BLOCKS_REGISTER_ON_START": "false", "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false"}

# Whatever else writes has SQLite refuse a run's own writes, which Prefect's client repeats seconds later.
NO_DEPLOYMENTS = {
    f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
    for service in (
        "CANCELLATION_CLEANUP",
        "CLEANUP_RECONCILER",
        "FOREMAN",
        "LATE_RUNS",
        "REPOSSESSOR",
        "SCHEDULER",
        "TRIGGERS",
    )
}

# What a copy of a server's database already has.
COPIED = {"PREFECT_API_DATABASE_MIGRATE_ON_START": "false"}

# Prefect 3.8 on SQLite can answer nothing for a minute: in the thread of the event loop, the garbage collector ends a
# statement of a connection that waits, in a thread of its own, for the lock of a transaction of the event loop.
# Looking for due tasks four times a second takes a third of the CPU time of a server that is idle.
START = """
import datetime, functools, gc, runpy
gc.disable()
import docket
rarely = dict.fromkeys(("minimum_check_interval", "scheduling_resolution"), datetime.timedelta(seconds=1))
docket.Worker.__init__ = functools.partialmethod(docket.Worker.__init__, **rarely)
runpy.run_module("prefect", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def prefect_server(
    tmp_path_factory: pytest.TempPathFactory, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[dict[str, str]]:
    """Run a Prefect server on a new database; yield the environment of a process that uses it."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = (
        os.environ
        | PERIODS
        | NO_BLOCKS
        | dict(settings)
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
    )
    command = [sys.executable, "-c", START, "server", "start", "--no-ui", "--port", str(port)]
    with contextlib.ExitStack() as ending, (home / "server.log").open("wb") as log:
        with migrated(tmp_path_factory, home / "prefect.db") as known:
            server = subprocess.Popen(command, env=environment | known, stdout=log, stderr=log)  # noqa: S603 - our own command
            ending.callback(server.wait, 30)
            # Its database ends with it; a server that is asked to end waits for what its triggers have started.
            ending.callback(server.kill)
            _wait_for(f"{environment['PREFECT_API_URL']}/health", server, home / "server.log")
        yield environment


@contextlib.contextmanager
def migrated(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[dict[str, str]]:
    """Have Prefect migrate a database once for all processes of one run of the tests: it takes longer than its start.

    The first makes one until the context ends, the others wait for it and copy it; yield the settings for a copy.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield {}
        return
    shared = tmp_path_factory.getbasetemp().parent / "prefect.db"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            yield {}
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(shared)) as copy:
                source.backup(copy)
            return
    shutil.copy(shared, database)
    yield COPIED


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Prefect's server did not start:\n{log.read_text()[-4000:]}")
