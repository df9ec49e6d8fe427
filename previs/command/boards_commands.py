"""Define the commands that work on boards in a store."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from datetime import timedelta
from pathlib import Path

from previs.command.options import Days, Flag, Names, RenderSeconds, Runs, ShotOrList, TakeNumber
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
    shot: ShotOrList,
    take: TakeNumber = None,
    /,
    *,
    board: str | None = None,
    store: str | None = None,
    none: Flag = False,
) -> int:
    """Choose a take for a shot.

    From the next run on, the board shows it for its shot, and shots that build on that shot use it.

    Parameters
    ----------
    shot
        ID of the shot.
    take
        Number of a take that has a frame, in the board's latest run or an earlier one.
    board
        Name of the board. Default: the only board of the store.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    none
        Clear the choice; leave TAKE out.
    """
    if (take is None) != none:
        write_error("give a take, or --none to clear the choice")
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
        Number of the take. Default: the take that stands for the shot.
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

    order = RerenderOrder(manifest, shot, take, tuple(farm or ()), store, render_seconds, as_json=json)
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
