"""Parse overrides of the command line."""

import json
from collections.abc import Iterable
from typing import Any


def parse_overrides(options: Iterable[str] | None) -> dict[str, Any]:
    """Return the values of ``INPUT=VALUE`` options by input; a value that is not JSON is text.

    Raises:
        ValueError: An option has no equals sign or no input, or an input has two values.
    """
    overrides: dict[str, Any] = {}
    for option in options or ():
        address, equals, value = option.partition("=")
        if not equals or not address.strip():
            raise ValueError(f"{option!r} is no override: write it as 4.ckpt_name=model.safetensors")
        if address.strip() in overrides:
            raise ValueError(f"{address.strip()} is overridden twice: keep one")
        overrides[address.strip()] = _value(value)
    return overrides


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
