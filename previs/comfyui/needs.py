"""What a graph needs of a server: node classes, and models by their file names; pure.

From ``object_info``: the rules of a choice are ``[[choices], {…}]``, or ``["COMBO", {"options": [choices], …}]`` in
newer nodes.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from previs.comfyui.graph import Graph

_SECTIONS = ("required", "optional")
# Choices that name files of the input folder change with every upload.
_UPLOADED = ("image_upload", "video_upload", "audio_upload", "file_upload")


@dataclass(frozen=True, order=True, slots=True)
class Need:
    """A node class, or with an input: a text that the class must offer as a choice for it."""

    class_type: str
    input: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.value!r} ({self.class_type}.{self.input})" if self.input else f"node class {self.class_type}"


def needs_of(graph: Graph) -> frozenset[Need]:
    """Every class of a graph, and every text input, which is a need only where the server makes it a choice."""
    needs = set[Need]()
    for node in graph.values():
        needs.add(Need(node["class_type"]))
        needs |= {
            Need(node["class_type"], name, value) for name, value in node["inputs"].items() if isinstance(value, str)
        }
    return frozenset(needs)


def lacking(needs: Collection[Need], rules: Mapping[str, Mapping[str, Any] | None]) -> frozenset[Need]:
    """Those that a server does not have.

    Args:
        needs: of a graph.
        rules: by class as ``/object_info/{class}`` tells them; none for a class that the server does not know. Of
            classes that are not in here nothing is known, and nothing is lacking.
    """
    return frozenset(need for need in needs if need.class_type in rules and _lacks(need, rules[need.class_type]))


def is_choice(need: Need, rules: Mapping[str, Any] | None) -> bool:
    """Whether a need's input takes nothing but what a server has, by the rules of its class."""
    return rules is not None and any(True for _ in _choices(need.input, rules))


def _lacks(need: Need, rules: Mapping[str, Any] | None) -> bool:
    if rules is None:
        return not need.input
    return bool(need.input) and any(need.value not in choices for choices in _choices(need.input, rules))


def _choices(name: str, rules: Mapping[str, Any]) -> Iterator[Collection[object]]:
    """The choices of an input, if it is one of a fixed list."""
    inputs = rules.get("input")
    for section in _SECTIONS:
        of_section = inputs.get(section) if isinstance(inputs, Mapping) else None
        rule = of_section.get(name) if isinstance(of_section, Mapping) else None
        if not isinstance(rule, list) or not rule:
            continue
        settings = rule[1] if len(rule) > 1 and isinstance(rule[1], Mapping) else {}
        # Other kinds have options too: those of COMFY_DYNAMICCOMBO_V3 are objects with a key and inputs of their own.
        choices = settings.get("options") if rule[0] == "COMBO" else rule[0]
        if isinstance(choices, list) and not any(settings.get(kind) for kind in _UPLOADED):
            yield choices
