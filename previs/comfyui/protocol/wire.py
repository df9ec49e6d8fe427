"""JSON as servers send it."""

import json
from typing import Any


def read_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The value, with a replacement character for each half of a surrogate pair.

    JSON can hold such halves, escaped, and neither UTF-8 nor the messages and records that are made of it can.

    Raises:
        ValueError, RecursionError: it is no JSON, or is nested without end.
    """
    value = json.loads(text)
    escaped = b"\\ud" in text.lower() if isinstance(text, bytes) else "\\ud" in text.lower()
    return _whole(value) if escaped else value


def _whole(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {_whole(name): _whole(each) for name, each in value.items()}
        case _:
            return value
