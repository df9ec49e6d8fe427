"""Traverse graphs: from outputs upstream, and from a node to its consumers."""

from collections.abc import Iterable

from previs.comfyui.protocol.graph import Graph, Node, is_link, links
from previs.comfyui.protocol.wire import as_text
from previs.text.visible import shortened

OUTPUT_PREFIX = "filename_prefix"
"""Input that marks nodes that save; all of ComfyUI's own and VideoHelperSuite's have it."""

NEVER_SAVE = frozenset({"PreviewImage", "MaskPreview", "PreviewAny", "PreviewAudio"})


def title_of(node: Node) -> str:
    """Return a node's title; empty if the artist gave none."""
    return as_text(node.get("_meta", {}).get("title")).strip()


def place_of(graph: Graph, node_id: str) -> str:
    """Describe a node by its id, class and title."""
    node = graph[node_id]
    name, class_type, title = (shortened(text) for text in (node_id, str(node["class_type"]), title_of(node)))
    return f'node {name} ({class_type} "{title}")' if title else f"node {name} ({class_type})"


def places_of(graph: Graph, node_ids: Iterable[str]) -> str:
    """Describe several nodes, each once and in order."""
    return ", ".join(place_of(graph, node_id) for node_id in in_order(set(node_ids)))


def in_order(node_ids: Iterable[str]) -> list[str]:
    """Sort node ids by number, then words: 9 before 10."""
    return sorted(node_ids, key=node_order)


def node_order(node_id: str) -> list[tuple[bool, int, str]]:
    """Return the sort key of a node id; nodes of a subgraph have ids in parts: ``57:8``."""
    return [(not part.isdecimal(), len(part) if part.isdecimal() else 0, part) for part in node_id.split(":")]


def upstream(graph: Graph, node_ids: Iterable[str]) -> list[str]:
    """Return nodes and all that they depend on, each after its sources; the graph may have any depth."""
    done: list[str] = []
    entered: set[str] = set()
    pending = [(node_id, False) for node_id in reversed(list(node_ids))]
    while pending:
        node_id, sources_done = pending.pop()
        if sources_done:
            done.append(node_id)
        elif node_id not in entered:
            entered.add(node_id)
            pending.append((node_id, True))
            pending.extend((source, False) for _, source, _ in links(graph[node_id]))
    return done


def above_hand_ons(graph: Graph, node_id: str) -> str:
    """Return the first node, from one upstream, that does more than hand on its only input."""
    while len(inputs := graph[node_id]["inputs"]) == 1 and is_link(onward := next(iter(inputs.values()))):
        node_id = onward[0]
    return node_id


def consumers(graph: Graph) -> dict[str, list[tuple[str, str, int]]]:
    """Map each node to where its outputs go, as (node id, input, output index); leave out links to no node."""
    found: dict[str, list[tuple[str, str, int]]] = {node_id: [] for node_id in graph}
    for node_id, node in graph.items():
        for name, source, output in links(node):
            if source in found:
                found[source].append((node_id, name, output))
    return found


def is_sampler(node: Node) -> bool:
    """Return whether a node turns a prompt and a seed into a picture: any ``KSampler``, ``SamplerCustom`` or detailer.

    Custom nodes bring samplers of their own, so links decide: a guider, or a prompt beside a seed. rgthree's contexts
    hold both, but only hand them on.
    """
    inputs = node["inputs"]
    if str(node["class_type"]).startswith("Context"):
        return False
    return is_link(inputs.get("guider")) or (
        is_link(inputs.get("positive")) and ("seed" in inputs or "noise_seed" in inputs)
    )


def samplers_of(graph: Graph, node_ids: Iterable[str]) -> list[str]:
    """Return the samplers among nodes, in the nodes' order."""
    return [node_id for node_id in node_ids if is_sampler(graph[node_id])]


def outputs_of(graph: Graph) -> list[str]:
    """Return the nodes whose results a graph is run for.

    These are the nodes known to save or preview, or else those that no node uses: custom nodes may save in other ways.
    """
    previews = [node_id for node_id, node in graph.items() if node["class_type"] in NEVER_SAVE]
    return [*saving(graph), *previews] or unused(graph)


def saving(graph: Graph) -> list[str]:
    """Return the nodes known to save: those with a file name prefix."""
    return [node_id for node_id, node in graph.items() if OUTPUT_PREFIX in node["inputs"]]


def unused(graph: Graph) -> list[str]:
    """Return the nodes whose outputs no node uses."""
    return [node_id for node_id, uses in consumers(graph).items() if not uses]


def holds(value: object, kind: type) -> bool:
    """Return whether a value is of a type; a whole number is also a ``float``, ``True`` is no number."""
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
