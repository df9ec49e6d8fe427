"""Measure how long the editor's files take to convert, and how much memory."""

import asyncio
import importlib.metadata
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.rows import Row
from previs.comfyui.protocol.classes import read_class
from previs.errors import WorkflowFaults
from previs.simulator.catalog import bundled
from previs.workflow.formats.editor import convert, is_editor_file
from previs.workflow.formats.parsing import parse_json

_PACKAGE = "comfyui-workflow-templates-json"
_MOST_SECONDS, _MOST_MB = 10.0, 200.0


async def conversion(at_least: int) -> Row:
    """Convert the workflow files that go with ComfyUI 0.33.0, in a process of its own.

    Args:
        at_least: How many files must convert. The others need classes or values that only a browser has.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        figures = await asyncio.get_running_loop().run_in_executor(fresh, _in_fresh_process)
    goal = f"at least {at_least} convert, in {_MOST_SECONDS:g} s and {_MOST_MB:g} MB"
    met = figures["seconds"] <= _MOST_SECONDS and figures["peak_mb"] <= _MOST_MB and figures["converted"] >= at_least
    return Row(figures, goal, met)


def _in_fresh_process() -> dict[str, float]:
    sources = [
        (each.name, Path(each.locate()).read_bytes())
        for each in importlib.metadata.files(_PACKAGE) or []
        if each.suffix == ".json" and not each.name.startswith("index")
    ]
    before, start = peak_mb(), time.process_time()
    classes = {name: read_class(name, described) for name, described in bundled("0.33.0").items()}
    ready = time.process_time()
    converted, slowest, files = 0, 0.0, 0
    for name, source in sources:
        began = time.process_time()
        document = parse_json(source, name=name)
        if not is_editor_file(document):
            continue
        files += 1
        try:
            convert(document, classes, name=name)
        except WorkflowFaults:
            continue
        finally:
            slowest = max(slowest, time.process_time() - began)
        converted += 1
    done = time.process_time()
    return {
        "files": files,
        "converted": converted,
        "seconds": round(done - start, 2),
        "seconds_for_classes": round(ready - start, 2),
        "ms_for_the_slowest": round(1000 * slowest, 1),
        "peak_mb": round(peak_mb(), 1),
        "peak_mb_before": round(before, 1),
    }


def peak_mb() -> float:
    """Return the most memory that the process had resident; needs Linux."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
