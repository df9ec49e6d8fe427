"""Files are what they claim to be, and carry their graph."""

import io
import json
import struct
from collections.abc import Iterator

import av
from PIL import Image

from previs.simulator import media
from previs.simulator.scene import Scene

GRAPH = {"6": {"class_type": "CLIPTextEncode", "inputs": {"text": "雨夜"}}}
PICTURES = [Image.new("RGB", (32, 18), color) for color in ("red", "green", "blue")]


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def test_a_png_carries_its_graph_as_text() -> None:
    picture = opened(media.png(PICTURES[0], {"prompt": GRAPH}))
    assert picture.size == (32, 18)
    assert json.loads(picture.text["prompt"]) == GRAPH  # type: ignore[attr-defined]


def test_tiny_pictures_are_whole_and_one_for_each_scene() -> None:
    made = [media.tiny_png(Scene(seed=seed), index, {"prompt": GRAPH}) for seed in range(3) for index in range(2)]
    assert len({opened(content).tobytes() for content in made}) == 6
    assert json.loads(opened(made[0]).text["prompt"]) == GRAPH  # type: ignore[attr-defined]


def test_a_webp_moves_and_carries_its_graph() -> None:
    picture = opened(media.webp(PICTURES, 6.0, {"prompt": GRAPH}, lossless=True, quality=80))
    assert picture.n_frames == 3  # type: ignore[attr-defined]
    assert picture.getexif()[0x0110] == f"prompt:{json.dumps(GRAPH)}"


def test_an_animated_png_moves_and_carries_its_graph_after_its_pictures() -> None:
    content = media.apng(PICTURES, 6.0, {"prompt": GRAPH})
    assert opened(content).n_frames == 3  # type: ignore[attr-defined]
    assert content.index(b"comfprompt\0" + json.dumps(GRAPH).encode()) > content.rindex(b"fdAT")


def boxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    while content:
        size, kind = struct.unpack(">I4s", content[:8])
        assert 8 <= size <= len(content)
        yield kind.decode(), content[8:size]
        content = content[size:]


def box(content: bytes, *path: str) -> bytes:
    for kind in path:
        content = dict(boxes(content))[kind]
    return content


def test_an_mp4_has_its_boxes_and_they_lead_to_the_pictures() -> None:
    content = media.mp4(PICTURES, 8.0, {})
    assert [kind for kind, _ in boxes(content)] == ["ftyp", "moov", "mdat"]
    table = box(content, "moov", "trak", "mdia", "minf", "stbl")
    place = struct.unpack(">I", box(table, "stco")[8:12])[0]
    sizes = struct.unpack(">3I", box(table, "stsz")[12:24])
    for size in sizes:
        picture = opened(content[place : place + size])
        assert (picture.format, picture.size) == ("JPEG", (32, 18))
        place += size
    assert place == len(content)


def test_an_mp4_carries_its_graph_where_ffmpeg_finds_it() -> None:
    texts = {"prompt": GRAPH, "workflow": {"nodes": []}}
    content = media.mp4(PICTURES, 8.0, texts)
    with av.open(io.BytesIO(content)) as film:
        tags = dict(film.metadata)
        packets = [bytes(packet) for packet in film.demux() if packet.size]
    assert {name: json.loads(tags[name]) for name in texts} == texts
    assert [opened(packet).size for packet in packets] == [(32, 18)] * 3


def test_an_mp4_lasts_as_long_as_its_pictures() -> None:
    timescale, duration = struct.unpack(">II", box(media.mp4(PICTURES, 8.0, {}), "moov", "mvhd")[12:20])
    assert duration / timescale == 3 / 8
    entry = box(media.mp4(PICTURES, 8.0, {}), "moov", "trak", "mdia", "minf", "stbl", "stsd")[8:]
    assert [kind for kind, _ in boxes(entry)] == ["mp4v"]
    assert struct.unpack(">HH", entry[32:36]) == (32, 18)
