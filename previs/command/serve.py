"""Serve boards to browsers until the command is stopped."""

import asyncio
import getpass
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_line
from previs.errors import SourceNotFound
from previs.review.web import ServeSettings, make_app, serve
from previs.store.opening import BLOCK
from previs.text.logs import show_logs_visibly

PASSWORD: Final = "PREVIS_SERVE_PASSWORD"  # noqa: S105 - the name of a variable
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ServeOrder:
    """Hold the options of ``previs serve``; see its help."""

    store: str | None = None
    port: int = 8500
    host: str = "127.0.0.1"
    password_file: Path | None = None
    names: tuple[str, ...] = ()
    root_path: str = ""


async def serve_boards(order: ServeOrder) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code.

    Raises:
        ReviewRefused: Others could see the boards without a password, or the address cannot be used.
        SourceNotFound: The file of the password cannot be read.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    show_logs_visibly()
    logging.getLogger("previs").setLevel(logging.INFO)
    password = await asyncio.to_thread(find_password, order)
    async with await option_store(order.store) as store:
        given = order.store if order.store and order.store.startswith(BLOCK) else store.name
        settings = ServeSettings(password, order.host, order.names, order.root_path, given).checked()
        await store.check()
        app = make_app(store, settings)
        async with serve(app, host=settings.host, port=order.port, root_path=settings.root_path) as url:
            write_line(url)
            write_error(f"boards of {store.name}; " + ("with a password" if password else "for this machine only"))
            await _signal()
    return 0


def find_password(order: ServeOrder) -> str:
    """Return the password of the file, the environment or the terminal; empty if there is none.

    Raises:
        SourceNotFound: The file cannot be read, or is empty.
    """
    if order.password_file is not None:
        path = order.password_file.expanduser()
        try:
            password = path.read_text(encoding="utf-8").partition("\n")[0].strip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceNotFound(str(path), getattr(error, "strerror", None) or "it is not UTF-8") from error
        if not password:
            raise SourceNotFound(str(path), "its first line is empty: write the password there")
        return password
    if password := os.environ.get(PASSWORD, ""):
        return password
    if order.host not in _LOCAL and sys.stdin.isatty():
        return getpass.getpass("Password for the boards: ")
    return ""


async def _signal() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
