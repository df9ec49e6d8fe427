"""Start and stop the local server."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from previs.daemon.record import LocalServer, log_file, running_server
from previs.errors import PrefectUnavailable

# Measured with Prefect 3.8: the first lets a cold start on a slow disk finish, the others cut the cost of a task run's
# record to a quarter.
SERVER_SETTINGS: Final = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}

_PAUSE: Final = 0.02
_RECORDED_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0


class StartedServer(NamedTuple):
    """Hold a server, and whether it was started just now."""

    server: LocalServer
    started: bool


def start_server(home: Path) -> StartedServer:
    """Return the server that runs for a ``PREFECT_HOME``; start it if there is none.

    Its port takes connections at once and answers when Prefect is loaded. Of servers that are started at the same time,
    the first that locks the record stays.

    Raises:
        PrefectUnavailable: It does not start.
    """
    if server := running_server(home):
        return StartedServer(server, started=False)
    log = log_file(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise PrefectUnavailable("this machine", f"{log} cannot be written: {error.strerror}") from error
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "flows", "server", "serve", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=SERVER_SETTINGS | os.environ,
        start_new_session=True,
    )
    os.close(output)
    end = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < end:
        ended = process.poll() is not None
        if server := running_server(home):
            return StartedServer(server, server.process == process.pid)
        if ended:
            break
        time.sleep(_PAUSE)
    raise PrefectUnavailable("this machine", f"its server did not start; its log is {log}")


def stop_server(home: Path) -> LocalServer | None:
    """Stop the server that runs for a ``PREFECT_HOME``, wait for its end and return it; None if there is none."""
    server = running_server(home)
    if server is None:
        return None
    end = time.monotonic() + _STOP_SECONDS
    _send(server, signal.SIGTERM)
    while running_server(home) == server:
        if time.monotonic() > end:
            _send(server, signal.SIGKILL)
        time.sleep(_PAUSE)
    return server


def _send(server: LocalServer, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.process, number)
