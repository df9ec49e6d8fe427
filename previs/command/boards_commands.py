"""Commands about boards in a store: which there are, which take stands for a shot, fetching, clearing."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from previs.boards.retention import Rule
from previs.command.boards import BoardsOrder, show_boards
from previs.command.options import Days, Farm, Flag, Runs
from previs.command.output import with_faults
from previs.command.pick import PickOrder, pick_take
from previs.command.prune import PruneOrder, prune_store
from previs.command.pull import PullOrder, pull_board
from previs.command.rerender import SCHEMA as RERENDER_SCHEMA
from previs.command.rerender import RerenderOrder, rerender_take
from previs.command.schema import write_schema


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
    a run goes only if both let it go. The latest run of each board always stays, and so do picked takes, your own
    references, nightly boards and the lists that these name. While a run is at work, or if a manifest, a pick or a
    nightly board cannot be read, nothing is removed. Start no run meanwhile.

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


def rerender(
    manifest: str,
    shot: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    take: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    farm: Farm = None,
    store: str | None = None,
    json: Flag = False,
) -> int:
    """Render a take again as a manifest has it: the very graph, with the pictures that the store has kept for it.

    Says where the new frames are, and whether they have the bytes, or else the pixels, of those in the manifest. It is
    the same take, so its record is replaced, as --refresh does: the next run shows the new frames, and renders again
    what builds on them. The old frames stay, and old boards show them. Exits with 0 if it was rendered, 1 if that
    failed, 2 if it cannot be tried.

    Parameters
    ----------
    manifest
        A manifest.json: a path, s3:// or https://; or the folder that holds it, such as that of a pulled board.
    shot
        The shot's shot_id.
    take
        Its number. Default: the one that stands for the shot.
    farm
        As for previs run. Default: http://127.0.0.1:8188.
    store
        s3://bucket/prefix, a folder, or block:NAME: it has the pictures that the take was made from, and keeps its
        frames. Default: the store that the manifest lies in.
    json
        Write JSON instead of text.
    """
    order = RerenderOrder(manifest, shot, take, tuple(farm or ()), store, as_json=json)
    return asyncio.run(with_faults(rerender_take(order), RERENDER_SCHEMA, as_json=json))


def schema(name: str | None = None, /) -> int:
    """Write a JSON Schema (2020-12) of what previs reads or writes.

    Parameters
    ----------
    name
        manifest, take, pick, nightly or shots. Left out: list them.
    """
    return write_schema(name)
