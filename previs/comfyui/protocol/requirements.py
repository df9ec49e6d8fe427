"""Derive what a graph requires of a server: node classes, and models by their file names; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph


@dataclass(frozen=True, order=True, slots=True)
class Requirement:
    """Represent a required node class or, if ``input`` is set, a choice that the class must offer for that input."""

    class_type: str
    input: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.value!r} ({self.class_type}.{self.input})" if self.input else f"node class {self.class_type}"


def requirements_of(graph: Graph) -> frozenset[Requirement]:
    """Return every class of a graph and every text input; a text matters only if the server makes it a choice."""
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
    """Return the requirements that a server is known not to meet; ``classes`` has None for a class that it lacks.

    Requirements on classes that are not in ``classes`` are not returned.
    """
    return frozenset(each for each in requirements if each.class_type in classes and _lacks(each, classes))


def is_choice(requirement: Requirement, node_class: NodeClass | None) -> bool:
    """Return whether the input takes only choices that the server offers; uploaded files do not count, they change."""
    rule = node_class.inputs.get(requirement.input) if node_class else None
    return rule is not None and rule.choices is not None and not rule.uploaded


def _lacks(requirement: Requirement, classes: Mapping[str, NodeClass | None]) -> bool:
    node_class = classes[requirement.class_type]
    if node_class is None:
        return not requirement.input
    offered = node_class.inputs[requirement.input].choices if is_choice(requirement, node_class) else None
    return offered is not None and requirement.value not in offered
