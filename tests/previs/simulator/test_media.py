"""Files are what they claim to be, and carry their graph."""

import io
import json

import av
import pytest
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


def test_tiny_pictures_are_valid_and_differ_by_scene() -> None:
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


def test_an_mp4_is_h264_and_carries_its_graph() -> None:
    texts = {"prompt": GRAPH, "workflow": {"nodes": []}}
    with av.open(io.BytesIO(media.mp4(PICTURES, 8.0, texts))) as film:
        tags, frames = dict(film.metadata), list(film.decode(video=0))
        assert (film.streams.video[0].codec_context.name, film.duration) == ("h264", 3 / 8 * av.time_base)
    assert {name: json.loads(tags[name]) for name in texts} == texts
    assert [(frame.width, frame.height) for frame in frames] == [(32, 18)] * 3
    assert [max(range(3), key=frame.to_image().getpixel((9, 9)).__getitem__) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(("size", "even"), [((33, 19), (32, 18)), ((1, 1), (2, 2))])
def test_an_mp4_has_even_sides(size: tuple[int, int], even: tuple[int, int]) -> None:
    with av.open(io.BytesIO(media.mp4([Image.new("RGB", size)], 24.0, {}))) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == even
