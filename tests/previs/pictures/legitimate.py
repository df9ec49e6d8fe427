"""Draw frames that look faulty and are not, and frames that are faulty, for the false alarms of frame QC."""

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from previs.pictures import examine, playback
from previs.pictures.quality import Measured

SIZE = (640, 360)
Pictures = Sequence[Image.Image]


def measured(content: bytes, name: str, folder: Path) -> Measured:
    """Return what is measured of a file as a take's frame."""
    path = folder / name
    path.write_bytes(content)
    found = playback(path, examine(path, name=name)).measured
    assert found is not None, name
    return found


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, quality=80)
    return file.getvalue()


def film(pictures: Pictures, codec: str = "h264", container: str = "mp4") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=24)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {"cpu-used": "8"} if codec == "libvpx-vp9" else {}
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_image(picture)))
        output.mux(stream.encode())
    return file.getvalue()


def flat(red: int, green: int, blue: int, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue))


def grain(picture: Image.Image, sigma: float, seed: int) -> Image.Image:
    """Add grain of film, which differs from frame to frame."""
    rng = random.Random(seed)
    size = picture.size
    levels = [Image.effect_noise(size, sigma) for _ in range(3)]
    moved = [ImageChops.offset(each, rng.randrange(size[0]), rng.randrange(size[1])) for each in levels]
    return ImageChops.add(picture, Image.merge("RGB", moved), offset=-128)


def night(seed: int) -> Image.Image:
    """Return a street at night: nearly black, with a few dim windows."""
    rng, made = random.Random(seed), flat(3, 3, 6)
    pen = ImageDraw.Draw(made)
    for _ in range(rng.randint(1, 6)):
        x, y, level = rng.randrange(SIZE[0]), rng.randrange(SIZE[1]), rng.randint(24, 90)
        pen.rectangle((x, y, x + 4, y + 6), fill=(level, level * 4 // 5, level // 3))
    return made.filter(ImageFilter.GaussianBlur(1))


def stars(seed: int) -> Image.Image:
    """Return a sky of stars of one pixel."""
    rng, made = random.Random(seed), flat(0, 0, 2)
    for _ in range(30):
        made.putpixel((rng.randrange(SIZE[0]), rng.randrange(SIZE[1])), (rng.randint(40, 200),) * 3)
    return made


def fog(seed: int) -> Image.Image:
    """Return fog in which little is seen: a soft gradient and a faint shape."""
    rng = random.Random(seed)
    low = rng.randint(150, 200)
    rows = Image.linear_gradient("L").point(lambda value: low + value * 30 // 255).resize(SIZE)
    return rows.convert("RGB")


def sketch(seed: int) -> Image.Image:
    """Return a white panel with a few thin lines of pencil."""
    rng, made = random.Random(seed), flat(255, 255, 255)
    pen = ImageDraw.Draw(made)
    for _ in range(rng.randint(2, 5)):
        ends = [(rng.randrange(SIZE[0]), rng.randrange(SIZE[1])) for _ in range(3)]
        pen.line(ends, fill=(rng.randint(150, 225),) * 3)
    return made


def lines(seed: int) -> Image.Image:
    """Return a drawing of dark lines on paper."""
    rng, made = random.Random(seed), flat(244, 241, 232)
    pen = ImageDraw.Draw(made)
    for _ in range(12):
        x, y, side = rng.randrange(SIZE[0]), rng.randrange(SIZE[1]), rng.randint(20, 90)
        pen.ellipse((x, y, x + side, y + side), outline=(40, 40, 44))
    return made


def title_card(seed: int) -> Image.Image:
    """Return a card with small letters on black or on a colour."""
    rng = random.Random(seed)
    made = flat(*((0, 0, 0) if seed % 2 else (rng.randint(0, 60), 20, 40)))
    ImageDraw.Draw(made).text((SIZE[0] // 2, SIZE[1] // 2), f"CHAPTER {seed}", fill=(rng.randint(90, 255),) * 3)
    return made


def drawn_lines_on_nothing(seed: int) -> Image.Image:
    """Return white lines on transparency."""
    made = Image.new("RGBA", SIZE, (255, 255, 255, 0))
    ImageDraw.Draw(made).line((seed, 0, SIZE[0], SIZE[1] - seed), fill=(255, 255, 255, 255))
    return made


STILLS = {
    "night scenes": night,
    "stars on black": stars,
    "fog": fog,
    "white sketch panels": sketch,
    "line drawings": lines,
    "title cards": title_card,
    "lines on transparency": drawn_lines_on_nothing,
}

FILM_SIZE = (320, 180)
LENGTH = 12  # pictures


def _room(seed: int) -> Image.Image:
    rng, made = random.Random(seed), flat(70, 66, 60, FILM_SIZE)
    pen = ImageDraw.Draw(made)
    for _ in range(25):
        x, y = rng.randrange(FILM_SIZE[0]), rng.randrange(FILM_SIZE[1])
        pen.rectangle((x, y, x + 40, y + 25), fill=tuple(rng.randrange(40, 200) for _ in range(3)))
    return made.filter(ImageFilter.GaussianBlur(1))


def locked_off(seed: int) -> Iterator[Image.Image]:
    """Yield a room in which only a candle flickers, a few pixels large."""
    room, rng = _room(seed), random.Random(seed)
    x, y = rng.randrange(20, 300), rng.randrange(20, 160)
    for _ in range(LENGTH):
        made, size = room.copy(), rng.randint(2, 5)
        ImageDraw.Draw(made).ellipse((x, y - size * 2, x + 5, y + 3), fill=(255, 200 + rng.randint(0, 50), 120))
        yield made


def breathing(seed: int) -> Iterator[Image.Image]:
    """Yield a face that moves by two pixels in a second."""
    room = _room(seed)
    for number in range(LENGTH):
        made = room.copy()
        ImageDraw.Draw(made).ellipse((120, 60 + number // 6, 190, 150 + number // 6), fill=(210, 170, 150))
        yield made


def slow_push(seed: int) -> Iterator[Image.Image]:
    """Yield a push of one per cent in a second."""
    room = _room(seed)
    for number in range(LENGTH):
        edge = number * 0.01 / LENGTH
        box = (edge * 160, edge * 90, FILM_SIZE[0] - edge * 160, FILM_SIZE[1] - edge * 90)
        yield room.resize(FILM_SIZE, Image.Resampling.BICUBIC, box=box)


def fade_in(seed: int) -> Iterator[Image.Image]:
    """Yield a picture that comes out of black."""
    room, black = _room(seed), flat(0, 0, 0, FILM_SIZE)
    for number in range(LENGTH):
        yield Image.blend(black, room, max(0, number - 3) / LENGTH)


def fade_out(seed: int) -> Iterator[Image.Image]:
    """Yield a picture that goes into black."""
    yield from list(fade_in(seed))[::-1]


def flash(seed: int) -> Iterator[Image.Image]:
    """Yield a white screen on which a shape comes late."""
    for number in range(LENGTH):
        made = flat(255, 255, 255, FILM_SIZE)
        if number > 9:
            ImageDraw.Draw(made).rectangle((100 + seed, 60, 140 + seed, 100), fill=(200, 200, 200))
        yield made


def blink(seed: int) -> Iterator[Image.Image]:
    """Yield a face of which nothing moves but an eye, for two pictures."""
    room = _room(seed)
    for number in range(LENGTH):
        made = room.copy()
        pen = ImageDraw.Draw(made)
        pen.ellipse((120, 60, 190, 150), fill=(210, 170, 150))
        pen.ellipse((140, 90, 147, 93), fill=(210, 170, 150) if 7 <= number < 9 else (60, 50, 50))
        yield made


def smoke(seed: int) -> Iterator[Image.Image]:
    """Yield a faint smoke that drifts through a room."""
    room, white = _room(seed), flat(255, 255, 255, FILM_SIZE)
    for number in range(LENGTH):
        mask = Image.new("L", FILM_SIZE)
        ImageDraw.Draw(mask).ellipse((40 + 6 * number, 40, 120 + 6 * number, 90), fill=24)
        yield Image.composite(white, room, mask.filter(ImageFilter.GaussianBlur(12)))


FILMS = {
    "locked-off shots": locked_off,
    "a breathing face": breathing,
    "a blink": blink,
    "faint smoke": smoke,
    "a slow push": slow_push,
    "fades from black": fade_in,
    "fades to black": fade_out,
    "a shape that comes late": flash,
}


def still_film(seed: int, sigma: float = 0.0) -> list[Image.Image]:
    """Return a film whose pictures are equal, but for grain that an encoder or a model adds."""
    room = _room(seed)
    return [grain(room, sigma, number) for number in range(LENGTH)]
