"""Read a million damaged inputs, and report every exception that is not previs's own, and every slow input.

Each input is made from a reader's name and a number, so it can be made again: ``--only lists --first 4711 --inputs 1``.
"""

import argparse
import csv
import io
import math
import os
import random
import resource
import shlex
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.mutations import json_text, wrong_bytes, wrong_json, wrong_parts, wrong_xml
from benchmarks.readers import READERS, variants
from previs.errors import PrevisError

SECONDS = 2.0
"""CPU time that an input may take."""

_BATCH = 500
_MEMORY = 4 << 30
_BYTES_ONLY = 0.2  # part of the inputs whose shape is not damaged, only their bytes
_BOTH = 0.1


class _TooSlow(BaseException):
    """Report that an input has taken its time; no reader may catch it."""


@dataclass
class Findings:
    """Hold what a reader did with its inputs.

    Attributes:
        exceptions: The traceback of the first input that raised so, by the last lines of the traceback.
        slowest: Seconds of CPU time and number of the slowest input.
    """

    inputs: int = 0
    exceptions: dict[str, tuple[int, str]] = field(default_factory=dict)
    unexpected: int = 0
    too_slow: list[int] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, other: "Findings") -> None:
        """Add what was found in other inputs."""
        self.inputs += other.inputs
        self.unexpected += other.unexpected
        self.too_slow += other.too_slow
        self.exceptions = other.exceptions | self.exceptions
        self.slowest = max(self.slowest, other.slowest)


@cache
def _good(reader: str) -> list[tuple[str, bytes, Any]]:
    return list(variants(READERS[reader].good()))


def damaged(reader: str, number: int) -> tuple[str, bytes]:
    """Return the name and the content of a reader's input of this number."""
    source = random.Random(f"{reader}/{number}")  # noqa: S311 - no secret is drawn
    good = _good(reader)
    name, content, held = source.choice(good)
    kind = source.random()
    if held is not None and kind > _BYTES_ONLY:
        content = _written(name, wrong_json(source, held))
    elif name.endswith(".csv") and kind > _BYTES_ONLY:
        content = _wrong_cells(source, content)
    elif name.endswith(".fdx") and kind > _BYTES_ONLY:
        content = wrong_xml(source, content)
    elif name.endswith((".xlsx", ".ods")) and kind > _BYTES_ONLY:
        return name, wrong_parts(source, content, [each for _, each, _ in good])
    if held is None or kind < _BYTES_ONLY + _BOTH:
        content = wrong_bytes(source, content, [each for _, each, _ in good])
    return name, content


def _written(name: str, value: Any) -> bytes:  # noqa: ANN401 - any JSON
    text = json_text(value)
    if not name.endswith(".yaml"):
        return text
    try:
        return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).replace("\ue000", "").encode()
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError):
        # YAML holds JSON, and what it cannot hold shows in how it is read.
        return text


def _wrong_cells(source: random.Random, content: bytes) -> bytes:
    rows = wrong_json(source, list(csv.reader(io.StringIO(content.decode("utf-8-sig")))))
    out = io.StringIO()
    with_rows = rows if isinstance(rows, list) else [rows]
    csv.writer(out, escapechar="\\").writerows(row if isinstance(row, list) else [row] for row in with_rows)
    return out.getvalue().encode(errors="replace")


def read_damaged(reader: str, first: int, count: int) -> Findings:
    """Read so many damaged inputs from a number on, within this process."""
    found = Findings(inputs=count)
    signal.signal(signal.SIGPROF, _stop)
    for number in range(first, first + count):
        try:
            name, content = damaged(reader, number)
        except Exception:
            sys.stderr.write(f"input {number} of {reader} cannot be made\n")
            raise
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                READERS[reader].read(content, name)
        except PrevisError as error:
            str(error)
        except _TooSlow:
            found.too_slow.append(number)
            found.exceptions.setdefault(f"input {number} is too slow", (number, traceback.format_exc(limit=-12)))
        except Exception as error:  # noqa: BLE001 - whatever comes out is the finding
            found.unexpected += 1
            steps = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {steps.filename}:{steps.lineno}"
            found.exceptions.setdefault(place, (number, traceback.format_exc(limit=-12)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - began
        if seconds > SECONDS and number not in found.too_slow:
            found.too_slow.append(number)
        found.slowest = max(found.slowest, (seconds, number))
    return found


def _stop(*_: object) -> None:
    raise _TooSlow


def _batches(readers: list[str], first: int, inputs: int) -> Iterator[tuple[str, int, int]]:
    shares = sum(READERS[reader].share for reader in readers)
    for reader in readers:
        count = math.ceil(inputs * READERS[reader].share / shares)
        yield from ((reader, first + at, min(_BATCH, count - at)) for at in range(0, count, _BATCH))


def _start() -> None:
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def fuzz(readers: list[str], first: int, inputs: int) -> dict[str, Findings]:
    """Read damaged inputs with all cores, and write each finding to stderr; return all that was found, by reader."""
    found = {reader: Findings() for reader in readers}
    batches = list(_batches(readers, first, inputs))
    random.Random(0).shuffle(batches)  # noqa: S311 - no secret is drawn
    with ProcessPoolExecutor(os.cpu_count(), initializer=_start) as pool:
        for (reader, *_), part in zip(batches, pool.map(read_damaged, *zip(*batches, strict=True)), strict=True):
            for place, (number, trace) in part.exceptions.items():
                if place not in found[reader].exceptions:
                    again = f"python -m benchmarks.fuzz --only {shlex.quote(reader)} --first {number} --inputs 1"
                    sys.stderr.write(f"\n{place}\n{again}\n{trace}")
            found[reader].add(part)
    return found


def _show(found: dict[str, Findings]) -> None:
    table = Table("reader", "inputs", "unexpected exceptions", f"over {SECONDS:g} s", "slowest, s", "its number")
    for reader, each in found.items():
        seconds, number = each.slowest
        table.add_row(
            reader, f"{each.inputs:,}", str(each.unexpected), str(len(each.too_slow)), f"{seconds:.2f}", str(number)
        )
    Console().print(table)
    sys.stdout.write(f"{sum(each.inputs for each in found.values()):,} inputs\n")


def main() -> int:
    """Read the damaged inputs, print a table, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Read damaged inputs.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many inputs; the default is a million")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of each reader")
    parser.add_argument("--only", choices=READERS, metavar="READER", help=f"one of {', '.join(READERS)}")
    options = parser.parse_args()
    found = fuzz([options.only] if options.only else list(READERS), options.first, options.inputs)
    _show(found)
    return int(any(each.unexpected or each.too_slow for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
