"""What servers made, and what a manifest says, costs a film at most the shot."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from previs.animatic import decoder as decoding
from previs.animatic.decoder import Decoder, Undecodable, picture_request
from previs.animatic.make import make
from previs.animatic.timeline import timeline
from previs.ingest.decoding import PACKAGES
from previs.records.takes import Frame
from previs.store import FolderStore
from tests.previs.animatic.films import GREEN, RED, board, clip, colours, pictures, png, runs, still, video
from tests.previs.records.published import put_files

GOOD = png((64, 36), GREEN)


def huge_png() -> bytes:
    """Return a small PNG of 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(3_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


async def faults(store: FolderStore, out: Path, *bad: tuple[Frame, bytes | None]) -> tuple[str, ...]:
    good = still(GOOD)
    made = board(*(frame for frame, _ in bad), good, durations=[0.25] * (len(bad) + 1))
    await put_files(store, {good.key: GOOD} | {frame.key: content for frame, content in bad if content is not None})
    result = await make(store, timeline(made), out)
    assert runs(colours(out))[-2:] == "G6"
    assert len(pictures(out)) == 6 * (len(bad) + 1)
    return result.faults


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"


async def test_what_cannot_be_decoded_becomes_a_slate_and_the_next_shot_is_shown(
    folder_store: FolderStore, out: Path
) -> None:
    cut = clip([RED] * 24, 24)[:900]
    bad: list[tuple[Frame, bytes]] = [
        (still(each), each) for each in (png((64, 36), RED)[:60], huge_png(), b"<svg/>", b"\x89PNG\r\n\x1a\n")
    ]
    bad += [(video(each), each) for each in (cut, b"x" * 50)]
    bad.append((still(cut, "video/x-unknown", ".mp4"), cut))
    bad.append((still(b"v/1\x01", "image/x-exr", ".exr"), b"v/1\x01"))
    found = await faults(folder_store, out, *bad)
    assert [each.partition(":")[0] for each in found] == [f"shot SH0{number}, take 1" for number in range(1, 9)]
    assert "more than 89 million pixels" in found[1] or "damaged" in found[1]
    assert "video/x-unknown is not read" in found[6]
    assert "image/x-exr is not read" in found[7]


async def test_a_frame_that_is_missing_or_was_replaced_becomes_a_slate(folder_store: FolderStore, out: Path) -> None:
    lost, other = still(png((8, 8), RED)), still(png((9, 9), RED))
    larger = still(png((10, 10), RED))
    outside = still(GOOD, key="../../etc/passwd")
    bad = [(lost, None), (other, bytes(other.size)), (larger, bytes(larger.size + 1)), (outside, None)]
    found = await faults(folder_store, out, *bad)
    assert "is missing from" in found[0]
    assert "holds other bytes" in found[1]
    assert "holds other bytes" in found[2]
    assert "which is not the key of a frame" in found[3]


async def test_a_clip_whose_end_is_missing_is_shown_as_far_as_it_goes(folder_store: FolderStore, out: Path) -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 36), colour) for colour in (RED, GREEN, RED)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=80)
    content = file.getvalue()[:-20]
    found = await faults(folder_store, out, (still(content, "image/gif", ".gif", duration=0.24), content))
    assert runs(colours(out)).startswith("R2")
    assert len(found) <= 1


def request(path: Path, **changes: Any) -> dict[str, Any]:
    plays = timeline(board(still(GOOD)))
    return picture_request(plays.cues[0], plays, path) | changes


def answered(decoder: Decoder) -> list[int]:
    return [times for times, _ in decoder.answer()]


def test_a_decoder_that_dies_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(GOOD)
    with Decoder() as decoder:
        decoder.ask(request(good))
        assert answered(decoder) == [12]
        # A request that it does not know ends it.
        decoder.ask({"do": "nothing", "path": str(good)})
        decoder.ask(request(good))
        with pytest.raises(Undecodable, match="too much memory or time"):
            answered(decoder)
        assert answered(decoder) == [12]
    monkeypatch.setattr(decoding, "_MOST_BYTES", 10)
    with Decoder() as decoder:
        decoder.ask(request(good))
        with pytest.raises(Undecodable):
            answered(decoder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory and time")
def test_a_decoder_is_limited_in_memory_and_gets_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    good = tmp_path / "good.png"
    good.write_bytes(GOOD)
    with Decoder() as decoder:
        decoder.ask(request(good))
        assert answered(decoder) == [12]
        assert decoder._process is not None
        process = Path(f"/proc/{decoder._process.pid}")
        limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()}
        assert limits["Max address space"] == "2000000000"
        assert limits["Max file size"] == "0"
        assert 100 < int(limits["Max cpu time"]) < 200
        assert b"secret" not in (process / "environ").read_bytes()


def test_a_request_is_one_line_whatever_a_path_has_in_it(tmp_path: Path) -> None:
    odd = tmp_path / "a\nb “镜头”.png"
    odd.write_bytes(GOOD)
    assert "\n" not in json.dumps(request(odd))
    with Decoder() as decoder:
        decoder.ask(request(odd))
        assert answered(decoder) == [12]


def test_a_decoder_starts_without_the_models_of_shot_lists() -> None:
    script = "import sys, previs.animatic.child; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", script), cwd=PACKAGES, check=False).returncode == 0  # noqa: S603
