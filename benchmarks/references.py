"""Measure the memory of a run whose shots have large references."""

import io
import json
import os
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.rows import Row
from benchmarks.runs import prefect
from benchmarks.servers import Plan, servers

_SIZE = (4000, 3000)
_SERVERS = 2
_KINDS = ("png", "webp", "png", "16.png")


async def references(count: int, goal_mb: float) -> Row:
    """Measure the peak memory of a flow with one large reference a shot, and its time.

    Half of the references are PNGs of 8 bits, a quarter PNGs of 16 bits and a quarter WEBPs, all of 4000 x 3000 pixels
    and of about 12 MB.

    Args:
        count: Number of references.
        goal_mb: Maximum memory of the flow's process.
    """
    async with prefect() as server, servers(Plan([()] * _SERVERS)) as farm:
        with tempfile.TemporaryDirectory(prefix="previs-bench-") as folder:
            files = write(Path(folder), count)
            shots = [
                {"shot_id": f"SH{n:04}", "prompt": "夜", "duration": 1.0, "references": [_reference(file)]}
                for n, file in enumerate(files)
            ]
            parameters = {"shots": _listed(Path(folder), shots), "farm": farm.urls, "store": f"{folder}/store"}
            run = await server.run({}, parameters)
            sizes = [file.stat().st_size for file in files]
    figures = {
        "peak_mb": round(run.peak_mb),
        "peak_mb_of_decoding": round(run.peak_mb_of_children),
        "seconds": round(run.seconds, 1),
        "references_mb": round(sum(sizes) / 1e6),
        "rendered": run.outcomes.get("rendered", 0),
    }
    met = run.peak_mb <= goal_mb and figures["rendered"] == count
    return Row(figures, f"all rendered, at most {goal_mb:g} MB", met, [] if met else run.log_lines[-5:])


def write(folder: Path, count: int) -> list[Path]:
    """Write pictures of the kinds in turn, each with other bytes after its end, and return their paths."""
    made = {kind: _picture(kind) for kind in set(_KINDS)}
    files = [folder / f"{number:03}.{_KINDS[number % len(_KINDS)]}" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(made[_KINDS[number % len(_KINDS)]] + number.to_bytes(8))
    return files


def _picture(kind: str) -> bytes:
    width, height = _SIZE
    file, noise = io.BytesIO(), Image.frombytes("L", _SIZE, os.urandom(width * height))
    if kind == "webp":
        noise.convert("RGB").save(file, "WEBP", quality=92, method=0)
    elif kind == "png":
        plain = Image.new("L", _SIZE)
        Image.merge("RGB", (noise, plain, plain)).save(file, "PNG", compress_level=1)
    else:
        deep = b"".join(bytes((value, 64)) for value in noise.tobytes())
        Image.frombytes("I;16", _SIZE, deep).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _reference(file: Path) -> dict[str, object]:
    return {"url": file.name, "reference_id": "start"}


def _listed(folder: Path, shots: list[dict[str, object]]) -> str:
    path = folder / "shots.json"
    path.write_text(json.dumps(shots, ensure_ascii=False), "utf-8")
    return str(path)
