"""Measure the seconds and the memory to read and to write a workbook, as multiples of a floor."""

import asyncio
import io
import multiprocessing
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from xml.parsers import expat

from benchmarks.conversion import peak_mb
from benchmarks.made import rows_xlsx
from benchmarks.rows import Row
from previs.shots import read_shot_list
from previs.shots.to_sheet import write_xlsx

_MOST_TIMES_READ, _MOST_TIMES_WRITTEN = 30.0, 70.0
_MOST_MB = 150.0


async def sheets(rows: int) -> Row:
    """Read an ``.xlsx`` of so many rows and ten columns, and write what it holds, in a process of its own.

    The floor is expat of the standard library, which calls an empty function for all that the same file holds.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        figures = await asyncio.get_running_loop().run_in_executor(fresh, partial(_in_fresh_process, rows))
    goal = f"at most {_MOST_TIMES_READ:g} and {_MOST_TIMES_WRITTEN:g} times the floor, and {_MOST_MB:g} MB more"
    met = figures["times_floor"] <= _MOST_TIMES_READ and figures["times_floor_written"] <= _MOST_TIMES_WRITTEN
    return Row(figures, goal, met and figures["more_mb"] <= _MOST_MB)


def _in_fresh_process(rows: int) -> dict[str, float]:
    content = rows_xlsx(rows)
    floor = min(_floor(content) for _ in range(3))
    before, start = peak_mb(), time.process_time()
    shot_list = read_shot_list(content, name="a.xlsx")
    seconds, start = time.process_time() - start, time.process_time()
    write_xlsx(shot_list, "b.xlsx")
    written = time.process_time() - start
    return {
        "kb": round(len(content) / 1000),
        "floor_seconds": round(floor, 3),
        "seconds": round(seconds, 2),
        "times_floor": round(seconds / floor, 1),
        "seconds_written": round(written, 2),
        "times_floor_written": round(written / floor, 1),
        "more_mb": round(peak_mb() - before, 1),
    }


def _floor(content: bytes) -> float:
    start = time.process_time()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                parser = expat.ParserCreate()
                parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = _ignore
                parser.Parse(archive.read(name), True)  # noqa: FBT003 - takes no keyword
    return time.process_time() - start


def _ignore(*_: object) -> None:
    pass
