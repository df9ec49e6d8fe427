"""Check that two renders of a take are equal if their pixels are, whatever ComfyUI wrote into their files."""

import io
from typing import Any

import pytest
from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo

from previs.records.takes import Frame
from previs.rendering.compare import Comparison, compare_frames
from previs.store import FolderStore
from tests.previs.records.published import frame


def png(colour: str = "red", *, prompt: str = "", mode: str = "RGB", **how: Any) -> bytes:
    file, about = io.BytesIO(), PngInfo()
    about.add_text("prompt", prompt)
    Image.new("RGB", (8, 6), colour).convert(mode).save(file, "PNG", pnginfo=about, **how)
    return file.getvalue()


def animation(*colours: str, **how: Any) -> bytes:
    file = io.BytesIO()
    first, *others = [Image.new("RGB", (8, 6), colour) for colour in colours]
    first.save(file, "PNG", save_all=True, append_images=others, **how)
    return file.getvalue()


def with_palette(*colours: str, shown: int) -> bytes:
    file, made = io.BytesIO(), Image.new("P", (8, 6), shown)
    made.putpalette([part for colour in colours for part in ImageColor.getrgb(colour)])
    made.save(file, "PNG")
    return file.getvalue()


async def stored(store: FolderStore, content: bytes, **changes: Any) -> Frame:
    made = frame(content, **changes)
    await store.put(made.key, content, media_type=made.media_type)
    return made


async def compare(store: FolderStore, one: bytes, other: bytes, **changes: Any) -> Comparison:
    frames = [await stored(store, content, **changes) for content in (one, other)]
    [comparison] = await compare_frames(frames[:1], frames[1:], store)
    return comparison


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (png(), png(), "same bytes"),
        (png(prompt="1"), png(prompt="2"), "same pixels"),
        (png(compress_level=1), png(compress_level=9, prompt="2"), "same pixels"),
        (png(mode="P"), png(mode="P", prompt="2"), "same pixels"),
        (png(), png("blue"), "other pixels"),
        (png(mode="P"), png("blue", mode="P"), "other pixels"),
        (with_palette("red", "blue", shown=0), with_palette("blue", "red", shown=1), "same pixels"),
        (with_palette("red", "blue", shown=0), with_palette("blue", "red", shown=0), "other pixels"),
        (animation("red", "blue"), animation("red", "blue", duration=40), "same pixels"),
        (animation("red", "blue"), animation("red", "green"), "other pixels"),
        (animation("red", "blue"), png(), "other pixels"),
        (png(), b"no picture", "other bytes"),
        (png(), png()[:-30], "other bytes"),
    ],
)
async def test_images_are_compared_by_bytes_and_then_by_pixels(
    folder_store: FolderStore, one: bytes, other: bytes, expected: Comparison
) -> None:
    assert await compare(folder_store, one, other) == expected


async def test_videos_are_compared_by_bytes_alone(folder_store: FolderStore) -> None:
    assert await compare(folder_store, b"1", b"1", media_type="video/mp4") == "same bytes"
    assert await compare(folder_store, b"1", b"2", media_type="video/mp4") == "other bytes"


@pytest.mark.parametrize("key", ["frames/gone.png", "../secret.png", ""])
async def test_a_frame_missing_from_the_store_has_other_bytes(folder_store: FolderStore, key: str) -> None:
    old = frame(png(), key=key)
    assert await compare_frames([old], [await stored(folder_store, png(prompt="2"))], folder_store) == ["other bytes"]


async def test_a_frame_that_was_replaced_in_the_store_has_other_bytes(folder_store: FolderStore) -> None:
    old, new = await stored(folder_store, png(prompt="1")), await stored(folder_store, png(prompt="2"))
    await folder_store.put(old.key, png(prompt="3"), media_type="image/png")
    assert await compare_frames([old], [new], folder_store) == ["other bytes"]


async def test_frames_are_compared_in_order_and_additional_ones_are_new(folder_store: FolderStore) -> None:
    first, second = await stored(folder_store, png()), await stored(folder_store, png("blue"))
    assert await compare_frames([first], [first, second], folder_store) == ["same bytes", "new"]
    assert await compare_frames([first, second], [first], folder_store) == ["same bytes"]
    assert await compare_frames([], [], folder_store) == []
