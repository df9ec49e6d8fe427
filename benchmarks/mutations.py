"""Make damaged inputs of good ones, reproducibly: bytes, texts, and JSON of any shape."""

import copy
import html
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

_NESTED = 300
_HALF, _DEEP, _DESCENDS = 0.5, 0.1, 0.95
_EVERYWHERE, _REPLACED, _MOVED, _REMOVED = 0.3, 0.7, 0.8, 0.9
_XML = re.compile(rb"(?=<)")  # before each tag
_XML_VALUE = re.compile(rb'(?<==")[^"]*|(?<=>)[^<]+')
_REPEATABLE = 1_000  # bytes
_REPEATED = "\ue000"  # marks a key that is written a second time
_WORDS = (
    *("", " ", "\n", "\r", "\t", "\0", "\ufeff", "\u202e", "\x1b[2J", "，", "é", "𝒳", "0", "-1", "1e999", "NaN", "nul"),
    *(
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ",",
        ":",
        "- ",
        "? ",
        "&a ",
        "*a",
        "<<: ",
        "!!set ",
        "!!python/name:os ",
        "| ",
        "> ",
    ),
    *(
        "%YAML 9",
        "---",
        "...",
        "[[",
        "]]",
        "/*",
        "*/",
        "{a|b}",
        "INT. ",
        "> ",
        "@",
        "#",
        "=",
        "\\ud800",
        "\\u0000",
        "=1+1",
    ),
    *(
        "shot:SQ010",
        "../../etc",
        "file:///",
        "s3://b/k",
        "data:,",
        "http://[::1",
        "2024-13-45",
        "0x7f",
        "1_0",
        "12:30:45",
    ),
)


_NUMBERS = (
    *(0, 1, -1, 0.5, 7, 100, 2**31, 2**53, 2**63, 2**64 - 1, 2**64, 2**70, -(2**64), 10**400, -(10**400)),
    *(1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan")),
)
_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "nan",
        "9" * 5000,
        "x" * 100_000,
        "\ud800",
        "\udfff",
        "a\0b",
        "\u202etxt",
        "\x1b[31m",
    ),
    *("../../x", "a/b\\c", "é" * 50, "INT", "FLOAT", "*", "COMBO", "KSampler", "SaveImage", "seed", "shot.prompt"),
)
_OTHERS: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [None], [1, 2, 3], ["a", 0], ["a", -1], ["4", 2**64], ["3", -9], [{}, {}]),
    *(
        {"": ""},
        {"a": None},
        {"\ud800": 1},
        {"__value__": ["a", 0]},
        {"prompt": {}},
        {"class_type": None, "inputs": {}},
    ),
    *({"class_type": "x"}, ["INT", {"min": 2**70}], ["COMBO", {"options": [None, [], {}]}], [["a", {}, None]]),
)


def _wild(source: random.Random, good: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value of the same kind as a good one or, as often, of any kind; also what only Python's JSON reads."""
    kinds: list[Sequence[Any]] = [_NUMBERS, _TEXTS, _OTHERS]
    if source.random() < _HALF and isinstance(good, str | int | float):
        kinds = [_TEXTS if isinstance(good, str) else _NUMBERS]
    if len(kinds) > 1 and source.random() < _DEEP:
        nested: Any = source.choice(([], {}, "x", 1))
        for _ in range(source.choice((2, 50, _NESTED))):
            nested = [nested] if source.random() < _HALF else {"a": nested}
        return nested
    return copy.deepcopy(source.choice(source.choice(kinds)))


def _place(source: random.Random, value: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON
    """Return an object or array within a value, and one of its keys: any, but more often one near the top."""
    held, key = value, 0
    while isinstance(inner := held[key], dict | list) and inner and source.random() < _DESCENDS:
        held = inner
        key = source.choice(list(inner)) if isinstance(inner, dict) else source.randrange(len(inner))
    return held, key


def _everywhere(value: Any, key: Any, wrong: Any) -> None:  # noqa: ANN401 - any JSON
    """Give every object within a value that has the key another value for it."""
    pending = [value]
    while pending:
        held = pending.pop()
        if isinstance(held, dict) and key in held:
            held[key] = wrong
        inner = held.values() if isinstance(held, dict) else held
        pending += [each for each in inner if isinstance(each, dict | list) and each is not wrong]


def wrong_json(source: random.Random, good: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of a JSON value, of which some inner values are replaced, moved, removed or repeated."""
    value = [copy.deepcopy(good)]
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        held, key = _place(source, value)
        kind = source.random()
        if isinstance(key, str) and kind < _EVERYWHERE:
            _everywhere(value, key, _wild(source, held[key]))
        elif kind < _REPLACED or held is value:
            held[key] = _wild(source, held[key])
        elif kind < _MOVED:
            other, other_key = _place(source, value)
            held[key] = copy.deepcopy(other[other_key])
        elif kind < _REMOVED:
            del held[key]
        elif isinstance(held, dict):
            held[source.choice((f"{key}{_REPEATED}", source.choice(_WORDS)))] = copy.deepcopy(held[key])
        else:
            held.insert(key, copy.deepcopy(held[key]))
    return value[0]


def json_text(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Write JSON as a careless program does: with NaN, lone surrogates as they are escaped, and keys written twice."""
    return json.dumps(value, ensure_ascii=False).replace(_REPEATED, "").encode(errors="backslashreplace")


def wrong_bytes(source: random.Random, good: bytes, others: Sequence[bytes]) -> bytes:
    """Return damaged content: bytes flipped, cut out, repeated, replaced by words, or spliced with another input's."""
    content = bytearray(good)
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        at = source.randrange(len(content) + 1)
        length = source.choice((1, 2, 4, 16, 256))
        source.choice(_DAMAGES)(source, content, at, length, others)
    return bytes(content)


def wrong_xml(source: random.Random, good: bytes) -> bytes:
    """Return an XML document of which some values are replaced, and some tags left out, repeated or moved."""
    pieces = _XML.split(good)
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        at = source.randrange(len(pieces))
        kind = source.random()
        if values := [*_XML_VALUE.finditer(pieces[at])] if kind < _REPLACED else []:
            found = source.choice(values)
            wild = source.choice(source.choice((_NUMBERS, _TEXTS, _WORDS)))
            text = html.escape(str(wild)).encode(errors="xmlcharrefreplace")
            pieces[at] = pieces[at][: found.start()] + text + pieces[at][found.end() :]
        elif kind < _MOVED:
            pieces[at], pieces[-1 - at] = pieces[-1 - at], pieces[at]
        elif kind < _REMOVED:
            pieces[at] = b""
        else:
            pieces[at] = pieces[at][:_REPEATABLE] * source.choice((2, 100))
    return b"".join(pieces)


def wrong_parts(source: random.Random, good: bytes, others: Sequence[bytes]) -> bytes:
    """Return a zip file of which one part is damaged: its XML, its bytes, or where it is."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = source.choice(list(parts))
    kind = source.random()
    if kind < _REPLACED and parts[name]:
        parts[name] = wrong_xml(source, parts[name])
    elif kind < _REMOVED:
        parts[name] = wrong_bytes(source, parts[name], others)
    else:
        other = source.choice(list(parts))
        parts[name], parts[other] = parts[other], parts[name]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, text in parts.items():
            archive.writestr(zipfile.ZipInfo(each), text)
    return content.getvalue()


def _flip(source: random.Random, content: bytearray, at: int, *_: object) -> None:
    if at < len(content):
        content[at] ^= 1 << source.randrange(8)


def _set(source: random.Random, content: bytearray, at: int, length: int, *_: object) -> None:
    content[at : at + min(length, 8)] = source.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * min(length, 8)


def _cut(_: random.Random, content: bytearray, at: int, length: int, *__: object) -> None:
    del content[at : at + length]


def _truncate(_: random.Random, content: bytearray, at: int, *__: object) -> None:
    del content[at:]


def _repeat(source: random.Random, content: bytearray, at: int, length: int, *_: object) -> None:
    content[at:at] = content[at : at + length] * source.choice((1, 3, 100))


def _insert(source: random.Random, content: bytearray, at: int, *_: object) -> None:
    content[at:at] = source.choice(_WORDS).encode() * source.choice((1, 1, 1, 3, 500))


def _splice(source: random.Random, content: bytearray, at: int, length: int, others: Sequence[bytes]) -> None:
    other = source.choice(others)
    start = source.randrange(len(other) + 1)
    content[at : at + length] = other[start : start + source.choice((length, 16 * length))]


_DAMAGES: tuple[Callable[..., None], ...] = (_flip, _flip, _set, _cut, _truncate, _repeat, _insert, _insert, _splice)
