"""Measure ``previs run`` from its start to its end, for a list that is rendered already."""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.runs import shot_list
from benchmarks.servers import Plan, servers
from benchmarks.stage import SETTINGS

_IMPORT = ("-c", "import prefect")
_PREVIS = ("-c", "from previs.command import main; main()")
_STOP = (*_PREVIS, "server", "stop")
_SHOTS = 8


async def start(rounds: int, without: float, with_one: float) -> Row:
    """Measure the seconds of cached runs without and with a Prefect server, beside those to import Prefect.

    Args:
        rounds: Number of rounds; the medians count.
        without: Maximum seconds if no Prefect server runs and one is started.
        with_one: Maximum seconds if one runs.
    """
    with tempfile.TemporaryDirectory(prefix="previs-bench-", ignore_cleanup_errors=True) as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        environment |= {"PREFECT_HOME": f"{folder}/prefect"}
        files = {"shots.json": shot_list(_SHOTS), "settings.json": SETTINGS}
        for name, content in files.items():
            await asyncio.to_thread(Path(folder, name).write_text, json.dumps(content), "utf-8")
        async with servers(Plan([()])) as farm:
            words = ("run", f"{folder}/shots.json", "--workflow", f"{folder}/settings.json", "--farm", farm.urls[0])
            run = (*_PREVIS, *words, "--store", folder)
            first = await _seconds(environment, *run)
            taken: dict[str, list[float]] = {"import": [], "server": [], "without": [], "with": []}
            try:
                for _ in range(rounds):
                    await _seconds(environment, *_STOP)
                    taken["import"].append(await _seconds(environment, *_IMPORT))
                    taken["server"].append(await _seconds(environment, *_PREVIS, "server", "start"))
                    taken["with"].append(await _seconds(environment, *run))
                    await _seconds(environment, *_STOP)
                    taken["without"].append(await _seconds(environment, *run))
            finally:
                await _seconds(environment, *_STOP)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    figures = {
        "without_server_seconds": round(medians["without"], 2),
        "with_server_seconds": round(medians["with"], 2),
        "import_prefect_seconds": round(medians["import"], 2),
        "server_start_seconds": round(medians["server"], 2),
        "without_times_import": round(medians["without"] / medians["import"], 2),
        "with_times_import": round(medians["with"] / medians["import"], 2),
        "first_run_seconds": round(first, 2),
    }
    met = medians["without"] <= without and medians["with"] <= with_one
    return Row(figures, f"at most {without:g} s without a server, {with_one:g} s with one", met)


async def _seconds(environment: Mapping[str, str], *words: str) -> float:
    """Run Python and return the seconds that it took.

    Raises:
        RuntimeError: It failed.
    """
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(output.decode())
    return time.perf_counter() - began
