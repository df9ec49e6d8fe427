"""Define the commands that hand boards on: notices, and publishing to other programs."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from previs.command.options import Flag, Shots
from previs.command.output import needs_extra

publish = App(name="publish", help="Publish boards to other programs.")
FirstFrame = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1_000_000))]


@publish.command
def kitsu(  # noqa: PLR0913 - each is an option of the command
    board: str,
    /,
    *,
    project: str,
    run: str | None = None,
    store: str | None = None,
    host: str | None = None,
    login: Path | None = None,
    episode: str = "",
    sequence: str = "",
    task_type: str = "Storyboard",
    status: str = "",
    shots: Shots = None,
    first_frame: FirstFrame = 1,
    dry_run: Flag = False,
) -> int:
    """Publish a board to Kitsu: its shots, their frame ranges and descriptions, and the chosen take of each as preview.

    Sequences and shots are found by their names, or created. Only what is new or changed since the last time is
    written or uploaded, and what somebody changed in Kitsu stays. The login comes from --login, else from KITSU_TOKEN,
    else from KITSU_EMAIL and KITSU_PASSWORD, or is asked for. It needs the extra previs[kitsu]. Exit code 1 means that
    a shot could not be published.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    project
        Name or ID of an open project in Kitsu.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    host
        URL of Kitsu, such as https://kitsu.studio.example. Default: KITSU_HOST.
    login
        JSON file with email and password, or token.
    episode
        Episode of the shots, in a project that has episodes.
    sequence
        Sequence of shots that have none. Default: the board's title.
    task_type
        Type of the tasks with the previews; the project must have it.
    status
        Name or short name of the status that tasks get with a preview. Default: they keep theirs.
    shots
        IDs of the shots to publish. Default: all.
    first_frame
        Number of the first frame of each shot.
    dry_run
        Only show what would be done.
    """
    with needs_extra():
        from previs.command.publish_kitsu import KitsuOrder, publish_board

    file = login.expanduser() if login else None
    order = KitsuOrder(
        store,
        board,
        project,
        run,
        host,
        episode,
        sequence,
        task_type,
        status,
        tuple(shots or ()),
        first_frame,
        file,
        dry_run,
    )
    return asyncio.run(publish_board(order))


def notices(name: str = "default", /) -> int:
    """Send a test notice to the chat services and mail addresses of a saved block.

    The block Storyboard Notices is saved in Prefect; see docs/notices.md. Exit code 0 means that each service accepted
    the notice.

    Parameters
    ----------
    name
        Name of the block.
    """
    from previs.command.notices import send_test

    return asyncio.run(send_test(name))
