"""Check a value against the rule of a node class's input, as a server does; pure.

The rules are those of ``validate_inputs`` in ComfyUI's ``execution.py``, as of 0.3.64 and 0.33.0.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal

from previs.comfyui.protocol.classes import ANY, COMBO, DYNAMIC_COMBO, InputRule
from previs.text.similar import Budget, closest
from previs.text.visible import shortened

Kind = Literal[
    "unknown_class",
    "malformed_node",
    "no_output",
    "not_saved",
    "missing_input",
    "missing_model",
    "missing_file",
    "value_not_in_list",
    "value_out_of_range",
    "wrong_value_type",
    "wrong_link_type",
    "missing_link",
    "broken_link",
    "cycle",
    "not_checked",
]

# Types of ComfyUI's core that only a link can provide. A server accepts a value, and the node fails when it runs.
LINKED = frozenset(
    {"MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT", "IMAGE", "MASK", "CONTROL_NET", "CLIP_VISION"}
    | {"CLIP_VISION_OUTPUT", "STYLE_MODEL", "UPSCALE_MODEL", "SAMPLER", "SIGMAS", "NOISE", "GUIDER", "AUDIO", "VIDEO"}
)
_CONVERSIONS = {"INT": int, "FLOAT": float}
TYPE_NAMES = {"INT": "a whole number", "FLOAT": "a number", "STRING": "a text", "BOOLEAN": "true or false"}
_MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".pkl", ".bin", ".gguf", ".onnx", ".engine")
_FEW, _CLOSEST, _SIMILARITY = 12, 3, 0.5
_MAX_LENGTH, _MAX_NAME = 60, 250


@dataclass(frozen=True, slots=True)
class Misfit:
    """Describe why a value does not fit, and what would."""

    kind: Kind
    remedy: str


def format_value(value: Any) -> str:  # noqa: ANN401 - whatever a file held
    """Return a value as it looks in a JSON file, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except RecursionError:
        return "too deep to show"
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def is_checkable(type_: str) -> bool:
    """Return whether the rules of a type are known here; for other newer types servers create inputs dynamically."""
    return type_ == DYNAMIC_COMBO or not (type_.startswith("COMFY_") and type_.endswith("_V3"))


def accepts_link(rule: InputRule, received: str) -> bool:
    """Return whether an output of type ``received`` may be linked to an input."""
    types = {part.strip() for part in received.split(",")}
    return ANY in types | rule.link_types or bool(types & rule.link_types) or not is_checkable(received)


def describe_rule(rule: InputRule) -> str:
    """Return what an input takes, in words."""
    if not rule.held:
        return "a link to anything" if ANY in rule.link_types else f"a link to {' or '.join(rule.type.split(','))}"
    if rule.type in (COMBO, DYNAMIC_COMBO):
        few = rule.values is not None and 0 < len(rule.values) <= _FEW
        return "one of " + _listed(map(str, rule.values or ())) if few else "one of its choices"
    limits, name = _limits(rule), TYPE_NAMES.get(rule.kind, f"a value of type {rule.kind}")
    return f"{name} {limits}" if limits else name


def check_value(rule: InputRule, value: Any, budget: Budget | None = None) -> Misfit | None:  # noqa: ANN401 - any JSON
    """Check a value that is not a link; lists are links. All suggestions of a report share a budget."""
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    if rule.type in _CONVERSIONS:
        try:
            value = _CONVERSIONS[rule.type](value)
        except (TypeError, ValueError, OverflowError):
            return Misfit("wrong_value_type", f"give {describe_rule(rule)}")
    if rule.uploaded:
        return _missing_file(rule, value)
    return _out_of_range(rule, value) or _not_offered(rule, value, budget)


def _out_of_range(rule: InputRule, value: object) -> Misfit | None:
    if not isinstance(value, int | float):
        return None
    below = rule.minimum is not None and value < rule.minimum
    above = rule.maximum is not None and value > rule.maximum
    if not below and not above:
        return None
    return Misfit("value_out_of_range", f"give {TYPE_NAMES.get(rule.type, 'a value')} {_limits(rule)}")


def _limits(rule: InputRule) -> str:
    bounds = (("from", rule.minimum), ("to", rule.maximum))
    return " ".join(f"{word} {_number(bound)}" for word, bound in bounds if bound is not None)


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _missing_file(rule: InputRule, value: object) -> Misfit | None:
    """Check the name of a file in the input folder; no list includes files of its subfolders."""
    if not isinstance(value, str):
        return Misfit("wrong_value_type", "give the name of a file in the server's input folder")
    elsewhere = any(character in value for character in "/\\[")
    if rule.choices is None or elsewhere or value in rule.choices:
        return None
    remedy = "the server's input folder has no such file: upload it there, or give the shot a reference instead"
    return Misfit("missing_file", remedy)


def _not_offered(rule: InputRule, value: object, budget: Budget | None) -> Misfit | None:
    offered = rule.values
    if offered is None or value in offered:
        return None
    if rule.several and isinstance(value, list) and all(each in offered for each in value):
        return None
    names = tuple(str(choice) for choice in offered)
    name = value if isinstance(value, str) else format_value(value)
    if not _lists_models(rule.name, (*names, name), has_any=bool(names)):
        return Misfit("value_not_in_list", _choose(name, names, budget))
    if not names:
        return Misfit("missing_model", "the server has none of this kind: install it there")
    remedy = f"the server does not have it: install it there, or choose another: {_offer(name, names, budget)}"
    return Misfit("missing_model", remedy)


def _offer(value: str, names: tuple[str, ...], budget: Budget | None) -> str:
    close = _closest(value, names, budget) if len(names) > _CLOSEST else ()
    if not close and len(names) <= _FEW:
        return f"it has {_listed(names)}"
    if not close:
        return f"none of its {len(names)} has a similar name"
    return f"of its {len(names)} the closest {'are' if len(close) > 1 else 'is'} {_listed(close)}"


def _choose(value: str, names: tuple[str, ...], budget: Budget | None) -> str:
    if not names:
        return "the server offers no choices here"
    if len(names) <= _FEW:
        return f"choose one of {_listed(names)}"
    close = _closest(value, names, budget) or names[:_CLOSEST]
    return f"choose one of its {len(names)}: the closest are {_listed(close)}"


def _listed(names: Iterable[str]) -> str:
    """Return names one after another, each whole unless no file could have it."""
    return ", ".join(shortened(name, _MAX_NAME) for name in names)


def _lists_models(input_name: str, names: Iterable[str], *, has_any: bool) -> bool:
    """Return whether choices are model files, judging by their names or, without choices, by the input's name."""
    if any(name.lower().endswith(_MODEL_SUFFIXES) for name in names):
        return True
    return not has_any and ("model" in input_name or input_name.endswith("_name"))


@lru_cache(maxsize=1024)
def _closest(value: str, names: tuple[str, ...], budget: Budget | None) -> tuple[str, ...]:
    """Return the names most similar to one, best first; folders, case and suffixes make no difference."""
    return tuple(closest(value, names, budget=budget, most=_CLOSEST, cutoff=_SIMILARITY, key=_stem))


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/").lower()).stem
