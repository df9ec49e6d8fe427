import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from previs.errors import WorkflowFaults
from previs.pictures import workflow_in
from previs.simulator import Simulator
from previs.workflow import open_workflow, read_workflow
from tests.previs.simulator.sessions import text_to_image, visit

GRAPH = {
    "6": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "雨夜 {", "clip": ["4", 1]},
        "_meta": {"title": "shot.prompt"},
    }
}
WORKFLOW = {"nodes": [{"id": 6, "type": "CLIPTextEncode"}], "links": [], "version": 0.4}
PROMPT_TEXT, WORKFLOW_TEXT = json.dumps(GRAPH), json.dumps(WORKFLOW)
LACK = (
    "it has no workflow in it: another program saved it, it was converted or sent through a chat, or ComfyUI ran with "
    "--disable-metadata; use the file as ComfyUI saved it, or the graph's JSON"
)
INSTEAD = "use the file as ComfyUI saved it, or the graph's JSON"
PREVIEW = f"JPEG: it has no workflow in it: ComfyUI writes none into JPEG, which it uses for previews only; {INSTEAD}"
OTHER_TOOL = (
    "PNG: Automatic1111, Forge or a similar tool made it, and their parameters are not a graph: "
    'write them as settings, {"checkpoint": …, "sampler": …}'
)


def found(content: bytes) -> Any:
    return json.loads(workflow_in(content, name="a.png"))


def refusal(content: bytes) -> str:
    with pytest.raises(WorkflowFaults) as caught:
        workflow_in(content, name="a.png")
    head, fault = str(caught.value).split("\n")
    assert head == "a.png cannot be used:"
    return fault.removeprefix("  - the file: ")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def still(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, kind, **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes], late: bool = False) -> bytes:
    whole = still("PNG")
    place = len(whole) - 12 if late else 33
    return whole[:place] + b"".join(chunk(*each) for each in chunks) + whole[place:]


def exif(**fields: str) -> Image.Exif:
    tags = Image.Exif()
    for number, (name, text) in enumerate(fields.items()):
        tags[0x0110 - number] = f"{name}:{text}"
    return tags


def film(container: str, codec: str, *, movflags: str = "", **tags: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container, options={"movflags": movflags} if movflags else {}) as output:
        output.metadata.update(tags)
        stream = output.add_stream(codec, rate=8)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(2):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def sound(container: str, codec: str, **tags: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        output.metadata.update(tags)
        stream = output.add_stream(codec, rate=48000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format=stream.format.name, layout="mono", samples=960)
        frame.sample_rate, frame.pts = 48000, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def moving(graph: dict[str, Any]) -> dict[str, Any]:
    """Return the graph with a node for each kind of saved file."""
    pictures = ["8", 0]
    webp = {"lossless": True, "quality": 80, "method": "default"}
    saving = {"images": pictures, "filename_prefix": "a", "fps": 6.0}
    video = {"video": ["13", 0], "filename_prefix": "b", "format": "mp4", "codec": "h264"}
    return graph | {
        "11": {"class_type": "SaveAnimatedWEBP", "inputs": saving | webp},
        "12": {"class_type": "SaveAnimatedPNG", "inputs": saving | {"compress_level": 4}},
        "13": {"class_type": "CreateVideo", "inputs": {"images": pictures, "fps": 6.0}},
        "14": {"class_type": "SaveVideo", "inputs": video},
    }


@pytest.mark.parametrize("draw", [True, False])
async def test_every_file_that_a_server_saves_contains_its_workflow(*, draw: bool) -> None:
    graph = moving(text_to_image(text="城市夜景 {NaN}"))
    graph["5"]["inputs"] |= {"width": 64, "height": 64, "batch_size": 2}
    extra = {"extra_pnginfo": {"workflow": WORKFLOW}}
    async with visit(Simulator(seconds=0, draw=draw)) as visitor:
        entry = await visitor.render(graph, extra_data=extra)
        files = [file for outputs in entry["outputs"].values() for file in outputs["images"]]
        contents = {file["filename"]: (await visitor.view(file)).content for file in files}
    assert sorted(name.rpartition(".")[2] for name in contents) == ["mp4", "png", "png", "png", "webp"]
    for name, content in contents.items():
        opened = open_workflow(workflow_in(content, name=name), name=name)
        assert opened.content == graph
        assert opened.classes == {node["class_type"] for node in graph.values()}


async def test_a_picture_that_was_saved_is_bound_like_the_graph_itself() -> None:
    graph = text_to_image()
    async with visit(Simulator(seconds=0, draw=False)) as visitor:
        entry = await visitor.render(graph)
        content = (await visitor.view(entry["outputs"]["9"]["images"][0])).content
    assert read_workflow(workflow_in(content, name="x"), name="x") == read_workflow(graph, name="x")


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"tEXt", b"prompt\0" + PROMPT_TEXT.encode())],
        [(b"tEXt", b"Prompt\0" + json.dumps(GRAPH, ensure_ascii=False).encode())],
        [(b"zTXt", b"prompt\0\0" + zlib.compress(PROMPT_TEXT.encode()))],
        [(b"iTXt", b"prompt\0\0\0zh\0\xe8\xaf\x8d\0" + PROMPT_TEXT.encode())],
        [(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(PROMPT_TEXT.encode()))],
        [(b"comf", b"prompt\0" + PROMPT_TEXT.encode())],
        [(b"tEXt", b"workflow\0" + WORKFLOW_TEXT.encode()), (b"tEXt", b"prompt\0" + PROMPT_TEXT.encode())],
        [(b"tEXt", b"prompt\0" + PROMPT_TEXT.encode()), (b"tEXt", b"prompt\0{}")],
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_png_is_read_however_its_texts_are_written(chunks: list[tuple[bytes, bytes]], *, late: bool) -> None:
    assert found(png(*chunks, late=late)) == GRAPH


def test_latin_1_is_read_as_the_specification_of_png_says() -> None:
    assert found(png((b"tEXt", b'prompt\0{"6": "caf\xe9"}'))) == {"6": "café"}


def test_prose_under_the_name_of_a_graph_is_ignored() -> None:
    words = (b"tEXt", b"prompt\0a city at night")
    assert found(png(words, (b"tEXt", b"workflow\0" + WORKFLOW_TEXT.encode()))) == WORKFLOW
    assert refusal(png(words)) == f"PNG: {LACK}"


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
@pytest.mark.parametrize("fields", [{"prompt": PROMPT_TEXT, "workflow": WORKFLOW_TEXT}, {"Prompt": PROMPT_TEXT}])
def test_a_picture_with_exif_is_read(kind: str, fields: dict[str, str]) -> None:
    assert found(still(kind, exif=exif(**fields))) == GRAPH


def test_exif_of_other_tools_may_be_utf_8() -> None:
    tags = Image.Exif()
    tags[0x0110] = b"prompt:" + json.dumps(GRAPH, ensure_ascii=False).encode()
    assert found(still("JPEG", exif=tags)) == GRAPH


def test_a_webp_chunk_of_odd_length_before_the_exif_is_skipped() -> None:
    whole = still("WEBP", exif=exif(prompt=PROMPT_TEXT))
    odd = b"ODD " + (3).to_bytes(4, "little") + b"abc\0"
    assert found(whole[:12] + odd + whole[12:]) == GRAPH


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def test_tags_are_found_where_quicktime_puts_them() -> None:
    keys = box(b"keys", bytes(4), struct.pack(">I", 2), box(b"mdta", b"com.apple.make"), box(b"mdta", b"prompt"))
    texts = [box(struct.pack(">I", 2), box(b"data", bytes(8), PROMPT_TEXT.encode()))]
    meta = box(b"meta", box(b"hdlr", bytes(24)), keys, box(b"ilst", *texts))
    assert found(box(b"ftyp", b"qt  ", bytes(4)) + box(b"free") + box(b"moov", meta)) == GRAPH


FILMS: dict[str, Callable[..., bytes]] = {
    "mp4": lambda **tags: film("mp4", "mpeg4", movflags="use_metadata_tags", **tags),
    "mov": lambda **tags: film("mov", "mpeg4", movflags="use_metadata_tags", **tags),
    "webm": lambda **tags: film("webm", "libvpx-vp9", **tags),
    "mkv": lambda **tags: film("matroska", "mpeg4", **tags),
    "flac": lambda **tags: sound("flac", "flac", **tags),
    "mp3": lambda **tags: sound("mp3", "libmp3lame", **tags),
    "opus": lambda **tags: sound("opus", "libopus", **tags),
}


@pytest.mark.parametrize("kind", FILMS)
def test_films_and_sounds_are_read_as_ffmpeg_writes_them(kind: str) -> None:
    assert found(FILMS[kind](workflow=WORKFLOW_TEXT, prompt=PROMPT_TEXT)) == GRAPH
    assert found(FILMS[kind](workflow=WORKFLOW_TEXT)) == WORKFLOW
    assert LACK in refusal(FILMS[kind](title="A {film}"))


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_the_comment_of_a_film_may_hold_both(container: str) -> None:
    comment = json.dumps({"prompt": PROMPT_TEXT, "workflow": WORKFLOW})
    content = film(container, "mpeg4" if container == "mp4" else "libvpx-vp9", comment=comment)
    assert open_workflow(workflow_in(content, name="a"), name="a").content == GRAPH


def test_doubly_encoded_json_is_read() -> None:
    content = FILMS["mp4"](prompt=json.dumps(json.dumps(PROMPT_TEXT)))
    assert open_workflow(workflow_in(content, name="a"), name="a").content == GRAPH


def test_other_files_are_returned_unchanged() -> None:
    for content in (b"", b"{}", b'{"checkpoint": "a"}', b"\xff\xfe{\0", b"shots:\n", b"<html>", "夜".encode()):
        assert workflow_in(content, name="a") == content


def test_texts_before_the_damage_are_read_and_damaged_texts_are_not() -> None:
    whole = png((b"tEXt", b"prompt\0" + PROMPT_TEXT.encode()))
    assert found(whole[:-20]) == GRAPH
    assert refusal(whole[:60]) == "PNG: it is cut short: it ends at byte 60, before its own end"
    assert refusal(whole.replace(b"CLIP", b"CLOP")).startswith("PNG: the checksum of its 'tEXt' chunk before byte ")
    assert refusal(png((b"zTXt", b"prompt\0\0" + b"no deflate"))).startswith("PNG: its compressed text before byte ")


def test_a_text_is_not_decompressed_beyond_the_limit_of_a_workflow() -> None:
    bomb = png((b"zTXt", b"prompt\0\0" + zlib.compress(b"{" + b" " * 100_000_000)))
    content = workflow_in(bomb, name="a")
    assert len(content) < 20_000_000
    with pytest.raises(WorkflowFaults, match=r"16\.0 MB: a workflow's JSON has at most 16 MB"):
        open_workflow(content, name="a")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("look.json", "{}")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (still("PNG"), f"PNG: {LACK}"),
        (still("WEBP"), f"WEBP: {LACK}"),
        (still("JPEG"), PREVIEW),
        (png((b"tEXt", b"parameters\0a city\nSteps: 20, Sampler: Euler a")), OTHER_TOOL),
        (
            still("GIF"),
            f"GIF: previs cannot read a workflow from this kind of file: {INSTEAD}",
        ),
        (
            zipped(),
            f"ZIP: previs cannot read a workflow from this kind of file: {INSTEAD}",
        ),
        (FILMS["mp4"](), f"MP4: {LACK}"),
    ],
)
def test_a_file_without_a_workflow_is_refused_with_the_reason(content: bytes, expected: str) -> None:
    assert refusal(content) == expected


def wholes() -> Iterator[bytes]:
    tags = {"prompt": PROMPT_TEXT, "workflow": WORKFLOW_TEXT}
    yield png(*((b"tEXt", name.encode() + b"\0" + text.encode()) for name, text in tags.items()))
    yield from (still(kind, exif=exif(**tags)) for kind in ("WEBP", "JPEG"))
    yield from (make(**tags) for make in FILMS.values())


WHOLES = tuple(wholes())


@given(
    st.sampled_from(WHOLES),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
)
def test_any_damaged_file_is_read_or_refused(whole: bytes, share: float, changes: list[tuple[float, int]]) -> None:
    content = bytearray(whole[: round(len(whole) * share)])
    for place, value in changes if content else []:
        content[int(place * len(content))] = value
    try:
        assert isinstance(workflow_in(bytes(content), name="a"), bytes)
    except WorkflowFaults as error:
        assert str(error).encode()  # noqa: PT017 - either end is right
