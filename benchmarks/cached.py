"""Measure a run that finds all its takes in the store."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

from benchmarks.bucket import ENVIRONMENT, NAME, Kind, bucket
from benchmarks.rows import Row
from benchmarks.runs import Run, prefect, shot_list
from benchmarks.servers import Plan, servers

_SERVERS = 2
_AT_ONCE = 16
_PREFIX = "cached"


async def cached(kind: Kind, shots: int, goal_seconds: float, goal_mb: float) -> Row:
    """Measure the seconds of a flow that has nothing to render, in a fresh process, against a floor.

    The floor is the time of the same listings and reads alone, plus the time of as many empty Prefect tasks.

    Args:
        kind: Kind of the store.
        shots: Number of shots on the board, one take each; they are rendered first.
        goal_seconds: Maximum duration of the flow after its start-up.
        goal_mb: Maximum memory of its process.
    """
    async with prefect() as server, servers(Plan([()] * _SERVERS)) as farm, bucket() as s3:
        with tempfile.TemporaryDirectory(prefix="previs-bench-") as folder:
            store = f"s3://{NAME}/{_PREFIX}" if kind == "s3" else folder
            parameters = {"shots": shot_list(shots), "farm": farm.urls, "store": store}
            first = await server.run(s3.environment, parameters)
            before = sum(map(len, await farm.started()))
            await s3.counts()
            again = await server.run(s3.environment, parameters)
            requests = await s3.counts()
            rendered = sum(map(len, await farm.started())) - before
            reads = (
                await asyncio.to_thread(_bare_s3, s3.url) if kind == "s3" else await asyncio.to_thread(_bare, folder)
            )
            tasks, _ = await server.bare(shots)
    figures = {
        "seconds": round(again.seconds, 2),
        "bare_reads_seconds": round(reads, 2),
        "bare_tasks_seconds": round(tasks, 2),
        "times_the_floor": round(again.seconds / (reads + tasks), 2),
        "startup_seconds": round(again.startup, 2),
        "ending_seconds": round(again.ending, 2),
        "cpu_seconds": round(again.cpu, 2),
        "peak_mb": round(again.peak_mb),
        "renders": rendered,
        "first_run_seconds": round(first.seconds, 2),
        "first_run_peak_mb": round(first.peak_mb),
        **{f"s3_{name.lower()}": count for name, count in sorted(requests.items()) if kind == "s3"},
    }
    met = again.seconds <= goal_seconds and again.peak_mb <= goal_mb and not rendered
    return Row(
        figures, f"no render, at most {goal_seconds:g} s and {goal_mb:g} MB", met, _findings(first, again, shots)
    )


def _findings(first: Run, again: Run, shots: int) -> list[str]:
    wanted: list[tuple[str, Run, Mapping[str, int]]] = [
        ("first", first, {"rendered": shots}),
        ("second", again, {"cached": shots}),
    ]
    return [
        f"the {name} run: {dict(run.outcomes)}, {run.message} {' '.join(run.log_lines)}"
        for name, run, outcomes in wanted
        if run.code or run.outcomes != outcomes
    ]


def _bare_s3(url: str) -> float:
    """List takes and frames and read every record, as many at a time as the flow does, with nothing but boto3."""
    began = time.perf_counter()
    client = boto3.session.Session(
        ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    ).client("s3", endpoint_url=url, config=Config(max_pool_connections=_AT_ONCE))
    pages = client.get_paginator("list_objects_v2")
    keys = {
        folder: [
            each["Key"]
            for page in pages.paginate(Bucket=NAME, Prefix=f"{_PREFIX}/{folder}/")
            for each in page["Contents"]
        ]
        for folder in ("takes", "frames")
    }
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda key: client.get_object(Bucket=NAME, Key=key)["Body"].read(), keys["takes"]))
    client.close()
    return time.perf_counter() - began


def _bare(folder: str) -> float:
    began = time.perf_counter()
    for each in Path(folder, "takes").iterdir():
        hashlib.sha256(each.read_bytes())
    for each in Path(folder, "frames").rglob("*"):
        each.stat()
    return time.perf_counter() - began
