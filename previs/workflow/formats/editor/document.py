"""The parts of an editor's file, once their form is checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MUTED = 2
BYPASSED = 4


@dataclass(frozen=True, slots=True)
class Socket:
    """A place of a node where a link may end.

    Attributes:
        type: of the link; ``*`` for any.
        link: the id of the link that ends here, if any.
        widget: the name of the field that it stands for, if any.
    """

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link, as seen from where it ends."""

    origin: str
    slot: int
    target: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class EditorNode:
    """A node as the editor shows it.

    Attributes:
        id: within its graph.
        type: a node class, the id of a subgraph, or one of the editor's own.
        title: that an artist gave it; empty if none.
        mode: ``MUTED``, ``BYPASSED`` or another, which all run.
        sockets: in the editor's order.
        outputs: types.
        values: of its fields: in the editor's order, or by name.
        promoted: for a subgraph's node, which inner fields it shows: (inner node's id or ``-1``, name).
        pack: the custom node pack that its class comes with, as the file tells it; empty if it does not.
        version: of ComfyUI that its class comes with, if it is no custom node's.
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
        """Its class, and its title where it has one."""
        return f'{self.type} "{self.title}"' if self.title else self.type


@dataclass(frozen=True, slots=True)
class SubgraphSocket:
    """An input or output of a subgraph, with the ids of the links inside that it has."""

    name: str
    type: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditorGraph:
    """The file's graph, or one of its subgraphs.

    Attributes:
        entrance: the id by which links inside a subgraph name its inputs.
        exit: the id by which they name its outputs.
    """

    nodes: Mapping[str, EditorNode]
    links: Mapping[str, Link]
    entrance: str = "-10"
    exit: str = "-20"
    inputs: tuple[SubgraphSocket, ...] = ()
    outputs: tuple[SubgraphSocket, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """An editor's file."""

    root: EditorGraph
    subgraphs: Mapping[str, EditorGraph] = field(default_factory=dict)
