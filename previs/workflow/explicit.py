"""The bindings file: what an artist writes beside a graph to say which input takes what of a shot.

It wins over titles and links::

    schema: previs.bindings/1
    prompt: "6.text"
    seed: ["3.seed", "12.noise_seed"]
    negative: []
    references:
      hero: "10.image"
      style: "Moodboard.image"

A value is an address or a list of addresses; an empty list says that there is no place, on purpose.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from previs.comfyui.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.workflow.addresses import NoAddressError, address_of, find_slot
from previs.workflow.bindings import Binding, Slot
from previs.workflow.limits import shown
from previs.workflow.walk import place_of

SCHEMA = "previs.bindings/1"
RULE = "bindings file"
SUFFIX = ".bindings.yaml"

# What the file's keys mean, by what people write.
KEYS = {
    "prompt": "prompt",
    "negative": "negative_prompt",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
    "width": "width",
    "height": "height",
    "length": "length",
    "frame_rate": "frame_rate",
    "batch_size": "batch_size",
    "checkpoint": "checkpoint",
}
REFERENCES = "references"
STRENGTHS = "strengths"

_ALL_KEYS = ("schema", *KEYS, REFERENCES, STRENGTHS)
_LARGEST = 1_000_000
_FACTOR = re.compile(r"(?P<address>.*\S)\s+\*\s+(?P<factor>[0-9]+(\.[0-9]+)?)", re.DOTALL)
_SIZES = frozenset({"width", "height"})

Addresses = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explicit:
    """What a bindings file says; its addresses are looked up in a graph when that is read.

    Attributes:
        source: the file's name.
        addresses: by what they are to take; none of them where nothing is to be set, on purpose.
        references: likewise, by the id or role of a reference.
        strengths: likewise.
    """

    source: str
    addresses: Mapping[str, Addresses] = field(default_factory=dict)
    references: Mapping[str, Addresses] = field(default_factory=dict)
    strengths: Mapping[str, Addresses] = field(default_factory=dict)


def bindings_name(graph_path: str) -> str:
    """Name the bindings file that lies beside a graph: ``storyboard.json`` has ``storyboard.bindings.yaml``."""
    folder, slash, name = graph_path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name) + SUFFIX


def read_bindings(source: bytes | Mapping[str, Any], *, name: str) -> Explicit:
    """Read a bindings file.

    Args:
        source: the bytes of a YAML or JSON file, or its content.
        name: for faults.

    Raises:
        WorkflowFaults: Everything that is wrong with it, as far as it can be told without the graph.
    """
    faults: list[Fault] = []
    content = _content(source, name) if isinstance(source, bytes) else source
    if not isinstance(content, Mapping):
        fault = Fault(
            "the bindings file", "", shown(content), f'write "schema: {SCHEMA}", then lines like prompt: "6.text"'
        )
        raise WorkflowFaults(name, (fault,))
    if content.get("schema") != SCHEMA:
        found = shown(content["schema"]) if "schema" in content else "missing"
        faults.append(Fault("the bindings file", "schema", found, f"the first line is to be schema: {SCHEMA}"))
    addresses: dict[str, Addresses] = {}
    for key, value in content.items():
        if key in KEYS:
            if KEYS[key] in addresses:
                faults.append(
                    Fault("the bindings file", key, "", "given twice, as negative and as negative_prompt: keep one")
                )
            addresses[KEYS[key]] = _addresses(key, value, faults)
        elif key not in _ALL_KEYS:
            faults.append(Fault("the bindings file", shown(key), "", _unknown_key(str(key))))
    references = _by_reference(REFERENCES, content.get(REFERENCES), faults)
    strengths = _by_reference(STRENGTHS, content.get(STRENGTHS), faults)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    return Explicit(name, addresses, references, strengths)


def _unknown_key(key: str) -> str:
    bare = key.casefold().replace(" ", "_").replace("-", "_")
    closest = difflib.get_close_matches(bare, _ALL_KEYS, n=1)
    return f"did you mean {closest[0]}?" if closest else f"no such key; there are {', '.join(_ALL_KEYS)}"


def _addresses(key: str, value: object, faults: list[Fault]) -> Addresses:
    listed = list(value) if isinstance(value, list | tuple) else [value]
    for each in listed:
        if not isinstance(each, str) or not each.strip():
            remedy = 'give an address, "6.text", a list of addresses, or [] for no place on purpose'
            faults.append(Fault("the bindings file", key, shown(each), remedy))
    return tuple(each for each in listed if isinstance(each, str))


def _by_reference(key: str, value: object, faults: list[Fault]) -> dict[str, Addresses]:
    if value is None or (isinstance(value, list) and not value):
        return {}
    if not isinstance(value, Mapping):
        remedy = f'give addresses by the id or role of a reference: {key}: {{hero: "10.image"}}'
        faults.append(Fault("the bindings file", key, shown(value), remedy))
        return {}
    return {str(name): _addresses(f"{key}, {name}", each, faults) for name, each in value.items()}


def _content(source: bytes, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Read YAML, in which every value stays the text that a person wrote."""
    try:
        if len(source) > _LARGEST:
            raise _refused(name, f"{len(source)} bytes", "no bindings file is so large: is this the right file?")
        text = source.decode("utf-8-sig")
        if aliased := next(
            (each for each in yaml.parse(text, Loader=yaml.SafeLoader) if isinstance(each, yaml.AliasEvent)), None
        ):
            raise _refused(name, f"line {aliased.start_mark.line + 1}", "write the value itself, without an alias")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _value(root, name)
    except UnicodeDecodeError as error:
        raise _refused(name, f"byte {error.start}", "not UTF-8: save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise _refused(name, place, "no YAML here: look at quotes, brackets and indentation") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused(name, "", "no YAML that a bindings file would hold: write it again") from error


def _refused(name: str, value: str, remedy: str) -> WorkflowFaults:
    return WorkflowFaults(name, (Fault("the bindings file", "", value, remedy),))


def _value(node: yaml.Node, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, name) for each in node.value]
    if not isinstance(node, yaml.MappingNode):
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)
    content: dict[str, Any] = {}
    for key, value in node.value:
        written = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        if not written or written in content:
            line = f"line {key.start_mark.line + 1}"
            raise _refused(
                name, line, "a key is a text, and each occurs once" if not written else "this key occurs twice"
            )
        content[written] = _value(value, name)
    return content


def explicit_slots(
    graph: Graph, explicit: Explicit, key: str, addresses: Addresses, kind: type, faults: list[Fault]
) -> Iterator[tuple[Slot, float]]:
    """Look up addresses in a graph.

    Args:
        graph: of sound form.
        explicit: for its name.
        key: of the file, for faults.
        addresses: to look up; a size may say by how much it grows along: ``"20.width * 1.5"``.
        kind: of the value that the input takes.
        faults: takes what leads nowhere, and inputs that hold no such value.

    Yields:
        Each input, and how much its value is of the shot's.
    """
    for address in addresses:
        plain, factor = _with_factor(address) if key in _SIZES else (address, 1.0)
        try:
            slot = find_slot(graph, plain)
        except NoAddressError as error:
            faults.append(Fault(explicit.source, key, shown(address), error.remedy))
            continue
        if fits(graph[slot[0]]["inputs"][slot[1]], kind):
            yield slot, factor
        else:
            remedy = f"{place_of(graph, slot[0])} does not hold {_KINDS[kind]} there: {shown(graph[slot[0]]['inputs'][slot[1]])}"
            faults.append(Fault(explicit.source, key, shown(address), remedy))


_KINDS = {str: "a text", int: "a whole number", float: "a number"}


def fits(value: object, kind: type) -> bool:
    """Whether an input takes a value of a kind: it holds one, or a link that a value may take the place of."""
    if isinstance(value, bool):
        return False
    return isinstance(value, list) or isinstance(value, (int, float) if kind is float else kind)


def _with_factor(address: str) -> tuple[str, float]:
    found = _FACTOR.fullmatch(address.strip())
    return (found["address"], float(found["factor"])) if found else (address, 1.0)


def bindings_text(bindings: Iterable[Binding], nowhere: Collection[str] = ()) -> str:
    """Write the bindings file that states bindings as they are.

    Args:
        bindings: of a graph.
        nowhere: what has no place on purpose.
    """
    lines = [f"schema: {SCHEMA}"]
    keys = {what: key for key, what in reversed(KEYS.items())}
    found = list(bindings)
    for what, key in keys.items():
        if addresses := [_written(each) for each in found if each.what == what]:
            lines.append(f"{key}: {_listed(addresses)}")
        elif what in nowhere:
            lines.append(f"{key}: []")
    unplaced = sorted(name.removeprefix("reference ") for name in nowhere if name.startswith("reference "))
    lines += _reference_lines(REFERENCES, [each for each in found if each.what == "reference"], unplaced)
    kept = [each for each in found if each.what == "strength" and each.rule == RULE]
    lines += _reference_lines(STRENGTHS, kept)
    return "\n".join(lines) + "\n"


def _reference_lines(key: str, bindings: list[Binding], unplaced: Iterable[str] = ()) -> Iterator[str]:
    by_name: dict[str, list[str]] = {name: [] for name in unplaced}
    for each in bindings:
        by_name.setdefault(each.reference_id or each.role, []).append(_written(each))
    if by_name:
        yield f"{key}:"
    yield from (f"  {quoted(name)}: {_listed(addresses)}" for name, addresses in by_name.items())


def _written(binding: Binding) -> str:
    address = address_of(binding.slot)
    return address if binding.factor == 1 else f"{address} * {binding.factor!r}"


def _listed(addresses: list[str]) -> str:
    return quoted(addresses[0]) if len(addresses) == 1 else f"[{', '.join(quoted(each) for each in addresses)}]"


def quoted(text: str) -> str:
    """Write a text as YAML and JSON alike read it."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text)
    return (
        text
        if plain and text not in _YAML_WORDS
        else yaml.dump(text, default_style='"', allow_unicode=True, width=10**9).rstrip("\n")
    )


_YAML_WORDS = frozenset({"null", "Null", "NULL", "true", "false", "True", "False", "yes", "no", "on", "off"})


def settling_lines(key: str, candidates: Iterable[tuple[str, str]]) -> str:
    """Write the lines of a bindings file that settle what a graph leaves open, ready to be pasted.

    The first is in force, the others are there to be chosen instead.

    Args:
        key: of the file.
        candidates: addresses, and what a person knows of each.
    """
    found = list(candidates)
    lines = [f"{key}: {quoted(address)}  # {said}" for address, said in found]
    if len(found) > 1:
        lines.append(f"{key}: {_listed([address for address, _ in found])}  # all of them")
    return pasted(lines[0], *(f"# {line}" for line in lines[1:]))


def nowhere_lines(key: str) -> str:
    """Write the lines of a bindings file that say that a graph has no place for something, on purpose."""
    return pasted(f"{key}: []")


def pasted(*lines: str) -> str:
    """Set lines of a bindings file apart from the sentence before them."""
    return "\n".join(f"      {line}" for line in (f"schema: {SCHEMA}", *lines))
