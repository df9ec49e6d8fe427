"""Define the command that makes films of boards."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from previs.command.options import Flag

FadeSeconds = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=10))]


def animatic(  # noqa: PLR0913 - one for each option
    board: str,
    out: Path,
    /,
    *,
    run: str | None = None,
    store: str | None = None,
    size: str | None = None,
    slates: Flag = False,
    subtitles: Literal["track", "burn", "none"] = "track",
    moves: Flag = False,
    push: Flag = False,
    fade: FadeSeconds = 0,
    audio: Path | None = None,
    sounds: Path | None = None,
    font: Path | None = None,
    shots_to: Path | None = None,
) -> int:
    """Make a film of a board: the chosen take of each shot for exactly its frames.

    It is an MP4 in H.264 at the list's frame rate. Stills are held; clips play as they are, cut or held on their last
    frame. A shot without a picture is a slate of its length. The picture has the aspect that the list sets, with bars
    where a shot has another. Exit code 0 means that every picture and sound that was asked for is in it.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    out
        File (.mp4) to write. An existing file is never overwritten.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    size
        Width and height, such as 1920x1080. Default: the list's aspect, with 1280 pixels on the longer side.
    slates
        Burn in the shot, its take, and the timecode.
    subtitles
        What becomes of the dialogue: a track of the file, burned into the picture, or none. For the first two there is
        also a file .srt beside the film.
    moves
        Move a slow camera over stills as the shots' camera movement says: push in, pull out, pan left, 推, 拉, 摇.
    push
        Move a slow push over all other stills, but those with a static camera.
    fade
        Seconds of a cross-fade at each cut. The length of the film does not change. Default: half a second where the
        list's transition names a dissolve or a fade, else none.
    audio
        File with sound for the whole film.
    sounds
        Folder with the sound files that the shots name in "sound". Each is heard from the start of its shot to its end.
    font
        File of a font (.ttf, .otf or .ttc) that is used first. Default: fonts of the system that have all characters.
    shots_to
        Folder for a film of each shot, for editors, without cross-fades and subtitle tracks.
    """
    from previs.animatic.make import Settings
    from previs.command.animatic import AnimaticOrder, make_animatic

    paths = (path.expanduser() if path else None for path in (audio, sounds, font, shots_to))
    settings = Settings(slates, subtitles, fade, *paths)
    order = AnimaticOrder(store, board, out.expanduser(), run, size, moves, push, settings)
    return asyncio.run(make_animatic(order))
