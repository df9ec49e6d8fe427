"""Find inputs by the addresses that people write: ``6.text`` or ``Title of a node.text``."""

from collections.abc import Iterable, Iterator
from functools import cached_property

from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import format_value
from previs.text.similar import Budget, closest
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import place_of, places_of, title_of

_CLOSEST = 3
_LONGEST = 1_000
_REMEMBERED = 10_000


class AddressError(Exception):
    """Report an address of no input, or of several; the text suggests what to write instead."""


def address_of(slot: Slot) -> str:
    """Return an input's address."""
    return f"{slot[0]}.{slot[1]}"


class AddressFinder:
    """Find the inputs of one graph by their addresses; all its suggestions share a budget.

    Args:
        graph: The graph, whose nodes, inputs and titles must not change afterwards.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._budget = Budget()
        self._found: dict[str, Slot | str] = {}

    def find(self, address: str) -> Slot:
        """Return the input at an address, by node id or else by title.

        Titles and inputs may contain dots; every way to split the address is tried.

        Raises:
            AddressError: The node or input does not exist, or several nodes have the title.
        """
        if len(address) > _LONGEST:
            msg = f"an address has at most {_LONGEST:,} characters"
            raise AddressError(msg)
        if address not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[address] = self._find(address, list(_splits(address)))
        found = self._found[address]
        if isinstance(found, str):
            raise AddressError(found)
        return found

    def _find(self, address: str, splits: list[tuple[str, str]]) -> Slot | str:
        """Return the input, or what to write instead."""
        graph = self.graph
        for node_id, name in splits:
            if node_id in graph and name in graph[node_id]["inputs"]:
                return node_id, name
        named = ((node_id, name) for title, name in splits for node_id in self._by_title.get(title, ()))
        titled = [(node_id, name) for node_id, name in named if name in graph[node_id]["inputs"]]
        if len(titled) == 1:
            return titled[0]
        if titled:
            places = places_of(graph, (node_id for node_id, _ in titled))
            written = " or ".join(f'"{address_of(slot)}"' for slot in titled[:_CLOSEST])
            return f"several nodes have this title, {places}: use the id instead, {written}"
        return self._unknown(address, splits)

    @cached_property
    def _by_title(self) -> dict[str, list[str]]:
        """Return the nodes with each title, in the graph's order."""
        nodes: dict[str, list[str]] = {}
        for node_id, node in self.graph.items():
            if title := title_of(node):
                nodes.setdefault(title, []).append(node_id)
        return nodes

    def _unknown(self, address: str, splits: list[tuple[str, str]]) -> str:
        graph = self.graph
        if not splits:
            known = self._node_named(address.strip())
            example = f"{address.strip()}.{next(iter(graph[known]['inputs']), 'text')}" if known else "6.text"
            return f'write an address as a node\'s id or title, a dot and an input: "{example}"'
        for name, wanted in splits:
            if node := self._node_named(name):
                inputs = list(graph[node]["inputs"])
                if not inputs:
                    return f"{place_of(graph, node)} has no inputs"
                close = self._close(wanted, inputs) or inputs[:_CLOSEST]
                return f"{place_of(graph, node)} has no such input: {_did_you_mean(f'{node}.{each}' for each in close)}"
        name, wanted = splits[0]
        named = {title: graph[first] for title, (first, *_) in self._by_title.items()} | graph
        names = [*graph, *self._by_title]
        candidates = [each for each in names if wanted in named[each]["inputs"]] or names
        close = self._close(name, candidates) or candidates[:_CLOSEST]
        examples = [self._example(each, list(named[each]["inputs"]), wanted) for each in close]
        return f"no node has this id or title: {_did_you_mean(examples)}"

    def _node_named(self, name: str) -> str | None:
        return name if name in self.graph else next(iter(self._by_title.get(name, ())), None)

    def _example(self, name: str, inputs: list[str], wanted: str) -> str:
        close = wanted if wanted in inputs else next(iter(self._close(wanted, inputs) or inputs), wanted)
        return f"{name}.{close}"

    def _close(self, name: str, names: Iterable[str]) -> list[str]:
        return closest(name, names, budget=self._budget, most=_CLOSEST, cutoff=0.4)


def _splits(address: str) -> Iterator[tuple[str, str]]:
    """Split an address at each dot, the last first, with blanks and without."""
    position = address.rfind(".")
    while position != -1:
        name, wanted = address[:position], address[position + 1 :]
        yield from dict.fromkeys(((name, wanted), (name.strip(), wanted.strip())))
        position = address.rfind(".", 0, position)


def _did_you_mean(addresses: Iterable[str]) -> str:
    written = [format_value(each) for each in addresses]
    return f"did you mean {' or '.join(written)}?"
