"""Copy files of three sizes from a server to a store and back, and print how much memory that took.

Usage: large_file.py URL STORE, where STORE is a folder, or settings of S3 as JSON.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.protocol.history import OutputFile
from previs.pictures import examine
from previs.pictures.thumbnails import thumbnail
from previs.store import FolderStore, S3Settings, S3Store


def highest() -> int:
    """Return the peak memory of this program in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def main(url: str, store: S3Store | FolderStore) -> None:
    api = Api(Address(url))
    highest_of = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame"
        for name in ("small.mp4", "medium.mp4", "large.mp4"):
            came = await api.download(OutputFile(name, "", "output"), path)
            media = examine(path, name=name)
            assert thumbnail(path, media) is None
            highest_of[f"{name} downloaded"] = highest()
            await store.put_file(f"frames/{name}", path, media_type=media.media_type)
            assert await store.get_file(f"frames/{name}", path, limit=came.size)
            highest_of[name] = highest()
    await api.aclose()
    await store.aclose()
    grown = {name: highest_of[f"{name}.mp4"] - highest_of["small.mp4"] for name in ("medium", "large")}
    print(json.dumps({"size": came.size, "grown": grown, "of": highest_of}))  # noqa: T201


if __name__ == "__main__":
    place = sys.argv[2]
    asyncio.run(main(sys.argv[1], S3Store(S3Settings(**json.loads(place))) if place[0] == "{" else FolderStore(place)))
