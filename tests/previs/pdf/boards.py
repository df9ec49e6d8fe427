"""Make boards with real frames, and a font that has what their texts need, so that no test depends on the machine's."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from previs.pictures.thumbnails import thumbnail_of
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from tests.previs.records.published import frame, manifest, shot, take

NOWHERE = "\U0010fff0"
"""A character that no font has."""
LETTERS = [chr(code) for code in (*range(0x20, 0x7F), 0xB7, 0x2026)]
CHINESE = (
    "雾港夜航第版页共个镜头秒分帧条失败跳过没有图片无法读取画面内容对白备注大全景低角度推"
    "老周这天气出不了海手的特写。，：！选定"
)
RED, BLUE = (200, 20, 20), (20, 20, 200)


def make_font(path: Path, characters: Iterable[str] = CHINESE, *, usage: int = 0) -> Path:
    """Write a font whose characters are blocks half as wide as high, those above U+2E80 as wide as high."""
    known = sorted({*LETTERS, *characters})
    names = {each: f"u{ord(each):04X}" for each in known}
    widths = {".notdef": 500} | {names[each]: 1000 if ord(each) > 0x2E80 else 500 for each in known}
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    for each in known:
        pen = TTGlyphPen(None)
        if each != " ":
            pen.moveTo((50, 0))
            pen.lineTo((50, 100 + ord(each) % 700))
            pen.lineTo((widths[names[each]] - 50, 100 + ord(each) % 700))
            pen.lineTo((widths[names[each]] - 50, 0))
            pen.closePath()
        glyphs[names[each]] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(each): name for each, name in names.items()})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({name: (width, 0) for name, width in widths.items()})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Blocks", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120, usWinAscent=880, usWinDescent=120, fsType=usage)
    builder.setupPost()
    builder.save(path)
    return path


def png(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 36)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def shown(content: bytes, number: int = 1, *, thumbnail: bool = False, **changes: Any) -> TakeEntry:
    """Return a take whose frame is a picture."""
    picture = Image.open(io.BytesIO(content))
    small = thumbnail_of(picture) if thumbnail else None
    made = frame(content, width=picture.width, height=picture.height, thumbnail=small)
    return take(number, frames=(made,), **changes)


def told(shot_id: str, *takes: TakeEntry, duration: float = 3.5, **fields: Any) -> ShotEntry:
    """Return a shot with texts."""
    return shot(shot_id, *takes, duration=duration, shot={"shot_id": shot_id, **fields})


def board(*shots: ShotEntry, **changes: Any) -> Manifest:
    return manifest(*shots, **({"board": "b", "title": "雾港夜航", "lang": "zh"} | changes))
