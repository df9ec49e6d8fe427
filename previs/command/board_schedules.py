"""Order a process that may import Prefect to add, list or remove the schedules of boards."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any

from previs.boards.nightly import NightlyBoard
from previs.command.checkout import require_checkout

FAILED = 1


class SchedulesNotReached(Exception):
    """Report that the process has failed; it has said why.

    Attributes:
        code: Its exit code.
        reason: What it said.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def add_schedule(entry: NightlyBoard, store: str | None, cron: str, timezone: str | None) -> dict[str, Any]:
    """Give a board a schedule, or replace its own.

    Raises:
        SchedulesNotReached: The schedule cannot be used, or Prefect did not accept it.
    """
    entry_json = entry.model_dump(mode="json", by_alias=True)
    done: dict[str, Any] = await _order(do="add", entry=entry_json, store=store, cron=cron, timezone=timezone)
    return done


async def scheduled_boards() -> list[dict[str, Any]]:
    """Return the boards that have a schedule; none if there is no Prefect server.

    Raises:
        SchedulesNotReached: Prefect's server does not say.
    """
    found: list[dict[str, Any]] = await _order(do="list")
    return found


async def remove_schedules(board: str) -> list[dict[str, Any]]:
    """Remove the schedules of a board, and return them.

    Raises:
        SchedulesNotReached: Prefect's server does not remove them.
    """
    removed: list[dict[str, Any]] = await _order(do="remove", board=board)
    return removed


async def _order(**order: Any) -> Any:  # noqa: ANN401 - any JSON
    require_checkout("flows", "flows/storyboard.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows", "schedules"), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    content, log = await process.communicate(json.dumps(order).encode() + b"\n")
    if process.returncode:
        raise SchedulesNotReached(process.returncode, log.decode(errors="replace").strip())
    return json.loads(content)
