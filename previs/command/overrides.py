"""Overrides as they are written on the command line."""

import json
from collections.abc import Iterable
from typing import Any


def overrides_in(written: Iterable[str]) -> dict[str, Any]:
    """Inputs and values of ``INPUT=VALUE``; a value is JSON where it can be read as such, and else text.

    Raises:
        ValueError: one of them has no equals sign or nothing before it, or sets what another sets, too.
    """
    overrides: dict[str, Any] = {}
    for one in written:
        address, equals, value = one.partition("=")
        if not equals or not address.strip():
            raise ValueError(f"{one!r} is no override: write it as 4.ckpt_name=model.safetensors")
        if address.strip() in overrides:
            raise ValueError(f"{address.strip()} is overridden twice: keep one")
        overrides[address.strip()] = _value(value)
    return overrides


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
