"""Write the PDF of a board."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from previs.boards.picks import picks
from previs.boards.runs import load_manifest, name_of
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import not_written, write_error, write_line, write_new
from previs.pdf import Made, Settings, make
from previs.publishing.views.wording import plural

_MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class PdfOrder:
    """Hold the options of ``previs pdf``; see its help."""

    store: str | None
    board: str
    path: Path
    run: str | None = None
    settings: Settings = field(default_factory=Settings)


async def write_pdf(order: PdfOrder) -> int:
    """Write the PDF, print a summary and return the exit code: 1 if frames could not be used.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: The file exists or cannot be written, or an option names what cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    if order.path.suffix.lower() != ".pdf":
        raise not_written(order.path, "a PDF is written as .pdf")
    if order.path.exists():
        raise not_written(order.path, "it already exists: move it away, or give another name")
    columns = (TextColumn("panels"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    screen = console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        async with await option_store(order.store) as store:
            board = await name_of(store, order.board)
            manifest, _ = await load_manifest(store, board, order.run)
            chosen = await picks(store, board, warn=write_error)
            taken = {shot: pick.take for shot, pick in chosen.items() if pick.take is not None}
            made = await make(
                store, manifest, taken, order.settings, lambda done, of: progress.update(bar, completed=done, total=of)
            )
    write_new(order.path, made.content)
    _print(made, manifest.run, order.path)
    return 1 if made.faults else 0


def _print(made: Made, run: str, path: Path) -> None:
    parts = [plural(made.pages, "page"), plural(made.panels, "panel"), f"{len(made.content) / 1_000_000:.1f} MB"]
    if made.without:
        parts.append(f"{made.without} of them without a picture, since none was made")
    write_line(f"run {run}: {', '.join(parts)}: {path}")
    for notice in made.notices:
        write_error(f"note: {notice}")
    if made.faults:
        write_error(f"{plural(len(made.faults), 'frame')} could not be used, and the thumbnail or words stand there:")
    for sentence in made.faults[:_MOST_FAULTS]:
        write_error(f"  - {sentence}")
    if len(made.faults) > _MOST_FAULTS:
        write_error(f"  and {len(made.faults) - _MOST_FAULTS} more")
