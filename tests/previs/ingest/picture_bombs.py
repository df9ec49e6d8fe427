"""Load pictures as the references of a list, and print the memory and the time that it took as JSON.

Usage: picture_bombs.py FILE …
"""

import asyncio
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from previs.comfyui.protocol.classes import NodeClass
from previs.errors import ShotListFaults
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader

SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors"}


async def no_server(names: Collection[str], *, needed: bool) -> dict[str, dict[str, NodeClass | None]]:
    assert not needed, names
    return {}


def highest() -> float:
    """Return the peak memory of this program in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


async def load(folder: Path, names: list[str]) -> list[str]:
    shots = [
        {"shot_id": name, "prompt": "夜", "duration": 1.0, "references": [{"url": name, "reference_id": "start"}]}
        for name in names
    ]
    (folder / "shots.json").write_text(json.dumps(shots))
    async with SourceReader() as reader:
        try:
            await load_inputs(str(folder / "shots.json"), SETTINGS, reader, None, no_server)
        except ShotListFaults as error:
            return [f"{fault.place}: {fault.remedy}" for fault in error.faults]
    return []


def main() -> None:
    files = [Path(file) for file in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        names = [file.name for file in files]
        for file in files:
            shutil.copy(file, folder)
        before, began = highest(), time.monotonic()
        faults = asyncio.run(load(Path(folder), names))
        print(  # noqa: T201
            json.dumps(
                {
                    "grown_mb": round(highest() - before),
                    "child_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
                    "seconds": round(time.monotonic() - began, 1),
                    "faults": faults,
                }
            )
        )


if __name__ == "__main__":
    main()
