"""Encode headers for S3, decode its listings and recognise incomplete responses; pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from previs.store.interface import StoredFile

# Printable ASCII except the percent sign.
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: names and values together.
_METADATA_BYTES: Final = 2048
_FIRST_WITH_A_BODY: Final = 200
_WITHOUT_A_BODY: Final = frozenset({204, 304})
_FIRST_REFUSAL: Final = 300
_MOST_DIGITS: Final = 15  # of a length


def content_disposition(download_name: str, media_type: str) -> str:
    """Return a Content-Disposition header that names a file's download (RFC 6266, 8187).

    Browsers show pictures, videos and sound; any other file they only save.
    """
    safe = "".join("_" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} or c in '/\\"' else c for c in download_name)
    # A dash or dot at the start makes the saved file an option of commands, or hides it.
    name = re.sub(r"^[-. ]", "_", safe)
    shown = "inline" if media_type.partition("/")[0] in {"image", "video", "audio"} else "attachment"
    plain = "".join(c if c.isascii() else "_" for c in name)
    return f"{shown}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def user_metadata(words: Mapping[str, str]) -> dict[str, str]:
    """Return texts as header values; texts for which there is no room are dropped.

    Characters other than printable ASCII become percent-encoded UTF-8. White space is trimmed and collapsed, as proxies
    and signatures do.
    """
    kept, room = {}, _METADATA_BYTES
    for name, word in words.items():
        plain = quote(" ".join(word.split()), safe=_PLAIN, errors="replace")
        if len(name) + len(plain) <= room:
            kept[name] = plain
            room -= len(name) + len(plain)
    return kept


def entry_of(listed: Mapping[str, Any]) -> StoredFile | None:
    """Return an entry of a listing, or None if its size or time is missing."""
    size, modified = listed.get("Size"), listed.get("LastModified")
    if not isinstance(size, int) or not isinstance(modified, datetime):
        return None
    return StoredFile(size, (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).astimezone(UTC))


def is_complete(method: str, status: int, headers: Mapping[str, str], body: object) -> bool:
    """Return whether a response arrived completely, judged by its own headers.

    http.client accepts truncated headers. botocore tells urllib3 not to compare the body with its announced length, so
    a listing that ends after its headers would count as empty.

    Args:
        method: Method of the request.
        status: Status of the response.
        headers: Headers of the response; the mapping ignores case, as botocore's does.
        body: Bytes of the body; a stream that is not read yet is not checked.
    """
    if status < _FIRST_WITH_A_BODY or status in _WITHOUT_A_BODY:
        return True
    length = headers.get("content-length")
    if length is None:
        return status >= _FIRST_REFUSAL or headers.get("transfer-encoding", "").lower().endswith("chunked")
    length = length.strip()
    if not (length.isascii() and length.isdecimal() and len(length) <= _MOST_DIGITS):
        return False
    return method == "HEAD" or not isinstance(body, bytes) or len(body) == int(length)
