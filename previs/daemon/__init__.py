"""Find, start and stop the Prefect server of this machine that stays."""

from previs.daemon.lifecycle import SERVER_SETTINGS, StartedServer, start_server, stop_server
from previs.daemon.record import Claim, LocalServer, claim, log_file, running_server

__all__ = [
    "SERVER_SETTINGS",
    "Claim",
    "LocalServer",
    "StartedServer",
    "claim",
    "log_file",
    "running_server",
    "start_server",
    "stop_server",
]
