"""Draw pictures that look like storyboard frames, reproducible from prompt and seed.

The words of the prompt choose the setting (city, mountains, sea, wood, room), the time of day and the framing. The seed
chooses colours, horizon, light, shapes and figures. All lengths are relative to the picture.
"""

import colorsys
import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from previs.simulator import lettering
from previs.simulator.scene import Reference, Scene, Size

Color = tuple[int, int, int]
Opened = Callable[[str], Image.Image]
"""Returns the picture in an input file, by name."""

_PLACES = {
    "city": ("city", "street", "town", "skyline", "roof", "城", "街", "楼", "巷"),
    "mountains": ("mountain", "hill", "desert", "canyon", "山", "峰", "沙漠", "荒"),
    "sea": ("sea", "ocean", "lake", "river", "beach", "harbour", "harbor", "海", "湖", "江", "河", "港"),
    "wood": ("forest", "wood", "tree", "garden", "park", "林", "树", "园"),
    "room": ("room", "interior", "office", "kitchen", "corridor", "indoor", "室", "屋", "办公", "走廊", "内景"),
}
_NIGHT = ("night", "midnight", "dark", "moon", "neon", "夜", "月", "霓虹", "黑")
_WARM = ("dawn", "dusk", "sunset", "sunrise", "golden", "黄昏", "夕", "日出", "黎明", "晨", "清晨", "傍晚")
_CLOSE = ("close-up", "close up", "closeup", "portrait", "特写", "近景", "肖像")
_MAX_THUMBNAILS = 4
_MIN_LETTERED_WIDTH = 160
_INWARD_AT_SIDE = 0.3  # value of Pillow's inverted radial gradient at the middle of a side


def draw(scene: Scene, index: int, opened: Opened) -> Image.Image:
    """Draw one picture of a scene's batch; ``index`` is its position, from 0. Exceptions of ``opened`` pass through."""
    if scene.seed is None:
        return _unsampled(scene, opened)
    rng = random.Random(f"{scene.seed}/{index}/{scene.text}")  # noqa: S311 - a picture, not a secret
    canvas = _Canvas(scene.size, scene.text.casefold(), rng)
    canvas.sky()
    canvas.place()
    canvas.figures()
    picture = canvas.lit()
    originals = [opened(reference.file) for reference in scene.references[:_MAX_THUMBNAILS]]
    if originals:
        picture = _guided(picture, originals[0], scene.references[0])
    _paste_thumbnails(picture, originals)
    _write_text(picture, scene.text, f"{scene.seed}" if not index else f"{scene.seed} +{index}")
    return picture


def flat(size: Size, color: int) -> Image.Image:
    """Return a picture of one colour, given as 24 bits of RGB."""
    return Image.new("RGB", size, (color >> 16 & 255, color >> 8 & 255, color & 255))


def _unsampled(scene: Scene, opened: Opened) -> Image.Image:
    if scene.file is None:
        return flat(scene.size, scene.color or 0)
    picture = ImageOps.fit(opened(scene.file), scene.size)
    return picture.convert("L").filter(ImageFilter.FIND_EDGES).convert("RGB") if scene.edges else picture


class _Canvas:
    """Draw one picture from back to front."""

    def __init__(self, size: Size, text: str, rng: random.Random) -> None:
        self.size = size
        self.width, self.height = size
        self.rng = rng
        self.night = _mentions(text, _NIGHT)
        self.close = _mentions(text, _CLOSE)
        named = [place for place, words in _PLACES.items() if _mentions(text, words)]
        self.kind = named[0] if named else rng.choice(list(_PLACES))
        hue = rng.uniform(0.02, 0.11) if _mentions(text, _WARM) else rng.random()
        self.high = _color(hue, rng.uniform(0.3, 0.6), 0.2 if self.night else rng.uniform(0.55, 0.85))
        self.low = _color(
            hue + rng.uniform(-0.14, 0.14), rng.uniform(0.2, 0.5), 0.42 if self.night else rng.uniform(0.85, 0.98)
        )
        self.ink = _color(hue + 0.5, 0.4, 0.07 if self.night else 0.16)
        self.light = _color(rng.uniform(0.5, 0.68) if self.night else rng.uniform(0.07, 0.17), 0.22, 1.0)
        self.horizon = rng.uniform(0.45, 0.72)
        self.sun = (rng.uniform(0.15, 0.85), self.horizon * rng.uniform(0.25, 0.9))
        self.image = Image.new("RGB", size)
        self.pen = ImageDraw.Draw(self.image)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return x * self.width, y * self.height

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * self.width, top * self.height, right * self.width, bottom * self.height

    def depth(self, nearness: float) -> Color:
        """Return the colour at a distance: 0 is the haze of the horizon, 1 is ink."""
        return _mixed(self.low, self.ink, nearness)

    def sky(self) -> None:
        rows = Image.linear_gradient("L").resize(self.size)
        self.image.paste(ImageOps.colorize(rows, self.high, self.low))
        x, y = self.sun
        radius = self.rng.uniform(0.05, 0.11) * self.height
        glow = max(1, round(radius * 9))
        centre = round(x * self.width), round(y * self.height)
        self.image.paste(self.light, (centre[0] - glow // 2, centre[1] - glow // 2), _halo().resize((glow, glow)))
        self.pen.ellipse(
            (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=self.light
        )

    def place(self) -> None:
        """Draw the setting, by the method that has its name."""
        getattr(self, self.kind)()

    def ground(self, nearness: float = 0.55) -> None:
        self.pen.rectangle(self.box(0, self.horizon, 1, 1), fill=self.depth(nearness))
        vanishing = self.at(self.rng.uniform(0.3, 0.7), self.horizon)
        for number in range(-4, 13, 2):
            edge = self.at(number / 8 + self.rng.uniform(-0.05, 0.05), 1)
            self.pen.line((vanishing, edge), fill=self.depth(nearness + 0.14), width=max(1, self.height // 180))

    def city(self) -> None:
        for nearness, tallest in ((0.3, 0.5), (0.5, 0.42), (0.75, 0.62)):
            left = -0.02
            while left < 1:
                width = self.rng.uniform(0.04, 0.11) * (1 + nearness)
                gap = nearness > 0.7 and 0.3 < left < 0.6  # noqa: PLR2004 - the street in the middle stays open
                top = self.horizon - (0.04 if gap else self.rng.uniform(0.12, 1) * tallest)
                self.pen.rectangle(self.box(left, top, left + width, self.horizon + 0.02), fill=self.depth(nearness))
                self.windows(left, top, width, nearness)
                left += width * self.rng.uniform(1.0, 1.25)
        self.ground(0.7)

    def windows(self, left: float, top: float, width: float, nearness: float) -> None:
        pane = self.light if self.night else self.depth(nearness - 0.15)
        side = 0.011 * (0.6 + nearness)
        row = top + 0.03
        while row < self.horizon - 0.03:
            column = left + 0.012
            while column < left + width - side:
                if self.rng.random() < (0.3 if self.night else 0.6):
                    self.pen.rectangle(self.box(column, row, column + side * 0.6, row + side), fill=pane)
                column += side * 1.5
            row += side * 2.2

    def ridge(self, base: float, height: float, nearness: float) -> None:
        points = [self.at(-0.05, 1.0)]
        x = -0.05
        while x < 1.1:  # noqa: PLR2004 - the ridge ends beyond the picture's edge
            points.append(self.at(x, base - self.rng.uniform(0.1, 1) * height))
            x += self.rng.uniform(0.05, 0.16)
        self.pen.polygon([*points, self.at(1.1, 1.0)], fill=self.depth(nearness))

    def mountains(self) -> None:
        for number, nearness in enumerate((0.18, 0.36, 0.6)):
            self.ridge(self.horizon + 0.08 * number, 0.42 - 0.1 * number, nearness)
        self.pen.rectangle(self.box(0, self.horizon + 0.2, 1, 1), fill=self.depth(0.7))

    def sea(self) -> None:
        self.ridge(self.horizon + 0.01, 0.14, 0.25)
        self.pen.rectangle(self.box(0, self.horizon, 1, 1), fill=_mixed(self.high, self.ink, 0.3))
        for _ in range(70):
            y = self.horizon + (1 - self.horizon) * self.rng.random() ** 1.6
            near = (y - self.horizon) / (1 - self.horizon)
            x, half = self.rng.gauss(self.sun[0], 0.06 + 0.3 * near), 0.01 + 0.05 * near
            color = _mixed(self.light, self.high, self.rng.random())
            self.pen.line((self.at(x - half, y), self.at(x + half, y)), fill=color, width=max(1, self.height // 200))

    def wood(self) -> None:
        self.ridge(self.horizon, 0.2, 0.3)
        self.ground(0.5)
        for nearness in (0.45, 0.65, 0.9):
            for _ in range(9):
                x, foot = self.rng.random(), self.horizon + 0.06 + 0.3 * nearness * self.rng.random()
                tall, wide = (0.3 + 0.6 * nearness) * self.rng.uniform(0.6, 1), 0.05 + 0.06 * nearness
                color = self.depth(nearness)
                self.pen.rectangle(self.box(x - wide * 0.08, foot - tall, x + wide * 0.08, foot), fill=color)
                for part in range(3):
                    top, spread = foot - tall + part * tall * 0.2, wide * (0.5 + 0.25 * part)
                    crown = [self.at(x, top - 0.05), self.at(x + spread, top + tall * 0.28)]
                    self.pen.polygon([*crown, self.at(x - spread, top + tall * 0.28)], fill=color)

    def room(self) -> None:
        far = (self.rng.uniform(0.22, 0.34), 0.2, self.rng.uniform(0.64, 0.8), self.horizon)
        left, top, right, bottom = far
        walls = (
            ((0, 0), (1, 0), (right, top), (left, top), 0.42),
            ((0, 0), (left, top), (left, bottom), (0, 1), 0.55),
            ((1, 0), (right, top), (right, bottom), (1, 1), 0.62),
            ((0, 1), (left, bottom), (right, bottom), (1, 1), 0.75),
        )
        for *corners, nearness in walls:
            self.pen.polygon([self.at(x, y) for x, y in corners], fill=self.depth(nearness))
        self.pen.rectangle(self.box(*far), fill=self.depth(0.25))
        x = self.rng.uniform(left + 0.04, right - 0.2)
        self.pen.rectangle(self.box(x, top + 0.06, x + 0.14, bottom - 0.14), fill=self.light)
        self.pen.line((self.at(x + 0.07, top + 0.06), self.at(x + 0.07, bottom - 0.14)), fill=self.ink)
        pool = [self.at(x, bottom), self.at(x + 0.14, bottom), self.at(x + 0.3, 1), self.at(x - 0.1, 1)]
        self.pen.polygon(pool, fill=_mixed(self.depth(0.75), self.light, 0.3))

    def figures(self) -> None:
        if self.close:
            self.figure(self.rng.uniform(0.35, 0.65), 2.1, 1.9)
            return
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            foot = self.rng.uniform(self.horizon + 0.14, 0.92)
            self.figure(self.rng.uniform(0.2, 0.8), foot, (foot - self.horizon) * self.rng.uniform(0.85, 1.0) + 0.05)

    def figure(self, x: float, foot: float, tall: float) -> None:
        unit = tall * self.height
        centre, ground = x * self.width, foot * self.height
        head, top = unit * 0.075, ground - unit
        lean = unit * self.rng.uniform(-0.03, 0.03)
        shoulder, hip = top + head * 2.5, ground - unit * 0.47
        body = [
            (centre - unit * 0.12 + lean, shoulder),
            (centre + unit * 0.12 + lean, shoulder),
            (centre + unit * 0.1, hip),
            (centre + unit * 0.09, ground),
            (centre + unit * 0.02, ground),
            (centre, hip + unit * 0.06),
            (centre - unit * 0.03, ground),
            (centre - unit * 0.1, ground),
            (centre - unit * 0.11, hip),
        ]
        self.pen.polygon(body, fill=self.ink)
        neck = (centre - head * 0.45 + lean, top + head, centre + head * 0.45 + lean, shoulder + 1)
        self.pen.rectangle(neck, fill=self.ink)
        self.pen.ellipse((centre - head + lean, top, centre + head + lean, top + head * 2.3), fill=self.ink)

    def lit(self) -> Image.Image:
        """Return the picture, darkened towards the corners."""
        x, _ = self.sun
        wide = (round(self.width * 1.9), round(self.height * 1.9))
        fall = _falloff().resize(wide)
        left = round((wide[0] - self.width) * (0.75 - x / 2))
        top = (wide[1] - self.height) // 2
        shade = fall.crop((left, top, left + self.width, top + self.height))
        return ImageChops.multiply(self.image, Image.merge("RGB", (shade, shade, shade)))


def _guided(picture: Image.Image, original: Image.Image, reference: Reference) -> Image.Image:
    fitted = ImageOps.fit(original, picture.size)
    if not reference.edges:
        return Image.blend(picture, fitted, min(0.75, max(0.35, reference.strength)))
    strength = min(1.0, max(0.3, reference.strength))
    edges = fitted.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.MaxFilter(3))
    ink = ImageEnhance.Brightness(edges).enhance(3 * strength)
    tinted = Image.blend(picture, fitted, 0.2 * strength)
    return Image.composite(Image.new("RGB", picture.size, (250, 248, 240)), tinted, ink)


def _paste_thumbnails(picture: Image.Image, originals: list[Image.Image]) -> None:
    """Paste thumbnails of the references into the upper right corner."""
    width, height = picture.width // 7, picture.height // 6
    margin = max(2, picture.width // 60)
    if min(width, height) < 4:  # noqa: PLR2004 - too small to show anything
        return
    for number, original in enumerate(originals):
        left, top = picture.width - (width + margin) * (number + 1), margin
        picture.paste((245, 243, 236), (left - 2, top - 2, left + width + 2, top + height + 2))
        picture.paste(ImageOps.fit(original, (width, height)), (left, top))


def _write_text(picture: Image.Image, text: str, seed: str) -> None:
    """Write the prompt over the bottom of the picture, and the seed into a corner."""
    if picture.width < _MIN_LETTERED_WIDTH:
        return
    letters = lettering.font(max(9, picture.height // 26))
    small = lettering.font(max(8, picture.height // 40))
    margin = picture.width // 40
    shown = lettering.lines(text, letters, picture.width - 2 * margin, 2)
    leading = round(picture.height / 19)
    band = leading * len(shown) + margin // 2 if shown else 0
    foot = picture.crop((0, picture.height - band, picture.width, picture.height))
    picture.paste(ImageEnhance.Brightness(foot).enhance(0.3), (0, picture.height - band))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(shown):
        top = picture.height - band + margin // 4 + number * leading
        pen.text((margin, top), line, fill=(244, 242, 234), font=letters)
    pen.text((margin, margin // 2), seed, fill=(244, 242, 234), font=small, stroke_width=1, stroke_fill=(20, 20, 24))


def _mentions(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


def _color(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mixed(one: Color, other: Color, share: float) -> Color:
    share = min(1.0, max(0.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


@lru_cache(maxsize=1)
def _halo() -> Image.Image:
    """Return a mask that is nearly opaque in the middle and transparent before its sides."""
    return _inward().point(lambda level: int(200 * max(0.0, level / 255 - _INWARD_AT_SIDE) ** 2 * 2))


@lru_cache(maxsize=1)
def _falloff() -> Image.Image:
    return _inward().point(lambda level: 70 + int(185 * min(1.0, level / 150)))


@lru_cache(maxsize=1)
def _inward() -> Image.Image:
    return ImageChops.invert(Image.radial_gradient("L"))
