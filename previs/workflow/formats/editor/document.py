"""Represent the parts of an editor's file after their form was checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MUTED = 2
BYPASSED = 4


@dataclass(frozen=True, slots=True)
class Socket:
    """Represent an input of a node, where a link may end.

    Attributes:
        type: Type of the link; ``*`` for any.
        link: Id of the link that ends here, if any.
        widget: Name of the widget that it replaces, if any.
    """

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Represent the origin of a link: a node's output."""

    origin: str
    slot: int


@dataclass(frozen=True, slots=True)
class EditorNode:
    """Represent a node as the editor shows it.

    Attributes:
        id: Unique within its graph.
        type: Node class, id of a subgraph, or one of the editor's own.
        title: Title that an artist gave it; empty if none.
        mode: ``MUTED``, ``BYPASSED``, or another value for nodes that run.
        sockets: In the editor's order.
        outputs: Types.
        values: Widget values in the editor's order.
        named_values: Widget values by name, if the file has names.
        promoted: Inner widgets that a subgraph's node shows, as (inner node's id or ``-1``, name).
        pack: Custom node pack that provides the class; empty if unknown.
        version: Version of ComfyUI that provides the class, unless it is a custom node's.
    """

    id: str
    type: str
    title: str = ""
    mode: int = 0
    sockets: tuple[Socket, ...] = ()
    outputs: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    named_values: Mapping[str, Any] | None = None
    promoted: tuple[tuple[str, str], ...] = ()
    pack: str = ""
    version: str | None = None

    @property
    def label(self) -> str:
        """Return the class, with the title if there is one."""
        return f'{self.type} "{self.title}"' if self.title else self.type


@dataclass(frozen=True, slots=True)
class SubgraphSocket:
    """Represent an input or output of a subgraph, with the ids of its links inside."""

    name: str
    type: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditorGraph:
    """Represent the file's graph, or a subgraph, whose inner links name its inputs by the id ``entrance``."""

    nodes: Mapping[str, EditorNode]
    links: Mapping[str, Link]
    entrance: str = "-10"
    inputs: tuple[SubgraphSocket, ...] = ()
    outputs: tuple[SubgraphSocket, ...] = ()
    sockets: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Count the inputs and outputs of the subgraph and its nodes, with their links."""
        own = sum(1 + len(each.links) for each in (*self.inputs, *self.outputs))
        object.__setattr__(self, "sockets", own + sum(len(node.sockets) for node in self.nodes.values()))


@dataclass(frozen=True, slots=True)
class Document:
    """Represent an editor's file; ``last_id`` is the last number that the editor gave to a node."""

    root: EditorGraph
    subgraphs: Mapping[str, EditorGraph] = field(default_factory=dict)
    last_id: int = 0
