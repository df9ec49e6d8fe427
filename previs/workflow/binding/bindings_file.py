"""Read the bindings file, in which an artist states which inputs of a graph take which values of a shot.

It takes precedence over titles and links. Its lines are ``schema: previs.bindings/1``, then ``prompt: "6.text"``,
``negative: []``, ``seed: ["3.seed", "12.noise_seed"]`` or, by the ids or roles of references,
``references: {hero: "10.image", style: "Moodboard.image"}``.

A value is an address or a list of addresses; an empty list leaves the shot's value unused on purpose.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from previs.comfyui.protocol.documents import describe_document, describe_shape
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.text.similar import Budget, closest
from previs.workflow.binding.addresses import AddressError, AddressFinder
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import holds, place_of

SCHEMA = "previs.bindings/1"
RULE = "bindings file"
SUFFIX = ".bindings.yaml"

# Keys of the file, with the values of a shot that they mean.
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
_LARGEST = 100_000
# PyYAML needs 10 s for 5,000 nested brackets.
_MOST_BRACKETS = 1_000
_FACTOR = re.compile(r"(?P<address>.*\S)\s+\*\s+(?P<factor>[0-9]+(\.[0-9]+)?)", re.DOTALL)
_DURATION = re.compile(r"\d+(\.\d+)?\s*s?|auto", re.IGNORECASE)
_SIZES = frozenset({"width", "height"})

Addresses = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BindingsFile:
    """Hold a bindings file's addresses, not yet looked up in a graph.

    Attributes:
        source: The file's name.
        addresses: By the value that they take; empty if it is unused on purpose. ``reference`` is a key only if no
            reference is used.
        references, strengths: By the id or role of a reference; likewise.
    """

    source: str
    addresses: Mapping[str, Addresses] = field(default_factory=dict)
    references: Mapping[str, Addresses] = field(default_factory=dict)
    strengths: Mapping[str, Addresses] = field(default_factory=dict)


def bindings_name(graph_path: str) -> str:
    """Return the path of a graph's bindings file: ``storyboard.json`` has ``storyboard.bindings.yaml`` beside it."""
    folder, slash, name = graph_path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name) + SUFFIX


def read_bindings(source: bytes | Mapping[str, Any], *, name: str) -> BindingsFile:
    """Read a bindings file: the bytes of a YAML or JSON file, or its content.

    Raises:
        WorkflowFaults: Everything that is wrong with the file, apart from the graph.
    """
    faults: list[Fault] = []
    content = _content(source, name) if isinstance(source, bytes) else source
    if not isinstance(content, Mapping):
        remedy = f'write "schema: {SCHEMA}", then lines like prompt: "6.text"'
        raise _refused(name, describe_document(source) if isinstance(source, bytes) else "", remedy)
    if isinstance(source, bytes) and content.get("schema") != SCHEMA and not content.keys() <= set(_ALL_KEYS):
        remedy = f'this is no bindings file: write "schema: {SCHEMA}", then lines like prompt: "6.text"'
        raise _refused(name, f"{describe_document(source)}, {describe_shape(content)}", remedy)
    if content.get("schema") != SCHEMA:
        found = format_value(content["schema"]) if "schema" in content else "missing"
        faults.append(Fault("the bindings file", "schema", found, f"the first line must be schema: {SCHEMA}"))
    addresses: dict[str, Addresses] = {}
    budget = Budget()
    for key, value in content.items():
        if key in KEYS:
            if KEYS[key] in addresses:
                remedy = "given twice, as negative and as negative_prompt: keep one"
                faults.append(Fault("the bindings file", key, "", remedy))
            addresses[KEYS[key]] = _addresses(key, value, faults)
        elif key not in _ALL_KEYS:
            faults.append(Fault("the bindings file", format_value(key), "", _unknown_key(str(key), budget)))
    references = _by_reference(REFERENCES, content.get(REFERENCES), faults)
    if content.get(REFERENCES) in ([], ()):
        addresses["reference"] = ()
    strengths = _by_reference(STRENGTHS, content.get(STRENGTHS), faults)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    return BindingsFile(name, addresses, references, strengths)


def _unknown_key(key: str, budget: Budget) -> str:
    bare = key.casefold().replace(" ", "_").replace("-", "_")
    close = closest(bare, _ALL_KEYS, budget=budget, most=1)
    return f"did you mean {close[0]}?" if close else f"no such key; the keys are {', '.join(_ALL_KEYS)}"


def _addresses(key: str, value: object, faults: list[Fault]) -> Addresses:
    listed = list(value) if isinstance(value, list | tuple) else [value]
    for each in listed:
        if not isinstance(each, str) or not each.strip():
            remedy = 'give an address, "6.text", a list of addresses, or [] to leave it unused'
            faults.append(Fault("the bindings file", key, format_value(each), remedy))
    return tuple(each for each in listed if isinstance(each, str))


def _by_reference(key: str, value: object, faults: list[Fault]) -> dict[str, Addresses]:
    if value is None or (isinstance(value, list) and not value):
        return {}
    if not isinstance(value, Mapping):
        remedy = f'give addresses by the id or role of a reference: {key}: {{hero: "10.image"}}'
        faults.append(Fault("the bindings file", key, format_value(value), remedy))
        return {}
    return {str(name): _addresses(f"{key}, {name}", each, faults) for name, each in value.items()}


def _content(source: bytes, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """Read YAML, keeping every scalar as text."""
    try:
        if len(source) > _LARGEST:
            raise _refused(name, f"{len(source)} bytes", "a bindings file is never this large: is this the right file?")
        text = source.decode("utf-8-sig")
        if text.count("[") + text.count("{") > _MOST_BRACKETS:
            raise _refused(name, "", "a bindings file never has this many brackets: is this the right file?")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise _refused(name, "", "write each value itself, without anchors and aliases")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _value(root, name)
    except UnicodeDecodeError as error:
        raise _refused(name, f"byte {error.start}", "not UTF-8: save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        # PyYAML's own error, which a traceback would show, quotes the file.
        raise _refused(name, place, "not valid YAML: check quotes, brackets and indentation") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        # PyYAML passes on the errors of chr() for escapes beyond Unicode.
        raise _refused(name, "", "not the YAML of a bindings file: write it again") from None


def _refused(name: str, value: str, remedy: str) -> WorkflowFaults:
    return WorkflowFaults(name, (Fault("the bindings file", "", value, remedy),))


def _value(node: yaml.Node, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, name) for each in node.value]
    if not isinstance(node, yaml.MappingNode):
        return None if node.tag == "tag:yaml.org,2002:null" else _checked_text(str(node.value), node, name)
    content: dict[str, Any] = {}
    for key, value in node.value:
        written = _checked_text(str(key.value), key, name) if isinstance(key, yaml.ScalarNode) else ""
        if not written or written in content:
            line = f"line {key.start_mark.line + 1}"
            raise _refused(name, line, "a key must be text and occur once" if not written else "this key occurs twice")
        content[written] = _value(value, name)
    return content


def _checked_text(text: str, node: yaml.Node, name: str) -> str:
    if text.encode(errors="replace").decode() != text:
        line = f"line {node.start_mark.line + 1}"
        raise _refused(name, line, "contains half of a character: write the text again")
    return text


def find_slots(
    finder: AddressFinder, explicit: BindingsFile, key: str, addresses: Addresses, kind: type, faults: list[Fault]
) -> Iterator[tuple[Slot, float]]:
    """Yield the input at each address, and its factor, which an address of a size may have: ``"20.width * 1.5"``.

    ``faults`` receives addresses of no input, and inputs that do not hold the ``kind``.
    A length may also be a choice such as ``5s``.
    """
    for address in addresses:
        scaled = _FACTOR.fullmatch(address.strip()) if key in _SIZES else None
        plain, factor = (scaled["address"], float(scaled["factor"])) if scaled else (address, 1.0)
        if factor <= 0:
            faults.append(Fault(explicit.source, key, format_value(address), "multiply a size by a number above 0"))
            continue
        try:
            slot = finder.find(plain)
        except AddressError as error:
            faults.append(Fault(explicit.source, key, format_value(address), str(error)))
            continue
        value = finder.graph[slot[0]]["inputs"][slot[1]]
        if isinstance(value, list) or holds(value, kind) or (key == "length" and _is_duration(value)):
            yield slot, factor
        else:
            remedy = f"{place_of(finder.graph, slot[0])} does not hold {_KINDS[kind]} there: {format_value(value)}"
            faults.append(Fault(explicit.source, key, format_value(address), remedy))


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


_KINDS = {str: "a text", int: "a whole number", float: "a number"}
