"""Convert a field's saved value to what the server takes, and choose the editor's default where there is none."""

import re
from typing import Any

from previs.comfyui.protocol.classes import COMBO, DYNAMIC_COMBO, InputRule
from previs.comfyui.protocol.input_check import TYPE_NAMES, describe_rule, format_value

_LARGEST = 10**300  # The editor's numbers end near 1.8 × 10^308.
_FILE_NAME = re.compile(r".*\.\w{2,11}")


class WrongTypeError(ValueError):
    """Report a value of the wrong type; the text names the right one."""


def default_of(rule: InputRule) -> Any:  # noqa: ANN401 - whatever a server declares
    """Return the editor's default for a field; None if it would be the first file found."""
    if rule.default is not None:
        return rule.default
    match rule.kind:
        case "INT" | "FLOAT":
            return max(rule.minimum or 0, 0)
        case "STRING":
            return ""
        case "BOOLEAN":
            return False
    first = next(iter(rule.values or ()), None)
    return None if rule.uploaded or (isinstance(first, str) and _FILE_NAME.fullmatch(first)) else first


def coerce(rule: InputRule, value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    """Convert a field's value to what the server takes.

    Raises:
        WrongTypeError: The value has another type, so it must belong to another field.
    """
    if isinstance(value, list):
        if rule.kind in TYPE_NAMES or (rule.kind in (COMBO, DYNAMIC_COMBO) and not rule.several):
            raise WrongTypeError(_kind(rule))
        # The server would take a list of two for a link; it unwraps this.
        return {"__value__": value}
    match rule.kind:
        case "INT" | "FLOAT":
            return _number(rule, value)
        case "BOOLEAN":
            return _boolean(rule, value)
        case "STRING":
            if not isinstance(value, str):
                raise WrongTypeError(_kind(rule))
        case "COMBO" | "COMFY_DYNAMICCOMBO_V3":
            _check_choice(rule, value)
    return value


def _number(rule: InputRule, value: Any) -> int | float:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}(\.\d{1,20})?\s*", value):
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongTypeError(_kind(rule))
    if not -_LARGEST < value < _LARGEST:  # Neither is NaN.
        raise WrongTypeError(describe_rule(rule))
    return int(value) if rule.kind == "INT" else value


def _boolean(rule: InputRule, value: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    raise WrongTypeError(_kind(rule))


def _check_choice(rule: InputRule, value: Any) -> None:  # noqa: ANN401 - whatever a file holds
    texts_only = bool(rule.values) and all(isinstance(choice, str) for choice in rule.values or ())
    if not isinstance(value, str) and (texts_only or not isinstance(value, int | float)):
        raise WrongTypeError(_kind(rule))


def _kind(rule: InputRule) -> str:
    return TYPE_NAMES.get(rule.kind, f"one of {format_value(list(rule.values or ()))}")
