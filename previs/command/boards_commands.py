"""Define the commands that work on boards in a store."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from previs.command.options import Days, Flag, Names, PassName, RenderSeconds, Runs, ShotOrList, TakeNumber
from previs.command.output import with_faults, write_error


def boards(
    board: str | None = None,
    /,
    *,
    store: str | None = None,
    json: Flag = False,
) -> int:
    """List boards, or the runs of one board.

    Parameters
    ----------
    board
        Board whose runs are listed.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    json
        Print JSON with all runs of all boards.
    """
    from previs.command.boards import BoardsOrder, show_boards

    return asyncio.run(show_boards(BoardsOrder(store, board, as_json=json)))


def pick(
    shot: ShotOrList | None = None,
    take: TakeNumber = None,
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    board: str | None = None,
    store: str | None = None,
    none: Flag = False,
) -> int:
    """Choose a take for a shot, or take in the choices made in a sheet.

    From the next run on, the board shows it for its shot, and shots that build on that shot use it.

    Parameters
    ----------
    shot
        ID of the shot.
    take
        Number of a take that has a frame, in the board's latest run or an earlier one.
    from_
        Path or URL of a sheet that previs sheet wrote. Of it, only the column "board: pick" is taken in, where it was
        changed; a note says what else differs from the board. Leave SHOT and TAKE out.
    board
        Name of the board. Default: the board of the sheet, or the only board of the store.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    none
        Clear the choice; leave TAKE out.
    """
    if from_ is not None:
        if shot is not None or none:
            write_error("give a shot and a take, or --from and a sheet")
            return 2
        from previs.command.sheet_picks import SheetPicksOrder, pick_from_sheet

        return asyncio.run(pick_from_sheet(SheetPicksOrder(store, from_, board)))
    if shot is None or (take is None) != none:
        write_error("give a shot, and a take or --none to clear the choice; or --from and a sheet")
        return 2
    from previs.command.pick import PickOrder, pick_take

    return asyncio.run(pick_take(PickOrder(store, shot, take, board)))


def pull(
    board: str, folder: Path, /, *, run: str | None = None, store: str | None = None, page_assets: Flag = False
) -> int:
    """Download a run's frames, page and manifest.

    Frames get readable names such as SQ010_SH020_t01.png. Only what is missing is downloaded, and other files in the
    folder are left alone. index.html works without a network. Exit code 0 means that the folder has every frame.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    folder
        Folder to download to; created if it does not exist.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    page_assets
        Write the page's style and script into board.css and board.js beside it, for web hosts whose
        Content-Security-Policy forbids inline ones. Default: one self-contained index.html.
    """
    from previs.command.pull import PullOrder, pull_board

    return asyncio.run(pull_board(PullOrder(store, board, folder, run, page_assets)))


def sheet(board: str, out: Path, /, *, run: str | None = None, store: str | None = None) -> int:
    """Write a board as a sheet for Excel, Numbers, WPS or LibreOffice.

    It has a row for each shot: the picture of its chosen take, the pick, its notes and all other fields, and what
    became of its takes. The sheet is a shot list: previs run, plan and check read it, edited or not, and ignore the
    columns that begin with "board: ". previs pick --from takes in the picks that were changed in it.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    out
        File (.xlsx) to write. An existing file is never overwritten.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    """
    from previs.command.sheet import SheetOrder, write_sheet

    return asyncio.run(write_sheet(SheetOrder(store, board, out, run)))


def prune(
    *,
    store: str | None = None,
    keep: Runs | None = None,
    older_than: Days | None = None,
    spare: Days = 7,
    yes: Flag = False,
) -> int:
    """Delete what no kept run uses.

    That is runs, frames, take records, pictures, shot lists, leases, and files that killed writers left unfinished.
    Without --yes it only lists them. All runs are kept unless --keep or --older-than is given; with both, a run goes
    only if both let it go. The latest run of each board always stays, and so do picked takes, your own references,
    nightly boards and the lists that they name. Nothing is deleted while a run is active, or if a manifest, a pick or a
    nightly board cannot be read. Start no run meanwhile.

    Parameters
    ----------
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards. In S3 it needs s3:DeleteObject.
    keep
        Number of runs to keep per board, the latest ones.
    older_than
        Delete runs that finished more than this many days ago.
    spare
        Days for which files that belong to no run, and shot lists, are kept. A killed run may need them when it
        restarts.
    yes
        Delete.
    """
    from previs.boards.retention import Rule
    from previs.command.prune import PruneOrder, prune_store

    age = None if older_than is None else timedelta(days=older_than)
    rule = Rule(keep=keep, newer_than=age, spare=timedelta(days=spare))
    return asyncio.run(prune_store(PruneOrder(store, rule, delete=yes)))


def rerender(
    manifest: str,
    shot: ShotOrList,
    /,
    *,
    take: TakeNumber = None,
    pass_: PassName = "",
    farm: Names = None,
    store: str | None = None,
    render_seconds: RenderSeconds | None = None,
    json: Flag = False,
) -> int:
    """Render a take again from a manifest, and compare.

    The same graph is rendered, with the input pictures that the store has kept. The command reports where the new
    frames are, and whether they have the same bytes as those in the manifest, or else the same pixels. It replaces the
    record of the take, as --refresh does: the next run shows the new frames, and renders again what builds on them. The
    old frames stay, and old boards show them. Exit code 0: rendered. 1: the render failed. 2: it could not be tried.

    Parameters
    ----------
    manifest
        Path or URL of a manifest.json, or the folder that holds it, such as that of a pulled board.
    shot
        ID of the shot.
    take
        Number of the take. Default: the take or pass that stands for the shot.
    pass_
        Name of a pass, in place of a take.
    farm
        As for previs run. Default: http://127.0.0.1:8188.
    store
        s3://bucket/prefix, a folder, or block:NAME: the store with the take's input pictures; its frames go there.
        Default: the store that holds the manifest.
    render_seconds
        As for previs run. Default: 30 minutes for images and 4 hours for video and sound.
    json
        Print JSON.
    """
    from previs.command.rerender import SCHEMA, RerenderOrder, rerender_take

    order = RerenderOrder(manifest, shot, take, tuple(farm or ()), store, render_seconds, pass_, as_json=json)
    return asyncio.run(with_faults(rerender_take(order), SCHEMA, as_json=json))


def schema(name: str | None = None, /) -> int:
    """Print a JSON Schema.

    It follows JSON Schema 2020-12 and describes a file that previs reads or writes.

    Parameters
    ----------
    name
        manifest, take, pick, nightly or shots. Default: list the names.
    """
    from previs.command.schema import write_schema

    return write_schema(name)
