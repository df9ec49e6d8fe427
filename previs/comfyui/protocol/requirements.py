"""What a graph needs of a server: node classes, and models by their file names; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph


@dataclass(frozen=True, order=True, slots=True)
class Requirement:
    """A node class, or with an input: a text that the class must offer as a choice for it."""

    class_type: str
    input: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.value!r} ({self.class_type}.{self.input})" if self.input else f"node class {self.class_type}"


def needs_of(graph: Graph) -> frozenset[Requirement]:
    """Every class of a graph, and every text input, which is a need only where the server makes it a choice."""
    requirements = set[Requirement]()
    for node in graph.values():
        requirements.add(Requirement(node["class_type"]))
        requirements |= {
            Requirement(node["class_type"], name, value)
            for name, value in node["inputs"].items()
            if isinstance(value, str)
        }
    return frozenset(requirements)


def lacking(requirements: Collection[Requirement], classes: Mapping[str, NodeClass | None]) -> frozenset[Requirement]:
    """Those that a server does not have.

    Args:
        requirements: of a graph.
        classes: of the server; none for a class that it does not know. Of classes that are not in here nothing is
            known, and nothing is lacking.
    """
    return frozenset(
        need for need in requirements if need.class_type in classes and _lacks(need, classes[need.class_type])
    )


def is_choice(need: Requirement, known: NodeClass | None) -> bool:
    """Whether a need's input takes nothing but what a server has; uploaded files change, and are no such choice."""
    rule = known.inputs.get(need.input) if known else None
    return rule is not None and rule.choices is not None and not rule.uploaded


def _lacks(need: Requirement, known: NodeClass | None) -> bool:
    if known is None:
        return not need.input
    return is_choice(need, known) and need.value not in (known.inputs[need.input].choices or ())
