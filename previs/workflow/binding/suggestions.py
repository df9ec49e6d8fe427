"""Write bindings files, and the lines that resolve what a graph leaves open."""

import re
from collections.abc import Collection, Iterable, Iterator

import yaml

from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding
from previs.workflow.binding.bindings_file import KEYS, REFERENCES, RULE, SCHEMA, STRENGTHS

_YAML_WORDS = frozenset({"null", "Null", "NULL", "true", "false", "True", "False", "yes", "no", "on", "off"})


def bindings_text(bindings: Iterable[Binding], unused: Collection[str] = ()) -> str:
    """Write the bindings file that states the present bindings, and the values that are unused on purpose."""
    lines = [f"schema: {SCHEMA}"]
    # Of two keys with one meaning, the first is the shorter.
    keys = {what: key for key, what in reversed(KEYS.items())}
    found = list(bindings)
    for what, key in reversed(keys.items()):
        if addresses := [_written(each) for each in found if each.what == what]:
            lines.append(f"{key}: {_listed(addresses)}")
        elif what in unused:
            lines.append(f"{key}: []")
    if "reference" in unused:
        lines.append(f"{REFERENCES}: []")
    unplaced = sorted(name.removeprefix("reference ") for name in unused if name.startswith("reference "))
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
    """Quote a text so that YAML and JSON read it alike."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) and text not in _YAML_WORDS:
        return text
    return yaml.dump(text, default_style='"', allow_unicode=True, width=10**9).rstrip("\n")


def suggestion_lines(key: str, candidates: Iterable[tuple[str, str]], *, none: bool = False) -> str:
    """Write lines that resolve an ambiguity: the first candidate active, the others commented out.

    Each candidate is an address with a comment for a person. ``none`` adds the line that leaves the value unused.
    """
    found = list(candidates)
    lines = [f"{key}: {quoted(address)}  # {comment}" for address, comment in found]
    if len(found) > 1:
        lines.append(f"{key}: {_listed([address for address, _ in found])}  # all of these")
    if none:
        lines.append(f"{key}: []  # none of these")
    return yaml_block(*lines[:1], *(f"# {line}" for line in lines[1:]))


def yaml_block(*lines: str) -> str:
    """Indent lines of a bindings file below a sentence."""
    return "\n".join(f"      {line}" for line in (f"schema: {SCHEMA}", *lines))
