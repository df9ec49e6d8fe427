"""Check that a large video goes from a server to a store and back without being held in memory."""

import asyncio
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from previs.store import S3Settings
from tests.previs.comfyui.client.http_server import answering

MB = 1 << 20
PROGRAM = Path(__file__).with_name("large_file.py")

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a program's peak is read from /proc")


def video(size: int) -> Iterator[bytes]:
    """Yield the response of a server that sends a video of this size without its length."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    start = struct.pack(">I4s4s4x", 16, b"ftyp", b"isom") + struct.pack(">I4s", 8, b"moov")
    start += struct.pack(">I4s", size + 8, b"mdat")
    yield b"%x\r\n%b\r\n" % (len(start), start)
    for _ in range(size // MB):
        yield b"%x\r\n%b\r\n" % (MB, bytes(MB))
    yield b"0\r\n\r\n"


SIZES = {"small": MB, "medium": 16 * MB, "large": 48 * MB}


async def grown(place: str) -> tuple[int, int]:
    """Return by how many bytes a program's peak memory for a medium and a large video exceeds that for a small one."""
    async with answering(lambda asked: video(next(SIZES[name] for name in SIZES if name in asked))) as (url, _):
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            PROGRAM,
            url,
            place,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        result = json.loads((await program.communicate())[0])
    assert result["size"] >= SIZES["large"]
    return result["grown"]["medium"], result["grown"]["large"]


@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_memory_does_not_grow_with_a_videos_size(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = str(tmp_path)
    if kind == "s3":
        settings: S3Settings = request.getfixturevalue("settings")
        secrets = {name: getattr(settings, name).get_secret_value() for name in ("access_key_id", "secret_access_key")}
        place = json.dumps(settings.model_dump(exclude_none=True) | secrets)
    medium, large = await grown(place)
    assert large < 40 * MB
    assert large - medium < 25 * MB
