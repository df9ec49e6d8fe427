"""Draw all shots of a board in one small picture, for pages that show a single one."""

import base64
from io import BytesIO
from itertools import islice
from typing import Final

from PIL import Image, ImageOps

from previs.publishing.views.thumbnails import flat
from previs.records.manifest import Manifest

_ACROSS: Final = 4
_MOST: Final = 12
_SIZE: Final = (128, 72)
_GAP: Final = 4
_BACKGROUND: Final = (24, 24, 27)
_QUALITY: Final = 60


def overview(manifest: Manifest) -> str | None:
    """Return a ``data:`` URI of a JPEG with the first 12 shots that have a picture, or None if no shot has one.

    Four shots make a row. The JPEG is 524 pixels wide and at most 224 high, and takes about 15 KB.
    """
    shown = (shot.shown for shot in manifest.shots)
    thumbnails = (next((frame.thumbnail for frame in take.frames if frame.thumbnail), None) for take in shown if take)
    pictures = list(islice((opened for each in thumbnails if each and (opened := flat(each)) is not None), _MOST))
    if not pictures:
        return None
    width, height = _SIZE[0] + _GAP, _SIZE[1] + _GAP
    rows = -(-len(pictures) // _ACROSS)
    sheet = Image.new("RGB", (width * min(_ACROSS, len(pictures)) - _GAP, height * rows - _GAP), _BACKGROUND)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, _ACROSS)
        sheet.paste(ImageOps.pad(picture, _SIZE, color=_BACKGROUND), (column * width, row * height))
    jpeg = BytesIO()
    sheet.save(jpeg, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"
