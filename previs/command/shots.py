"""Show how a shot list is read, and write it as a clean list."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from rich.table import Table
from rich.text import Text

from previs.command.console import console
from previs.command.output import not_written, write_json, write_new
from previs.ingest.lists import read_list_at
from previs.ingest.reader import SourceReader
from previs.publishing.views.wording import one_line, plural
from previs.shots import Shot, ShotList, unused_fields
from previs.shots.to_sheet import write_csv, write_xlsx
from previs.store.addresses import base_of, kind_of, shown
from previs.text.listing import first_of

SCHEMA: Final = "previs.shots/1"
_SUFFIXES: Final = (".yaml", ".yml", ".json", ".xlsx", ".csv")
_MOST_ROWS: Final = 200
_NAMED: Final = 20
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class ShotsOrder:
    """Hold the options of ``previs shots``; see its help."""

    shots: str
    write: str | None = None
    every: bool = False
    as_json: bool = False


async def show_shots(order: ShotsOrder) -> int:
    """Print what a shot list is read as, write it if that is asked for, and return the exit code.

    Raises:
        ShotListFaults: The list has faults, or cannot be written to that file.
        SourceNotFound, SourceUnavailable: The list cannot be read.
    """
    async with SourceReader() as sources:
        shot_list = await read_list_at(order.shots, sources)
    notices = [*shot_list.notices, *unused_fields(shot_list)]
    if order.write is not None:
        notices += await asyncio.to_thread(write_list, shot_list, order.shots, Path(order.write))
    if order.as_json:
        columns = [{"column": column, "field": field} for field, column in shot_list.columns.items()]
        read = shot_list.given()
        prompts = [{"shot_id": shot.shot_id, "prompt": shot.prompt} for shot in shot_list.shots]
        write_json({"schema": SCHEMA, "columns": columns, "notices": notices, "prompts": prompts} | {"list": read})
    else:
        _print(shot_list, notices, every=order.every)
    return 0


def write_list(shot_list: ShotList, source: str, path: Path) -> list[str]:
    """Write a list to a new file, and return sentences on what that file does not hold.

    Args:
        shot_list: List to write.
        source: Path or URL to which its references are relative.
        path: File, whose suffix decides the format.

    Raises:
        ShotListFaults: The file exists, or cannot hold the list.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise not_written(path, f"a list is written as {', '.join(_SUFFIXES)}")
    write_new(path, _content(shot_list, path, suffix))
    notices = []
    fields = [field for field in shot_list.given() if field != "shots"]
    if suffix == ".csv" and fields:
        lost = first_of([one_line(field) for field in fields], _NAMED)
        notices.append(f"a CSV holds shots only, so these fields of the list are not in it: {lost}; .xlsx holds them")
    urls = [reference.url for shot in shot_list.shots for reference in shot.references]
    elsewhere = kind_of(source) not in {"path", "file"} or Path(base_of(source)).resolve() != path.resolve().parent
    if elsewhere and any(kind_of(url) == "path" and not Path(url).is_absolute() for url in urls):
        moved = f"move {path.name} there, or the pictures here"
        notices.append(f"references are relative to {shown(base_of(source))}: {moved}")
    return notices


def _content(shot_list: ShotList, path: Path, suffix: str) -> bytes:
    if suffix == ".xlsx":
        return write_xlsx(shot_list, str(path))
    if suffix == ".csv":
        return write_csv(shot_list, str(path))
    if suffix == ".json":
        return (json.dumps(shot_list.given(), ensure_ascii=False, indent=2) + "\n").encode()
    text: str = yaml.safe_dump(shot_list.given(), allow_unicode=True, sort_keys=False, width=120)
    return text.encode()


def _print(shot_list: ShotList, notices: Iterable[str], *, every: bool) -> None:
    printed = console()
    printed.print(Text(_summary(shot_list)), soft_wrap=True)
    if shot_list.columns:
        columns = Table("column", "read as")
        for field, column in shot_list.columns.items():
            columns.add_row(Text(one_line(column)), field)
        printed.print(columns)
    table = Table()
    for heading in ("shot", "sequence", "scene", "seconds", "camera", "prompt"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "seconds" else "left")
    shots = shot_list.shots if every else shot_list.shots[:_MOST_ROWS]
    for shot in shots:
        table.add_row(*(Text(one_line(cell)) for cell in _cells(shot)))
    printed.print(table)
    if more := len(shot_list.shots) - len(shots):
        printed.print(Text(f"and {more:,} more shots: --all shows them"), soft_wrap=True)
    for notice in notices:
        printed.print(Text(f"note: {one_line(notice)}"), soft_wrap=True)


def _summary(shot_list: ShotList) -> str:
    seconds = sum(shot.duration for shot in shot_list.shots)
    title = f"{one_line(shot_list.title)}: " if shot_list.title else ""
    return f"{title}{plural(len(shot_list.shots), 'shot')}, {seconds:g} s at {shot_list.fps:g} frames per second"


def _cells(shot: Shot) -> tuple[str, ...]:
    camera = shot.camera
    words = ", ".join(filter(None, (camera.size, camera.angle, camera.movement, camera.lens)))
    prompt = shot.prompt if len(shot.prompt) <= _LONGEST else shot.prompt[: _LONGEST - 1] + "…"
    return shot.label, shot.sequence or "", shot.scene or "", f"{shot.duration:g}", words, prompt
