"""Define the commands that choose the boards of the night."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio

from cyclopts import App

from previs.command.options import Count, Flag, Overrides, RenderSeconds
from previs.command.overrides import parse_overrides

nightly = App(name="nightly", help="Choose the boards that are rendered every night.")


@nightly.command
def add(  # noqa: PLR0913 - each is an option
    shots: str,
    /,
    *,
    board: str = "",
    workflow: str | None = None,
    takes: Count = 1,
    override: Overrides = None,
    render_seconds: RenderSeconds | None = None,
    store: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> int:
    """Add a board to the nightly ones, or change it.

    The deployment nightly/nightly renders it every night; with --cron, the board gets a schedule of its own in Prefect
    instead. The list and the workflow are checked now and read again for each run, so edit them where they are. Every
    worker must be able to read them.

    Parameters
    ----------
    shots
        Path or URL (s3:// or https://) of a JSON, YAML, CSV, .xlsx or .ods file.
    board
        As for previs run. Default: the list's title.
    workflow
        As for previs run. Default: the deployment's.
    takes
        As for previs run.
    override
        As for previs run.
    render_seconds
        As for previs run. Default: the deployment's.
    store
        The deployment's store: s3://bucket/prefix, a folder, or block:NAME. Default: the block named default, or else
        the folder storyboards.
    cron
        A schedule of its own, such as "0 3 * * 1-5". It is kept in Prefect and replaces an earlier one.
    timezone
        Time zone of that schedule, such as Europe/Berlin. Default: Etc/UTC.
    """
    from previs.command.nightly_boards import AddOrder, add_board

    overrides = parse_overrides(override)
    order = AddOrder(store, shots, board, workflow, takes, overrides, render_seconds, cron, timezone)
    return asyncio.run(add_board(order))


@nightly.command(name="list")
def list_(*, json: Flag = False, store: str | None = None) -> int:
    """List the boards that are rendered every night, or by a schedule of their own.

    Parameters
    ----------
    json
        Print JSON.
    store
        As for previs nightly add.
    """
    from previs.command.board_schedules import scheduled_boards
    from previs.command.nightly_boards import list_boards

    return asyncio.run(list_boards(store, as_json=json, ask=scheduled_boards))


@nightly.command
def remove(board: str, /, *, store: str | None = None) -> int:
    """Remove a board from the nightly ones, and its schedule; rendered frames stay.

    Parameters
    ----------
    board
        Name of the board; previs nightly list lists them.
    store
        As for previs nightly add.
    """
    from previs.command.board_schedules import remove_schedules
    from previs.command.nightly_boards import remove_board

    return asyncio.run(remove_board(store, board, remove_schedules))
