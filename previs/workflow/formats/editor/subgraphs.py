"""Expand subgraphs: each use of a subgraph becomes an instance below the node that stands for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from previs.errors import Fault
from previs.workflow.formats.editor.document import BYPASSED, MUTED, Document, EditorGraph, EditorNode, Socket
from previs.workflow.formats.editor.virtual_nodes import VIRTUAL

_DEEPEST = 32
_MOST_NODES = 20_000
_TOO_MANY = f"with its subgraphs the file has more than {_MOST_NODES} nodes, the most allowed: give another file"

_MOST_SOCKETS = 500_000
_TOO_MANY_SOCKETS = f"the subgraphs have more than {_MOST_SOCKETS:,} inputs and outputs in sum: give another file"


@dataclass(slots=True, eq=False)
class GraphInstance:
    """Represent the file's graph, or one instance of a subgraph.

    Attributes:
        prefix: Prefix of node ids in the whole graph: ``57:`` below node 57.
        runs: Whether the node that stands for it is neither muted nor bypassed.
        host: The node that stands for it, with the instance that contains this node.
        inner: Instances below, by the ids of the nodes that stand for them.
    """

    graph: EditorGraph
    prefix: str = ""
    runs: bool = True
    host: tuple["GraphInstance", EditorNode] | None = None
    inner: dict[str, "GraphInstance"] = field(default_factory=dict)
    _sockets: dict[str, tuple[Socket, ...]] = field(default_factory=dict)

    def full_id(self, node: EditorNode) -> str:
        """Return a node's id in the whole graph."""
        return self.prefix + node.id

    def place(self, node: EditorNode) -> str:
        """Describe a node for faults."""
        return f"node {self.full_id(node)} ({node.label})"

    def sockets(self, node: EditorNode) -> tuple[Socket, ...]:
        """Return a node's sockets; for a subgraph's node, all inputs of the subgraph, which files save only in part."""
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
        """Return the types of a node's outputs."""
        below = self.inner.get(node.id)
        return node.outputs if below is None else tuple(output.type for output in below.graph.outputs)

    def running(self) -> Iterator[tuple["GraphInstance", EditorNode]]:
        """Yield all nodes, here and below, that a server would run."""
        if not self.runs:
            return
        for node in self.graph.nodes.values():
            if node.id in self.inner:
                yield from self.inner[node.id].running()
            elif node.mode not in (MUTED, BYPASSED) and node.type not in VIRTUAL:
                yield self, node


def expand(document: Document, faults: list[Fault]) -> GraphInstance:
    """Expand a file's subgraphs; report and skip recursive or excessive ones."""
    top = GraphInstance(document.root)
    if len(document.root.nodes) > _MOST_NODES:
        faults.append(Fault("the file", "nodes", f"{len(document.root.nodes)} nodes", _TOO_MANY))
        return top
    return _Expansion(document, faults).instance(top, ())


@dataclass(slots=True)
class _Expansion:
    document: Document
    faults: list[Fault]
    nodes: int = 0
    sockets: int = 0
    reported: set[str] = field(default_factory=set)

    def instance(self, instance: GraphInstance, enclosing: tuple[str, ...]) -> GraphInstance:
        self.nodes += len(instance.graph.nodes)
        self.sockets += instance.graph.sockets
        for node in instance.graph.nodes.values():
            graph = self.document.subgraphs.get(node.type)
            if graph is None or self._too_many(instance, node, enclosing):
                continue
            runs = node.mode not in (MUTED, BYPASSED)
            below = GraphInstance(graph, f"{instance.prefix}{node.id}:", runs, (instance, node))
            instance.inner[node.id] = self.instance(below, (*enclosing, node.type))
        return instance

    def _too_many(self, instance: GraphInstance, node: EditorNode, enclosing: tuple[str, ...]) -> bool:
        if node.type in enclosing:
            remedy = "this subgraph contains itself: remove it there"
        elif len(enclosing) == _DEEPEST:
            remedy = f"subgraphs are nested more than {_DEEPEST} deep: unpack some in ComfyUI"
        elif self.nodes > _MOST_NODES:
            remedy = _TOO_MANY
        elif self.sockets > _MOST_SOCKETS:
            remedy = _TOO_MANY_SOCKETS
        else:
            return False
        if remedy not in self.reported:
            self.reported.add(remedy)
            self.faults.append(Fault(instance.place(node), "", "", remedy))
        return True
