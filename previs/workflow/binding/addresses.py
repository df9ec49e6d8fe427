"""Find inputs by the addresses that people write: ``6.text`` or ``Title of a node.text``."""

import difflib
from collections.abc import Iterable, Iterator

from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import format_value
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import place_of, places_of, title_of

_CLOSEST = 3
_LONGEST = 1_000


class AddressError(Exception):
    """Report an address of no input, or of several; the text suggests what to write instead."""


def address_of(slot: Slot) -> str:
    """Return an input's address."""
    return f"{slot[0]}.{slot[1]}"


def find_slot(graph: Graph, address: str) -> Slot:
    """Return the input at an address, by node id or else by title.

    Titles and inputs may contain dots; every way to split the address is tried.

    Raises:
        AddressError: The node or input does not exist, or several nodes have the title.
    """
    if len(address) > _LONGEST:
        msg = f"an address has at most {_LONGEST:,} characters"
        raise AddressError(msg)
    splits = list(_splits(address))
    for node_id, name in splits:
        if node_id in graph and name in graph[node_id]["inputs"]:
            return node_id, name
    titled = [
        (node_id, name)
        for title, name in splits
        for node_id, node in graph.items()
        if title and title_of(node) == title and name in node["inputs"]
    ]
    if len(titled) == 1:
        return titled[0]
    if titled:
        places = places_of(graph, (node_id for node_id, _ in titled))
        written = " or ".join(f'"{address_of(slot)}"' for slot in titled[:_CLOSEST])
        raise AddressError(f"several nodes have this title, {places}: use the id instead, {written}")
    raise AddressError(_unknown(graph, address, splits))


def _splits(address: str) -> Iterator[tuple[str, str]]:
    """Split an address at each dot, the last first, with blanks and without."""
    position = address.rfind(".")
    while position != -1:
        name, wanted = address[:position], address[position + 1 :]
        yield from dict.fromkeys(((name, wanted), (name.strip(), wanted.strip())))
        position = address.rfind(".", 0, position)


def _unknown(graph: Graph, address: str, splits: list[tuple[str, str]]) -> str:
    if not splits:
        node = _node_named(graph, address.strip())
        example = f"{address.strip()}.{next(iter(graph[node]['inputs']), 'text')}" if node else "6.text"
        return f'write an address as a node\'s id or title, a dot and an input: "{example}"'
    for name, wanted in splits:
        if node := _node_named(graph, name):
            inputs = list(graph[node]["inputs"])
            if not inputs:
                return f"{place_of(graph, node)} has no inputs"
            closest = _close(wanted, inputs) or inputs[:_CLOSEST]
            return f"{place_of(graph, node)} has no such input: {_did_you_mean(f'{node}.{each}' for each in closest)}"
    name, wanted = splits[0]
    named = {title: node for node in reversed(graph.values()) if (title := title_of(node))} | graph
    names = [*graph, *(title for node in graph.values() if (title := title_of(node)))]
    candidates = [each for each in names if wanted in named[each]["inputs"]] or names
    closest = _close(name, candidates) or candidates[:_CLOSEST]
    return f"no node has this id or title: {_did_you_mean(_example(graph, each, wanted) for each in closest)}"


def _node_named(graph: Graph, name: str) -> str | None:
    if name in graph:
        return name
    return next((node_id for node_id, node in graph.items() if name and title_of(node) == name), None)


def _example(graph: Graph, name: str, wanted: str) -> str:
    node_id = _node_named(graph, name) or name
    inputs = list(graph[node_id]["inputs"])
    closest = wanted if wanted in inputs else next(iter(_close(wanted, inputs) or inputs), wanted)
    return f"{name}.{closest}"


def _close(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(dict.fromkeys(names)), n=_CLOSEST, cutoff=0.4)


def _did_you_mean(addresses: Iterable[str]) -> str:
    written = [format_value(each) for each in addresses]
    return f"did you mean {' or '.join(written)}?"
