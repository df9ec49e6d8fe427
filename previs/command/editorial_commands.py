"""Define the commands that hand a board over to editing programs, and read a cut back."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path

from previs.command.options import Flag
from previs.command.output import needs_extra


def timeline(
    board: str,
    out: Path,
    /,
    *,
    run: str | None = None,
    store: str | None = None,
    media: Path | None = None,
    audio: Path | None = None,
    start: str = "01:00:00:00",
) -> int:
    """Write a board's timeline for editing programs: one clip a shot.

    The suffix of the file decides the format: .otio, .edl (CMX 3600), .xml (Final Cut Pro 7, Premiere, Resolve),
    .fcpxml (Final Cut Pro X) or .aaf (Media Composer). Each clip has its shot's name and exact length, its notes and
    dialogue as markers, and in .otio what it was made from. It needs the extra previs[timeline].

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    out
        File to write. An existing file is never overwritten.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    media
        Folder with the shots' files, to which the clips link: what previs animatic --shots-to or previs pull wrote.
        Default: the store, if it is a folder.
    audio
        Sound file for a sound track.
    start
        Timecode of the first frame.
    """
    with needs_extra():
        from previs.command.timeline import TimelineOrder, write_cut

    return asyncio.run(write_cut(TimelineOrder(store, board, out, run, media, audio, start)))


def conform(
    board: str,
    cut: Path,
    /,
    *,
    run: str | None = None,
    store: str | None = None,
    write: Path | None = None,
    all: Flag = False,  # noqa: A002 - the option's name
) -> int:
    """Show how an editor's cut differs from its board, and write its list.

    Shots are found by what previs wrote into the timeline, or by the names of clips and files. Shots that the cut
    leaves out and clips that are no shots are named. It needs the extra previs[timeline].

    Parameters
    ----------
    board
        Name of the board.
    cut
        File (.otio, .edl, .xml, .fcpxml or .aaf) with one sequence.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    write
        File (.yaml, .json, .xlsx or .csv) for the list: the board's shots in the order of the cut, with its durations.
        An existing file is never overwritten.
    all
        Show all shots; else the first 200.
    """
    with needs_extra():
        from previs.command.conform import ConformOrder, conform_cut

    return asyncio.run(conform_cut(ConformOrder(store, board, cut, run, write, every=all)))
