"""Read the sizes that a node offers as choices: ``1280x720``, ``16:9`` beside ``720p``, or ``Custom``."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from previs.comfyui.protocol.classes import COMBO, InputRule
from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.limits import SIZE_STEP
from previs.workflow.binding.link_types import Wiring

_PIXELS = re.compile(r"(?<!\d)(\d{3,5})\s*[xX×:]\s*(\d{3,5})(?!\d)")
_RATIO = re.compile(r"(\d{1,2}(?:\.\d+)?):(\d{1,2}(?:\.\d+)?)")
_LINES = re.compile(r"(\d{3,4})p", re.IGNORECASE)
_UHD = 2160  # Makers of video call it 4k.
_CUSTOM = re.compile(r"custom|width\s*x\s*height|自定义", re.IGNORECASE)
_PAIRS = (("width", "height"), ("custom_width", "custom_height"), ("empty_latent_width", "empty_latent_height"))
_RATIOS = frozenset({"ratio", "aspect_ratio"})
_WIDE = (Fraction(16, 9), Fraction(9, 16))
_REST = "is set, and the node chooses the pixels"


@dataclass(frozen=True, slots=True)
class SizeChoice:
    """Hold what sets one size.

    Attributes:
        values: Values to set, by input.
        pixels: Width and height, if the choice names them.
        lines: Pixels of the shorter side, ``720p``; 0 if the choice says nothing of them.
        ratio: Width by height; 0 if the choice says nothing of it.
    """

    values: Mapping[Slot, Any]
    pixels: tuple[int, int] | None = None
    lines: int = 0
    ratio: Fraction = Fraction(0)

    def fits(self, width: int, height: int) -> bool:
        """Return whether this choice gives a size in pixels, as far as it says."""
        if self.pixels:
            return (width, height) == self.pixels
        short, long = sorted((width, height))
        same_shape = not self.ratio or (
            (width >= height) == (self.ratio >= 1) and abs(short * max(self.ratio, 1 / self.ratio) - long) <= SIZE_STEP
        )
        return same_shape and self.lines in (0, short)

    @property
    def exact(self) -> bool:
        """Return whether the choice decides the pixels; makers agree on those of 16:9 only."""
        return self.pixels is not None or (self.lines > 0 and self.lines % 9 == 0 and self.ratio in _WIDE)

    def __str__(self) -> str:
        """Return the choice as a person reads it: ``1280x720``, ``720p 16:9``."""
        if self.pixels:
            return f"{self.pixels[0]}x{self.pixels[1]}"
        return " ".join(str(value) for value in self.values.values())


@dataclass(frozen=True, slots=True)
class CustomSize:
    """Hold the inputs that take any size within bounds, and the choice that makes the node read them."""

    width: Slot
    height: Slot
    rules: tuple[InputRule, InputRule]
    values: Mapping[Slot, Any]

    def fits(self, width: int, height: int) -> bool:
        """Return whether a size in pixels is within the bounds."""
        return all(_takes(rule, value) for rule, value in zip(self.rules, (width, height), strict=True))

    def __str__(self) -> str:
        """Return the bounds as a person reads them."""
        steps = self.rules[0].step or 1
        bounds = (f"{_plain(rule.minimum)} to {_plain(rule.maximum)}" for rule in self.rules)
        return " by ".join(bounds) + (f" in steps of {_plain(steps)}" if steps > 1 else "")


@dataclass(frozen=True, slots=True)
class SizeChoices:
    """Hold the sizes that a node offers.

    Attributes:
        inputs: Names of the inputs that set the size.
        free_ratio: Input that takes any proportions as text, ``16:9``.
    """

    node_id: str
    inputs: tuple[str, ...]
    choices: tuple[SizeChoice, ...] = ()
    custom: CustomSize | None = None
    free_ratio: Slot | None = None

    def values_for(self, width: int, height: int) -> tuple[Mapping[Slot, Any], str] | None:
        """Return the values that set a size in pixels, and what they leave to the node; None if it is not offered."""
        if found := next((each for each in self.choices if each.fits(width, height)), None):
            return found.values, "" if found.exact else f"{found} {_REST}"
        if self.custom is not None and self.custom.fits(width, height):
            size = {self.custom.width: width, self.custom.height: height}
            return {**self.custom.values, **size}, ""
        if self.free_ratio is None:
            return None
        ratio = Fraction(width, height)
        text = f"{ratio.numerator}:{ratio.denominator}"
        return {self.free_ratio: text}, f"{text} {_REST}"

    def described(self) -> str:
        """Return the sizes that the node offers."""
        by_input: dict[Slot, dict[str, None]] = {}
        for each in self.choices:
            for slot, value in each.values.items():
                by_input.setdefault(slot, {})[str(each) if each.pixels else str(value)] = None
        listed = " with ".join(", ".join(names) for names in by_input.values())
        return " or ".join(part for part in (listed, str(self.custom) if self.custom else "") if part)


def find_size_choices(wiring: Wiring, node_id: str) -> SizeChoices | None:
    """Return the sizes that a node offers as choices; None if it offers none."""
    known = wiring.class_of(node_id)
    if known is None:
        return None
    inputs = wiring.graph[node_id]["inputs"]
    rules = {name: rule for name, rule in known.rules(inputs).items() if not is_link(inputs.get(name))}
    free = [name for name, rule in rules.items() if rule.type == "STRING" and _last(name) in _RATIOS and name in inputs]
    sized = [(node_id, name) for name, rule in rules.items() if any(_pixels(each) for each in _texts(rule))]
    choices = [*_by_pixels(rules, sized), *([] if sized else _by_proportions(rules, node_id))]
    custom = _custom(rules, node_id)
    if not choices and custom is None and not free:
        return None
    given = [*(slot for each in choices for slot in each.values), *(custom.values if custom else ())]
    names = [*(name for _, name in given), *([custom.width[1], custom.height[1]] if custom else []), *free]
    free_ratio = (node_id, free[0]) if free else None
    return SizeChoices(node_id, tuple(dict.fromkeys(names)), tuple(choices), custom, free_ratio)


def _by_pixels(rules: Mapping[str, InputRule], sized: Iterable[Slot]) -> Iterator[SizeChoice]:
    for slot in sized:
        for each in _texts(rules[slot[1]]):
            if (size := _pixels(each)) is not None:
                yield SizeChoice({slot: each}, pixels=size)


def _by_proportions(rules: Mapping[str, InputRule], node_id: str) -> Iterator[SizeChoice]:
    """Combine each number of lines with each ratio; a node may have only one of the two."""
    ratios = [(name, each) for name, rule in rules.items() for each in _texts(rule) if _ratio(each)]
    lines = [
        (name, each)
        for name, rule in rules.items()
        if not _last(name).startswith("max_")
        for each in _resolutions(rule)
    ]
    for (by_lines, resolution), (by_ratio, ratio) in product(lines or [("", "")], ratios or [("", "")]):
        values = {(node_id, name): each for name, each in ((by_lines, resolution), (by_ratio, ratio)) if name}
        if values:
            yield SizeChoice(values, lines=_lines(resolution), ratio=_ratio(ratio))


def _custom(rules: Mapping[str, InputRule], node_id: str) -> CustomSize | None:
    """Return the inputs of any size that a choice such as ``Custom`` opens, among them those of a dynamic combo."""
    for name, rule in rules.items():
        chosen = next((each for each in rule.values or () if _CUSTOM.search(str(each))), None)
        if chosen is None:
            continue
        inner = {each.name: each for each in rule.option_inputs(chosen)}
        for pair in _PAIRS:
            for prefix, among in ((f"{name}.", inner), (name.removesuffix(_last(name)), rules)):
                width, height = (f"{prefix}{each}" for each in pair)
                if width in among and height in among:
                    bounds = among[width], among[height]
                    return CustomSize((node_id, width), (node_id, height), bounds, {(node_id, name): chosen})
    return None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _texts(rule: InputRule) -> list[str]:
    return [each for each in rule.choices or () if isinstance(each, str)] if rule.type == COMBO else []


def _pixels(choice: str) -> tuple[int, int] | None:
    found = _PIXELS.search(choice)
    return (int(found[1]), int(found[2])) if found else None


def _ratio(choice: str) -> Fraction:
    found = _RATIO.fullmatch(choice)
    return Fraction(found[1]) / Fraction(found[2]) if found and Fraction(found[2]) else Fraction(0)


def _resolutions(rule: InputRule) -> list[str]:
    """Return the choices that name a number of lines, if the input is a choice of them and no upper bound."""
    texts = [] if _last(rule.name).startswith("max_") else _texts(rule)
    return [each for each in texts if _lines(each)] if any(_LINES.fullmatch(each) for each in texts) else []


def _lines(choice: str) -> int:
    found = _LINES.fullmatch(choice)
    return int(found[1]) if found else _UHD if choice.lower() == "4k" else 0


def _takes(rule: InputRule, value: int) -> bool:
    least, most, step = rule.minimum or 0, rule.maximum, rule.step or 1
    return least <= value and (most is None or value <= most) and (value - least) % step == 0


def _plain(number: float | None) -> str:
    return "any" if number is None else f"{number:g}"
