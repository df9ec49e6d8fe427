"""Run the measurements, print a table, and write JSON: ``python -m benchmarks [--long] [--json FILE]``."""

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measures import Row, over_the_floor, recovery, share_of_the_ideal, storm


def _measurements(*, long: bool) -> dict[str, Coroutine[Any, Any, Row]]:
    shots = 200 if long else 40
    shares = {
        f"{shots} shots of {seconds:g} s on {servers}": share_of_the_ideal(shots, seconds, servers)
        for seconds, servers in ([(0.2, 1), (0.2, 4), (0.2, 16), (1, 4), (1, 16)] if long else [(0.2, 4), (1, 4)])
    }
    storms = {
        f"storm, seed {seed}": storm(2000 if long else 150, 0.0 if long else 0.05, seed)
        for seed in range(20 if long else 2)
    }
    return {
        "prompt over the floor": over_the_floor(),
        **shares,
        "server restarted": recovery(for_good=False),
        "server lost for good": recovery(for_good=True),
        **storms,
    }


async def _run(*, long: bool) -> dict[str, Row]:
    return {name: await measured for name, measured in _measurements(long=long).items()}


def main() -> None:
    """Measure and tell."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and recovery.")
    asked.add_argument("--long", action="store_true", help="the full sizes, for a quiet machine")
    asked.add_argument("--json", type=Path, help="a file to write the figures to")
    options = asked.parse_args()
    rows = asyncio.run(_run(long=options.long))
    table = Table("measurement", "figures")
    for name, row in rows.items():
        table.add_row(name, "  ".join(f"{key} {value}" for key, value in row.items()))
    Console().print(table)
    if options.json:
        content = {"schema": "previs.benchmarks/1", "python": sys.version.split()[0], "rows": rows}
        options.json.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
