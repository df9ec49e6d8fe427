"""Ways through a graph: from a node to all that it is made from."""

from collections.abc import Iterable

from previs.comfyui.protocol.graph import Graph, Node, is_link, links

OUTPUT_PREFIX = "filename_prefix"
"""The input by which nodes that save are known; all of ComfyUI's own and VideoHelperSuite's have it."""

NEVER_SAVE = frozenset({"PreviewImage", "MaskPreview", "PreviewAny", "PreviewAudio"})


def title_of(node: Node) -> str:
    """Give the title that an artist gave a node; empty if none."""
    title = node.get("_meta", {}).get("title", "")
    return title.strip() if isinstance(title, str) else ""


def place_of(graph: Graph, node_id: str) -> str:
    """Name a node as a person finds it: by its number, class and title."""
    node = graph[node_id]
    title = title_of(node)
    return f'node {node_id} ({node["class_type"]} "{title}")' if title else f"node {node_id} ({node['class_type']})"


def places_of(graph: Graph, node_ids: Iterable[str]) -> str:
    """Name several nodes, each once and in order."""
    return ", ".join(place_of(graph, node_id) for node_id in in_order(set(node_ids)))


def in_order(node_ids: Iterable[str]) -> list[str]:
    """Sort node ids as a person counts: 9 before 10, numbers before words.

    Nodes of a subgraph have ids in parts: ``57:8``.
    """
    return sorted(node_ids, key=lambda node_id: [_counted(part) for part in node_id.split(":")])


def _counted(part: str) -> tuple[bool, int, str]:
    return not part.isdecimal(), len(part) if part.isdecimal() else 0, part


def upstream(graph: Graph, node_ids: Iterable[str]) -> list[str]:
    """Give nodes and all that they are made from, each after its own sources; the graph may have any depth."""
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


def consumers(graph: Graph) -> dict[str, list[tuple[str, str, int]]]:
    """Give for each node where its outputs go, as (node id, input, output index)."""
    found: dict[str, list[tuple[str, str, int]]] = {node_id: [] for node_id in graph}
    for node_id, node in graph.items():
        for name, source, output in links(node):
            found[source].append((node_id, name, output))
    return found


def is_sampler(node: Node) -> bool:
    """Whether a node turns a prompt and a seed into a picture: any ``KSampler``, ``SamplerCustom`` or detailer.

    Known by its links, since custom nodes bring samplers of their own: a guider, or a prompt beside a seed.
    """
    inputs = node["inputs"]
    return is_link(inputs.get("guider")) or (
        is_link(inputs.get("positive")) and ("seed" in inputs or "noise_seed" in inputs)
    )


def samplers_of(graph: Graph, node_ids: Iterable[str]) -> list[str]:
    """Pick the samplers among nodes, in the nodes' order."""
    return [node_id for node_id in node_ids if is_sampler(graph[node_id])]


def outputs_of(graph: Graph) -> list[str]:
    """Give the nodes for whose sake a graph runs.

    They are those that save or show something; where none is known to, those that nothing else uses (a custom node may
    save under any name).
    """
    previews = [node_id for node_id, node in graph.items() if node["class_type"] in NEVER_SAVE]
    return [*saving(graph), *previews] or unused(graph)


def saving(graph: Graph) -> list[str]:
    """Give the nodes that are known to save: those with a prefix for the names of their files."""
    return [node_id for node_id, node in graph.items() if OUTPUT_PREFIX in node["inputs"]]


def unused(graph: Graph) -> list[str]:
    """Give the nodes whose outputs go nowhere."""
    return [node_id for node_id, uses in consumers(graph).items() if not uses]


def holds(value: object, kind: type) -> bool:
    """Return whether an input holds a value of a kind itself; ``float`` accepts whole numbers, nothing accepts ``True``."""
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
