"""Find texts that a prompt may belong into, whether or not links lead from them to a sampler."""

import re
from collections.abc import Iterable, Iterator

from previs.comfyui.protocol.classes import ANY, InputRule
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import OUTPUT_PREFIX
from previs.workflow.detection.text_sources import HELD_TEXTS, is_aside
from previs.workflow.detection.texts import ENCODED_TEXTS

_NAMES = frozenset({*ENCODED_TEXTS, *HELD_TEXTS, "string_a", "string_b", "words"})
_LIKE_PROMPT = re.compile(r"prompt|text|caption|description|positive|story|tags", re.IGNORECASE)
# Texts of several lines that programs read, not models.
_CODE = frozenset({"expression", "fragment_shader", "tracks", "json_string", "f_string"})
_SENTENCE = 4  # words
_FILE = re.compile(r"\S*\.[A-Za-z0-9]{2,11}")
_PLAIN = frozenset({"INT", "FLOAT", "BOOLEAN"})


def loose_texts(wiring: Wiring, node_ids: Iterable[str]) -> list[Slot]:
    """Return the inputs of some nodes that hold texts a person may have written as a prompt."""
    return [
        (node_id, name)
        for node_id in node_ids
        if not (uses := wiring.links_from(node_id)) or not all(_names_no_prompt(name) for _, name, _ in uses)
        for name in _texts_of(wiring, node_id)
    ]


def _names_no_prompt(name: str) -> bool:
    return name == OUTPUT_PREFIX or is_aside(name)


def _texts_of(wiring: Wiring, node_id: str) -> Iterator[str]:
    inputs, known = wiring.graph[node_id]["inputs"], wiring.class_of(node_id)
    rules = known.rules(inputs) if known else {}
    if known and known.outputs and set(known.outputs) <= _PLAIN:
        return
    for name, value in inputs.items():
        if isinstance(value, str) and name not in _CODE and not _names_no_prompt(name):
            rule = rules.get(name)
            if _by_rule(name, rule) if rule else _by_value(name, value):
                yield name


def _by_rule(name: str, rule: InputRule) -> bool:
    return rule.type in ("STRING", ANY) and (rule.multiline or name in _NAMES or bool(_LIKE_PROMPT.search(name)))


def _by_value(name: str, value: str) -> bool:
    """Return whether a text of an unknown class may be a prompt: by its name, or by four words, which no choice has."""
    named = name in _NAMES or (bool(_LIKE_PROMPT.search(name)) and not _FILE.fullmatch(value))
    return named or len(value.split(maxsplit=_SENTENCE)) >= _SENTENCE
