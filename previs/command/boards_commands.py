"""Commands about boards in a store: which there are, which take stands for a shot, fetching, clearing."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from previs.command.boards import BoardsOrder, show_boards
from previs.command.options import Days, Flag, Runs
from previs.command.pick import PickOrder, pick_take
from previs.command.prune import PruneOrder, prune_store
from previs.command.pull import PullOrder, pull_board
from previs.removal import Rule


def boards(
    board: str | None = None,
    /,
    *,
    store: str | None = None,
    json: Flag = False,
) -> int:
    """List the boards of a store, or the runs of one board.

    Parameters
    ----------
    board
        The board whose runs are listed.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    json
        Write JSON instead of a table; it has all runs of all boards.
    """
    return asyncio.run(show_boards(BoardsOrder(store, board, as_json=json)))


def pick(
    shot: Annotated[str, Parameter(allow_leading_hyphen=True)],
    take: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    /,
    *,
    board: str | None = None,
    store: str | None = None,
    none: Flag = False,
) -> int:
    """Circle a take: the next run of the board shows it for its shot, and shots that build on that shot use it.

    Parameters
    ----------
    shot
        The shot's shot_id.
    take
        The number of a take that has a frame, in the board's latest run or in an earlier one.
    board
        May be left out where the store has one board.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    none
        Take the choice back; give no take then.
    """
    if (take is None) != none:
        sys.stderr.write("give a take, or --none to take the choice back\n")
        return 2
    return asyncio.run(pick_take(PickOrder(store, shot, take, board)))


def pull(board: str, folder: Path, /, *, run: str | None = None, store: str | None = None) -> int:
    """Bring a run's frames, page and manifest into a folder, under names such as SQ010_SH020_t01.png.

    What is there already is not brought again, and other files in the folder are left alone. index.html works without
    a network. Exits with 0 if every frame is there.

    Parameters
    ----------
    board
        Its name; previs boards lists them.
    folder
        Where to; made if it is not there.
    run
        Its name. Default: the run that was published last.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    """
    return asyncio.run(pull_board(PullOrder(store, board, folder, run)))


def prune(
    *,
    store: str | None = None,
    keep: Runs | None = None,
    older_than: Days | None = None,
    spare: Days = 7,
    yes: Flag = False,
) -> int:
    """Remove what no kept run refers to: runs, frames, records of takes, pictures, shot lists and claims.

    Without --yes it only says what would go. All runs are kept unless --keep or --older-than says otherwise; with both,
    a run goes only if both let it go. The latest run of each board always stays, and so do picked takes and your own
    references. While a run is at work, or if a manifest cannot be read, nothing is removed. Start no run meanwhile.

    Parameters
    ----------
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards. In S3 it needs s3:DeleteObject.
    keep
        Keep this many runs of each board, the latest ones.
    older_than
        Let the runs go that finished more than so many days ago.
    spare
        What was written in so many days and is of no run stays: it is of a run that was killed, which finds it again
        when it is started again. Shot lists stay as long.
    yes
        Remove it.
    """
    age = None if older_than is None else timedelta(days=older_than)
    rule = Rule(keep=keep, newer_than=age, spare=timedelta(days=spare))
    return asyncio.run(prune_store(PruneOrder(store, rule, really=yes)))
