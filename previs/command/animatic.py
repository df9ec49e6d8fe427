"""Make the animatic of a board."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from previs.animatic.canvas import SIZES, size_of
from previs.animatic.make import Made, Settings, make
from previs.animatic.timeline import Timeline, timeline
from previs.boards.runs import load_manifest, name_of
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import not_written, write_error, write_line
from previs.errors import Fault, ShotListFaults
from previs.publishing.views.timecode import number, spell
from previs.publishing.views.wording import plural

_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class AnimaticOrder:
    """Hold the options of ``previs animatic``; see its help."""

    store: str | None
    board: str
    path: Path
    run: str | None = None
    size: str | None = None
    moves: bool = False
    push: bool = False
    settings: Settings = field(default_factory=Settings)


async def make_animatic(order: AnimaticOrder) -> int:
    """Make the film, print a summary and return the exit code: 1 if pictures or sounds could not be used.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: A file exists or cannot be written, or an option names what cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    if order.path.suffix.lower() != ".mp4":
        raise not_written(order.path, "an animatic is written as .mp4")
    size = None if order.size is None else size_of(order.size)
    if order.size is not None and size is None:
        raise ShotListFaults("the options", (Fault("--size", "", order.size, f"give {SIZES}"),))
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    shown = console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        async with await option_store(order.store) as store:
            manifest, _ = await load_manifest(store, await name_of(store, order.board), order.run)
            plays = timeline(manifest, size=size, moves=order.moves, push=order.push)
            made = await make(
                store,
                plays,
                order.path,
                order.settings,
                lambda done, of: progress.update(bar, completed=done, total=of),
            )
    _print(plays, made, order.path, manifest.run)
    return 1 if made.faults else 0


def _print(plays: Timeline, made: Made, path: Path, run: str) -> None:
    missing = sum(cue.frame is None for cue in plays.cues)
    parts = [
        plural(len(plays.cues), "shot"),
        f"{plays.frames:,} frames at {number(float(plays.fps))} fps ({spell(float(plays.frames / plays.fps))})",
        f"{plays.canvas.width} × {plays.canvas.height}",
        plural(made.subtitles, "subtitle"),
        *([f"{plural(missing, 'shot')} without a picture, shown as slates"] if missing else []),
    ]
    write_line(f"run {run}: {', '.join(parts)}: {path}")
    for notice in made.notices:
        write_error(f"note: {notice}")
    for sentence in made.faults[:_MOST_FAULTS]:
        write_error(sentence)
    if len(made.faults) > _MOST_FAULTS:
        write_error(f"and {len(made.faults) - _MOST_FAULTS} more")
    if made.srt:
        write_error(f"written: {made.srt}")
    if made.shots:
        write_error(f"written: {plural(len(made.shots), 'shot')} in {made.shots[0].parent}")
