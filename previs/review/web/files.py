"""Send the page of a run and what it shows: frames of its manifest and a few files beside it, nothing else."""

import asyncio
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from previs.pictures.media import is_inert
from previs.publishing.last_run import since_last_run
from previs.publishing.views import ASSETS, FrameLinks, Since, page_assets, page_pieces
from previs.records.manifest import Manifest
from previs.records.takes import Frame
from previs.review.desk import Desk
from previs.review.file_cache import stored_file
from previs.review.outline import Outline
from previs.review.web.labels import words
from previs.review.web.pages import quoted
from previs.store import FolderStore, keys

STATIC: Final = {"review.css": "text/css; charset=utf-8", "review.js": "text/javascript; charset=utf-8"}
RULES: Final = {"connect-src": "'self'", "script-src": "'self'", "frame-ancestors": "'none'"}
_TO_ROOT: Final = "../../../../"
_FOREVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
# Whatever a frame is, it runs nothing: not as a page of its own, either.
_INERT: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; sandbox"}
_SHOWN: Final = re.compile(
    r"image/(?:png|jpeg|gif|webp|avif)|video/(?:mp4|webm|quicktime|x-matroska)"
    r"|audio/(?:mpeg|mp4|ogg|flac|wav|x-wav|webm)"
)
_BESIDE: Final = {".mp4": "video/mp4", ".vtt": "text/vtt; charset=utf-8", ".srt": "application/x-subrip"}
_FILM: Final = re.compile(r"animatic(?:\.[A-Za-z-]{1,12})?(\.mp4|\.vtt|\.srt)")
_MOST_FILM: Final = 8_000_000_000
_HASH: Final = re.compile(r"frames/[0-9a-f]{2}/([0-9a-f]{64}(?:\.[a-z0-9]{1,8})?)")


async def board_page(desk: Desk, outline: Outline) -> Response:
    """Return the page of a run with the review over it; it is made once and the same for all people."""

    async def write(path: Path) -> bool:
        manifest = await desk.catalog.manifest(outline.location)
        since = await since_last_run(manifest, desk.store)
        await asyncio.to_thread(_write_page, path, manifest, since, outline)
        return True

    path = await desk.files.get(f"page {outline.location.manifest} {outline.version}", write)
    if path is None:
        return _not_there()
    policy = {"Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in RULES.items())}
    headers = policy | {"Cache-Control": "no-store", "Content-Encoding": "gzip"}
    return FileResponse(path, headers=headers, media_type="text/html; charset=utf-8")


async def frame(desk: Desk, outline: Outline, key: str) -> Response:
    """Return a frame of a run, in whole or in part."""
    known = outline.media.get(key)
    named = _HASH.fullmatch(key)
    if known is None or named is None:
        return _not_there()
    media_type, size = known
    path = await stored_file(desk.store, desk.files, key, limit=max(size, 1))
    if path is None:
        return _not_there()
    headers = _FOREVER | _INERT
    if is_inert(key) and _SHOWN.fullmatch(media_type):
        return FileResponse(path, headers=headers, media_type=media_type)
    return FileResponse(path, headers=headers, media_type="application/octet-stream", filename=named[1])


async def board_file(desk: Desk, outline: Outline, name: str) -> Response:
    """Return the style or script of a run's page, or its film."""
    if name in ASSETS:
        return Response(page_assets(outline.manifest)[name], media_type=ASSETS[name])
    film = _FILM.fullmatch(name)
    if film is None:
        return _not_there()
    key = f"{outline.location.prefix}{name}"
    listed = (await desk.store.entries(outline.location.prefix)).get(key)
    if listed is None:
        return _not_there()
    path = await _film(desk, key, f"{key} {listed.size} {listed.modified.isoformat()}")
    return _not_there() if path is None else FileResponse(path, headers=_INERT, media_type=_BESIDE[film[1]])


async def static_file(request: Request) -> Response:
    """Return the review's own style or script."""
    name = request.path_params["name"]
    if name not in STATIC:
        return _not_there()
    content = (files("previs.review.web") / "static" / name).read_bytes()
    return Response(content, media_type=STATIC[name], headers={"Cache-Control": "no-cache"})


async def _film(desk: Desk, key: str, version: str) -> Path | None:
    if isinstance(desk.store, FolderStore):
        return await stored_file(desk.store, desk.files, key, limit=_MOST_FILM)
    return await desk.files.get(version, lambda path: desk.store.get_file(key, path, limit=_MOST_FILM))


def _write_page(path: Path, manifest: Manifest, since: Since | None, outline: Outline) -> None:
    before = "" if since is None else f"../{quoted(keys.part(since.run))}/"

    def links(found: Frame) -> FrameLinks:
        # The key is checked again when the frame is asked for.
        address = found.key if found.key in outline.media else f"{before}{found.key}"
        return FrameLinks(src=address, href=address)

    rules = {"connect-src": "'self'", "form-action": "'self'"}
    pieces = page_pieces(manifest, links=links, assets={name: name for name in ASSETS}, rules=rules, since=since)
    with gzip.open(path, "wb", compresslevel=5) as out:
        for piece in _layered(pieces, manifest):
            out.write(piece.encode())


def _layered(pieces: Iterable[str], manifest: Manifest) -> Iterator[str]:
    """Yield a page with the review's style, words and script; texts of a page hold no tags, as they are escaped."""
    config = {"root": _TO_ROOT, "run": manifest.run, "lang": manifest.lang, "words": words(manifest.lang)}
    # Within a script, < could begin its end.
    content = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")
    head = f'<link rel="stylesheet" href="{_TO_ROOT}static/review.css">\n</head>'
    foot = (
        f'<script type="application/json" id="review-words">{content}</script>\n'
        f'<script src="{_TO_ROOT}static/review.js"></script>\n</body>'
    )
    for piece in pieces:
        yield piece.replace("</head>", head).replace("</body>", foot)


def _not_there() -> Response:
    return PlainTextResponse("this is not there", HTTPStatus.NOT_FOUND)
