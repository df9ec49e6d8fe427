"""Start the flow ``storyboard`` in a process of its own.

The flow is in the checkout beside this package and needs Prefect, which this package does not import. The process reads
the flow's parameters as a line of JSON and writes events as lines of JSON. This module imports nothing heavy: the
process starts before the command imports what it checks the input with.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from previs.command.checkout import require_checkout
from previs.daemon import SERVER_SETTINGS

_LONGEST_LINE = 16 << 20


@contextlib.asynccontextmanager
async def flow_process(
    *, home: Path | None = None, server: bool = False, verbose: bool = False
) -> AsyncIterator[Process]:
    """Start the flow's process, which imports Prefect while the input is checked; end it with the context.

    Args:
        home: Folder for Prefect's database unless ``PREFECT_HOME`` is set; None for Prefect's default.
        server: Whether a Prefect server is started that stays; otherwise, one that ends with the run.
        verbose: Whether Prefect's log goes to the terminal.

    Raises:
        SourceNotFound: The command does not run in a checkout.
    """
    require_checkout("flows", "flows/storyboard.py")
    environment = SERVER_SETTINGS | os.environ
    if home is not None:
        folder = await asyncio.to_thread(home.absolute)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        environment.setdefault("PREFECT_HOME", str(folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows", "storyboard", *(["--server"] if server else [])),
        stdin=PIPE,
        stdout=PIPE,
        stderr=None if verbose else PIPE,
        env=environment,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
