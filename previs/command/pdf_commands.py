"""Define the command that writes boards as PDF."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Literal

from previs.command.options import Landscape
from previs.command.output import write_error


def pdf(  # noqa: PLR0913 - each is an option of the command
    board: str,
    out: Path,
    /,
    *,
    run: str | None = None,
    store: str | None = None,
    panels: Literal[1, 2, 4, 6, 9, 12] = 6,
    paper: Literal["A4", "Letter"] = "A4",
    landscape: Landscape = None,
    takes: Literal["chosen", "all"] = "chosen",
    logo: Path | None = None,
    font: Path | None = None,
) -> int:
    """Write a board as a PDF to print and to send.

    Each panel has the shot's number and duration, its picture in its own aspect, framing, action, dialogue and notes;
    each page the title, the contents, revision, date and page number. There are no seeds, prompts of takes or servers.
    Exit code 0 means that every frame that the board has is in it.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    out
        File (.pdf) to write. An existing file is never overwritten.
    run
        Name of the run. Default: the latest run.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    panels
        Panels of a page: 1, 2, 4, 6, 9 or 12.
    paper
        A4 or Letter.
    landscape
        Whether pages lie on their long side. Default: with which the pictures are clearly larger; else --portrait for
        2, 4, 9 and 12 panels, and --landscape for 1 and 6.
    takes
        chosen: a panel for each shot. all: a panel for each take and pass, with the texts at the first.
    logo
        Picture at the top of each page.
    font
        File of a font (.ttf, .otf or .ttc) that is used first. Default: fonts of the system that have all characters.
    """
    try:
        from previs.command.pdf import PdfOrder, write_pdf
        from previs.pdf import Settings
    except ModuleNotFoundError as error:
        write_error(str(error))
        return 2

    def full(path: Path | None) -> Path | None:
        return path.expanduser() if path else None

    settings = Settings(panels, paper, landscape, takes, full(logo), full(font))
    return asyncio.run(write_pdf(PdfOrder(store, board, out.expanduser(), run, settings)))
