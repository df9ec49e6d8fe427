"""Play a still: hold it, or move a slow camera over it."""

from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from previs.animatic.playing import Playing, Unplayable, parts_of, placed, planes_of
from previs.animatic.view import Box
from previs.pictures.pillow import FORMATS, MOST_PIXELS, depth_8

_MORE_FOR_MOVES: Final = 1.25


def play_still(playing: Playing) -> None:
    """Show a picture for the whole shot.

    Raises:
        Unplayable: The picture is too large.
    """
    picture = flat(_opened(playing.path, playing))
    box = playing.box(*picture.size)
    if playing.move is None:
        playing.show(planes_of(scaled(picture, box), playing.canvas, box), playing.frames)
        return
    parts = parts_of(_source(picture, box))
    last = max(playing.frames - 1, 1)
    for index in range(playing.frames):
        view = playing.move.view(index / last)
        seen = [_seen(part, view, (box.width, box.height) if part is parts[0] else _half(box)) for part in parts]
        playing.show(placed(seen, playing.canvas, box), index + 1)


def _source(picture: Image.Image, box: Box) -> Image.Image:
    """Return a picture as a move needs it: not much larger than its box, as what is seen at the closest is."""
    width = max(min(picture.width, round(box.width * _MORE_FOR_MOVES)) // 2 * 2, 2)
    height = max(min(picture.height, round(box.height * _MORE_FOR_MOVES)) // 2 * 2, 2)
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)


def _seen(part: Image.Image, view: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    left, top, right, bottom = view
    box = (left * part.width, top * part.height, right * part.width, bottom * part.height)
    return part.resize(size, Image.Resampling.BICUBIC, box=box)


def _half(box: Box) -> tuple[int, int]:
    return box.width // 2, box.height // 2


def _opened(path: Path, playing: Playing) -> Image.Image:
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise Unplayable(f"it has more than {MOST_PIXELS // 1_000_000} million pixels")
        # A JPEG is decoded at a fraction of its size where that is enough.
        picture.draft("RGB", (playing.canvas.width * 2, playing.canvas.height * 2))
        picture.load()
        return ImageOps.exif_transpose(picture)


def flat(picture: Image.Image) -> Image.Image:
    """Return a picture in RGB of 8 bits, on black where it is transparent."""
    made = picture if picture.mode == "RGB" and "transparency" not in picture.info else depth_8(picture)
    if made.mode != "RGBA":
        return made
    black = Image.new("RGB", made.size)
    black.paste(made, mask=made.getchannel("A"))
    return black


def scaled(picture: Image.Image, box: Box) -> Image.Image:
    """Return a picture in the size of its box."""
    size = (box.width, box.height)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
