"""Subgraphs unfolded: every instance of a graph is a level of its own, below the node that stands for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from previs.errors import Fault
from previs.workflow.formats.editor.document import BYPASSED, MUTED, Document, EditorGraph, EditorNode, Socket
from previs.workflow.formats.editor.virtual_nodes import VIRTUAL

_DEEPEST = 32
_MOST_NODES = 20_000
_TOO_MANY = f"with its subgraphs the file has more than {_MOST_NODES} nodes, as nobody's graph has: give another file"


@dataclass(slots=True, eq=False)
class Level:
    """The file's graph, or one instance of a subgraph.

    Attributes:
        prefix: of its nodes' ids in the whole graph: ``57:`` below node 57.
        runs: whether the node that stands for it is neither muted nor bypassed.
        host: the node that stands for it one level up, and that level.
        inner: the levels below, by the ids of the nodes that stand for them.
    """

    graph: EditorGraph
    prefix: str = ""
    runs: bool = True
    host: tuple["Level", EditorNode] | None = None
    inner: dict[str, "Level"] = field(default_factory=dict)
    _sockets: dict[str, tuple[Socket, ...]] = field(default_factory=dict)

    def place(self, node: EditorNode) -> str:
        """Name a node as a person finds it."""
        return f"node {self.prefix}{node.id} ({node.label})"

    def sockets(self, node: EditorNode) -> tuple[Socket, ...]:
        """Give a node's sockets; those of a subgraph's node are the subgraph's inputs, not all of which are saved."""
        below = self.inner.get(node.id)
        if below is None:
            return node.sockets
        if node.id not in self._sockets:
            saved: dict[str, list[Socket]] = {}
            for socket in node.sockets:
                saved.setdefault(socket.name, []).append(socket)
            self._sockets[node.id] = tuple(
                saved[entry.name].pop(0) if saved.get(entry.name) else Socket(entry.name, entry.type)
                for entry in below.graph.inputs
            )
        return self._sockets[node.id]

    def outputs(self, node: EditorNode) -> tuple[str, ...]:
        """Give the types of a node's outputs."""
        below = self.inner.get(node.id)
        return node.outputs if below is None else tuple(output.type for output in below.graph.outputs)

    def running(self) -> Iterator[tuple["Level", EditorNode]]:
        """Give all nodes, here and below, that a server would run."""
        if not self.runs:
            return
        for node in self.graph.nodes.values():
            if node.id in self.inner:
                yield from self.inner[node.id].running()
            elif node.mode not in (MUTED, BYPASSED) and node.type not in VIRTUAL:
                yield self, node


def unfold(document: Document, faults: list[Fault]) -> Level:
    """Unfold a file's subgraphs; one within itself, or too many, go to the faults and stay folded."""
    top = Level(document.root)
    if len(document.root.nodes) > _MOST_NODES:
        faults.append(Fault("the file", "nodes", f"{len(document.root.nodes)} nodes", _TOO_MANY))
        return top
    return _Unfolding(document, faults).level(top, ())


@dataclass(slots=True)
class _Unfolding:
    document: Document
    faults: list[Fault]
    nodes: int = 0

    def level(self, level: Level, around: tuple[str, ...]) -> Level:
        self.nodes += len(level.graph.nodes)
        for node in level.graph.nodes.values():
            graph = self.document.subgraphs.get(node.type)
            if graph is None or self._too_many(level, node, around):
                continue
            runs = node.mode not in (MUTED, BYPASSED)
            below = Level(graph, f"{level.prefix}{node.id}:", runs, (level, node))
            level.inner[node.id] = self.level(below, (*around, node.type))
        return level

    def _too_many(self, level: Level, node: EditorNode, around: tuple[str, ...]) -> bool:
        if node.type in around:
            remedy = "this subgraph is within itself, which never ends: take it out there"
        elif len(around) == _DEEPEST:
            remedy = f"subgraphs lie more than {_DEEPEST} deep: unpack some in ComfyUI"
        elif self.nodes > _MOST_NODES:
            remedy = _TOO_MANY
        else:
            return False
        if not any(fault.remedy == remedy for fault in self.faults):
            self.faults.append(Fault(level.place(node), "", "", remedy))
        return True
