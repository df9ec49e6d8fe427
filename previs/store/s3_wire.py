"""What goes into headers of S3 and comes out of its listings; pure."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from previs.store.interface import StoredFile

# Everything that ASCII prints but the percent sign itself.
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: names and values together.
_METADATA_BYTES: Final = 2048
_FIRST_WITH_A_BODY: Final = 200
_WITHOUT_A_BODY: Final = frozenset({204, 304})
_FIRST_REFUSAL: Final = 300


def content_disposition(download_name: str) -> str:
    """A Content-Disposition header that shows a file in the browser and names it when it is saved (RFC 6266, 8187)."""
    name = "".join("_" if unicodedata.category(c) in {"Cc", "Cs"} or c in '/\\"' else c for c in download_name)
    plain = "".join(c if c.isascii() else "_" for c in name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def user_metadata(words: Mapping[str, str]) -> dict[str, str]:
    """Words as headers can hold them, as far as there is room: in percent-encoded UTF-8 where they are not plain ASCII.

    White space at the ends is dropped and made one blank elsewhere, since proxies and signatures do so, too.
    """
    kept, room = {}, _METADATA_BYTES
    for name, word in words.items():
        plain = quote(" ".join(word.split()), safe=_PLAIN, errors="replace")
        if len(name) + len(plain) <= room:
            kept[name] = plain
            room -= len(name) + len(plain)
    return kept


def entry_of(listed: Mapping[str, Any]) -> StoredFile | None:
    """A listing's entry, or nothing if it lacks its size or time."""
    size, modified = listed.get("Size"), listed.get("LastModified")
    if not isinstance(size, int) or not isinstance(modified, datetime):
        return None
    return StoredFile(size, (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).astimezone(UTC))


def is_complete(method: str, status: int, headers: Mapping[str, str], body: object) -> bool:
    """Whether an answer has arrived to its end, as far as its own words tell.

    http.client takes headers that were cut off for all of them; botocore asks urllib3 not to compare a body's length
    with the one announced, so that a listing that was cut behind its headers would be an empty one.

    Args:
        method: of the request.
        status: of the answer.
        headers: of the answer, found whatever the case of their names, as in botocore's own mapping.
        body: as bytes; one that is still to be read, of whatever type, is not looked at.
    """
    if status < _FIRST_WITH_A_BODY or status in _WITHOUT_A_BODY:
        return True
    length = headers.get("content-length")
    if length is None:
        return status >= _FIRST_REFUSAL or headers.get("transfer-encoding", "").lower().endswith("chunked")
    length = length.strip()
    if not (length.isascii() and length.isdecimal()):
        return False
    return method == "HEAD" or not isinstance(body, bytes) or len(body) == int(length)
