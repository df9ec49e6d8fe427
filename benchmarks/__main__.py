"""Run the measurements, print a table, and write JSON."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.animatic import animatic
from benchmarks.bombs import bombs
from benchmarks.bucket import KINDS
from benchmarks.cached import cached
from benchmarks.chaos import Size, chaos
from benchmarks.conversion import conversion
from benchmarks.deaths import DEATHS, deaths
from benchmarks.floor import over_the_floor
from benchmarks.frame_qc import frame_qc
from benchmarks.killed import killed
from benchmarks.lists import FILES, lists
from benchmarks.load import load
from benchmarks.memory import memory
from benchmarks.outage import outage
from benchmarks.page import pages
from benchmarks.pdf import pdf
from benchmarks.recovery import lost_for_good, restarted
from benchmarks.references import references
from benchmarks.rows import Row
from benchmarks.served import served
from benchmarks.share import share_of_the_ideal
from benchmarks.sheets import sheets
from benchmarks.silent import silent_node
from benchmarks.start import start
from benchmarks.timelines import timelines

Measurement = Callable[[], Coroutine[Any, Any, Row]]

_LONG_SHARES = ((0.2, 1, None), (0.2, 4, 0.9), (0.2, 16, None), (1, 1, None), (1, 4, 0.97), (1, 16, 0.9))
# The start takes a large part of so short a run, so there is no goal.
_SHORT_SHARES = ((40, 0.2, 4, None), (20, 1, 4, None), (64, 1, 16, None))
_CACHED = ((200, 5, 250), (1000, 15, 250))
_LOADS = ((2_000, 1), (2_000, 2), (10_000, 1), (10_000, 2))
_SHORT_LOADS = ((100, 1), (100, 2))
_SHORT_DEATHS = ("worker killed", "run killed")
_TIME_LIMIT = 1800


def _measurements(*, long: bool) -> dict[str, Measurement]:
    shares = [(200, *share) for share in _LONG_SHARES] if long else _SHORT_SHARES
    size = Size(2000, 200, 200) if long else Size(150, 30, 30)
    return {
        "floor": partial(over_the_floor, 5 if long else 3, 100 if long else 50),
        **{
            f"share, {shots} shots of {seconds:g} s on {servers}": partial(
                share_of_the_ideal, shots, seconds, servers, goal
            )
            for shots, seconds, servers, goal in shares
        },
        "recovery, server restarted": restarted,
        "recovery, server lost for good": lost_for_good,
        "silent node": partial(silent_node, 90 if long else 15),
        **{f"chaos, seed {seed}": partial(chaos, size, seed) for seed in range(20 if long else 2)},
        "memory": partial(memory, 10_000, 10, 80) if long else partial(memory, 1_500, 6, 1000),
        "references": partial(references, 40, 300),
        "conversion": partial(conversion, 500),
        "bombs": partial(bombs, 2000, 900) if long else partial(bombs, 500, 90),
        **{f"list, {name}": partial(lists, name, 50_000_000 if long else 2_000_000) for name in FILES},
        "sheets": partial(sheets, 5_000),
        "frame QC": partial(frame_qc, 15),
        "timelines": partial(timelines, 300),
        **_of_animatics(300 if long else 30),
        "pdf, 300 shots": partial(pdf, 300),
        "page, 300 shots": partial(pages, 300),
        **({"pdf, 2000 shots": partial(pdf, 2_000)} if long else {}),
        "served, 20 boards of 300 shots": partial(served, 20, 300),
        **({"served, 200 boards of 300 shots": partial(served, 200, 300)} if long else {}),
        **_of_runs(long=long),
    }


def _of_animatics(shots: int) -> dict[str, Measurement]:
    return {
        f"animatic, {shots} shots": partial(animatic, shots),
        f"animatic, {shots} shots, slates": partial(animatic, shots, slates=True),
        f"animatic, {shots} shots, moves": partial(animatic, shots, moves=True),
    }


def _of_runs(*, long: bool) -> dict[str, Measurement]:
    """Return the measurements of whole runs of the flow."""
    shots, kills = (100, 10) if long else (20, 2)
    return {
        "start": partial(start, 5 if long else 3, 5, 2.5),
        **{
            f"cached run, {shots} shots, {kind}": partial(cached, kind, shots, seconds, megabytes)
            for shots, seconds, megabytes in _CACHED
            for kind in KINDS
        },
        **{
            f"killed run, {kind}, seed {seed}": partial(killed, kind, shots, kills, seed)
            for seed in range(5 if long else 1)
            for kind in KINDS
        },
        **{
            f"load, {shots} shots, {kind}, parts {parts}": partial(load, kind, shots, parts)
            for shots, parts in (_LOADS if long else _SHORT_LOADS)
            for kind in KINDS
        },
        "parts on two hosts": partial(load, "folder", 600 if long else 100, 2, two_hosts=True),
        **{f"deaths, {name}": partial(deaths, name, 60) for name in (DEATHS if long else _SHORT_DEATHS)},
        "S3 gone in mid-run": partial(outage, 100, 30) if long else partial(outage, 20, 5),
    }


def _shown(row: Row) -> str:
    return "  ".join(f"{key} {value}" for key, value in row.figures.items())


async def _bounded(measure: Measurement) -> Row:
    try:
        async with asyncio.timeout(_TIME_LIMIT):
            return await measure()
    except TimeoutError:
        return Row({}, f"done within {_TIME_LIMIT} s", met=False)


def _run(chosen: dict[str, Measurement]) -> list[dict[str, Any]]:
    """Measure, print each row when it is done, and print the table."""
    table = Table("measurement", "figures", "goal", "met")
    done: list[dict[str, Any]] = []
    for name, measure in chosen.items():
        load = os.getloadavg()[0]
        row = asyncio.run(_bounded(measure))
        met = {None: "", True: "yes", False: "NO"}[row.met]
        print(f"{name}: {_shown(row)} {met}", *row.findings, sep="\n  ", file=sys.stderr, flush=True)  # noqa: T201
        table.add_row(name, _shown(row), row.goal, met)
        done.append({"name": name, "load_before": round(load, 2), **asdict(row)})
    Console().print(table)
    return done


def main() -> None:
    """Run the chosen measurements and write the results."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure speed, recovery, safety and memory."
    )
    parser.add_argument("--long", action="store_true", help="use the full sizes, on a quiet machine; takes an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument(
        "--only", metavar="NAME", default="", help="run the measurements whose name starts so: chaos, seed 3"
    )
    options = parser.parse_args()
    every = _measurements(long=options.long)
    named = [name for name in every if name.startswith(options.only)]
    chosen = {name: every[name] for name in ([options.only] if options.only in every else named)}
    if not chosen:
        parser.error(f"no measurement starts with {options.only!r}; the measurements are {', '.join(every)}")
    rows = _run(chosen)
    if options.json:
        content = {
            "schema": "previs.benchmarks/2",
            "python": sys.version.split()[0],
            "cores": os.cpu_count(),
            "rows": rows,
        }
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
