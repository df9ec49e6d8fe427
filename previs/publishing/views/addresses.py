"""Decide which URLs a board may show or link to."""

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/]+={0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPLITS_MARKDOWN = re.compile(r"[\s()<>\[\]|\\`]")
_LINKED = frozenset({"http", "https", "file"})
_REACHABLE = frozenset({"http", "https"})


def is_picture(url: str) -> bool:
    """Return whether this is a ``data:`` URI of a raster image, the only ``data:`` URI that a board shows."""
    return _PICTURE.fullmatch(url) is not None


def scheme(url: str) -> str:
    """Return the scheme in lower case; empty for a relative path."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def for_page(url: str | None) -> str | None:
    r"""Return a URL that the page may use: http, https, file, ``data:`` of an image, or a relative path; else None.

    Browsers drop control characters and outer spaces, which can hide a scheme, and read ``\`` as ``/``; ``//host`` on a
    page in a folder is another machine's share. URLs with any of these are rejected.
    """
    if not url or url != url.strip() or _CONTROL.search(url):
        return None
    if scheme(url) == "data":
        return url if is_picture(url) else None
    if "\\" in url or url.startswith("//"):
        return None
    return url if scheme(url) in _LINKED or not scheme(url) else None


def for_artifact(url: str | None) -> str | None:
    """Return a URL that works outside the board: http, https, or ``data:`` of an image; else None."""
    allowed = for_page(url)
    if allowed is None or is_picture(allowed):
        return allowed
    return allowed if scheme(allowed) in _REACHABLE else None


def markdown_link(label: str, url: str | None) -> str:
    """Return a link for a table artifact; empty if the URL may not be linked.

    Args:
        label: Trusted text.
        url: An http or https URL; from a web page, browsers open neither ``data:`` nor ``file:``.
    """
    allowed = for_page(url)
    if allowed is None or scheme(allowed) not in _REACHABLE:
        return ""
    quoted = _SPLITS_MARKDOWN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), allowed)
    return f"[{label}]({quoted})"
