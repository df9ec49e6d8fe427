"""Follow a text up its links to the inputs that hold what a person writes.

On its way a text may be joined with others, put into a template, or rewritten by a language model. Instructions to the
model, templates and tables of presets stay as they are; the text beside them, or put into them, is the prompt.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from previs.comfyui.protocol.graph import is_link, links
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import ORDINARY, Wiring
from previs.workflow.binding.traversal import above_hand_ons

HELD_TEXTS = ("value", "text", "string", "prompt", "positive", "negative", "on_true", "on_false")

_GENERATORS = frozenset({"TextGenerate", "TextGenerateLTX2Prompt"})
# ComfyUI's own nodes that transform texts, with the inputs that end up in the result.
_TEXT_OPERATIONS = {
    "StringConcatenate": ("string_a", "string_b"),
    **dict.fromkeys(("RegexReplace", "StringTrim", "StringSubstring", "CaseConverter"), ("string",)),
    **dict.fromkeys(_GENERATORS, ("prompt",)),
    "SaveText": ("text",),
    "PreviewAny": ("source",),
}
# Nodes that look up a part of a text; a text that they hold is a table of presets.
_LOOK_UPS = {"RegexExtract": "string", "JsonExtractString": "json_string"}
_ANY_TEXT = ""  # Any text contains it.
# Names of inputs whose text is no prompt, whether linked or held.
_ASIDE = re.compile(r"negative|note|comment|system|instruct|lyric|delimiter|separator|find|pattern|regex|key|url|path")
_HELD_ASIDE = re.compile(r"replace|prefix|suffix|model|language|format|name")
# Beginnings of texts that tell a language model what it is, after marks such as "<|turn>system" or "[SYSTEM_PROMPT]".
_START = 300  # characters of a text that show whether it instructs a model
_INSTRUCTS = re.compile(r"\W*(system\b|(<[^>]*>|\[[^\]]*\]|\s)*(you are\b|your task\b|act as\b|你是))", re.IGNORECASE)
_WORDS = re.compile(r"[^\W_]{3,}")
_NUMBERS = frozenset({"INT", "FLOAT", "BOOLEAN"})

_Step = tuple[Slot, frozenset[str]]
"""An input, and what later nodes replace in its text: a text that contains it is a template."""


def prompt_role(name: str) -> str:
    """Return ``positive`` or ``negative`` if a name of an input or output says so; else nothing."""
    plain = name.strip().casefold()
    if plain.startswith(("neg", "uncond")) or plain.endswith(("-", "_negative", "negative_prompt")):
        return "negative"
    return "positive" if plain.startswith("pos") or plain.endswith(("+", "_positive", "positive_prompt")) else ""


def is_aside(name: str) -> bool:
    """Return whether the name of an input says that its text is no prompt, such as notes or a regular expression."""
    return bool(_ASIDE.search(name.casefold()))


def prompt_inputs(inputs: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Return which of a node's text inputs a person writes the prompt into; several if that cannot be told."""
    kept = [name for name in names if not is_aside(name)]
    texts = [name for name in kept if is_link(inputs[name]) or not _HELD_ASIDE.search(name.casefold())]
    filled = [name for name in texts if not isinstance(inputs[name], str) or inputs[name].strip()] or texts
    named = [name for name in filled if "prompt" in name.casefold()]
    return named if len(named) == 1 else filled


def texts_at(wiring: Wiring, slot: Slot) -> list[Slot] | None:
    """Return the inputs that hold the texts that an input is made from; None if they cannot be traced.

    Several are returned only if it cannot be told which is the prompt; none if nodes make the text from pictures.
    """
    written: dict[Slot, None] = {}
    instructions: dict[Slot, None] = {}
    stays = False
    seen: set[_Step] = set()
    pending: list[_Step] = [(slot, frozenset())]
    while pending:
        step = pending.pop()
        if step in seen:
            continue
        seen.add(step)
        (node_id, name), replaced = step
        value = wiring.graph[node_id]["inputs"].get(name)
        if isinstance(value, str):
            if any(part in value for part in replaced):
                stays = True
            else:
                (instructions if _INSTRUCTS.match(value[:_START]) else written)[node_id, name] = None
        elif is_link(value) and wiring.kind(node_id, name) not in _NUMBERS:
            sources = _sources(wiring, value[0], value[1], replaced)
            if sources is None:
                return None
            pending.extend(reversed(sources))
        elif value is None:
            return None
    found = _without_triggers(wiring, non_empty(wiring, written) or list(instructions))
    return None if stays and not found else found


def non_empty(wiring: Wiring, slots: Iterable[Slot]) -> list[Slot]:
    """Remove empty texts, unless all are empty."""
    found = list(slots)
    return [slot for slot in found if str(wiring.value(slot)).strip()] or found


def _sources(wiring: Wiring, node_id: str, output: int, replaced: frozenset[str]) -> list[_Step] | None:
    """Return the inputs that a node's text is made from; None if unknown."""
    node = wiring.graph[node_id]
    inputs, class_type = node["inputs"], node["class_type"]
    if class_type == "StringReplace" and is_link(inputs.get("replace")):
        put_in = frozenset({inputs["find"]}) if isinstance(inputs.get("find"), str) else frozenset()
        return [((node_id, "string"), (replaced | put_in) - {_ANY_TEXT}), ((node_id, "replace"), replaced)]
    if class_type == "StringReplace":
        return [((node_id, "string"), replaced)]
    if class_type == "StringFormat":
        values = [name for name, value in inputs.items() if name.startswith("values.") and is_link(value)]
        put_in = frozenset("{") if values else frozenset()
        return [((node_id, "f_string"), replaced | put_in), *(((node_id, name), replaced) for name in values)]
    if class_type in _LOOK_UPS:
        name = _LOOK_UPS[class_type]
        return [((node_id, name), replaced if is_link(inputs.get(name)) else replaced | {_ANY_TEXT})]
    names = _names_of_sources(wiring, node_id, output)
    if names is None:
        return None
    appended = (
        {name for name in names if isinstance(inputs.get(name), str)} if _joins_generated(wiring, node_id) else ()
    )
    return [((node_id, name), replaced | {_ANY_TEXT} if name in appended else replaced) for name in names]


def _names_of_sources(wiring: Wiring, node_id: str, output: int) -> list[str] | None:
    node = wiring.graph[node_id]
    inputs = node["inputs"]
    if node["class_type"] in _TEXT_OPERATIONS:
        return [name for name in _TEXT_OPERATIONS[node["class_type"]] if name in inputs]
    linked = [name for name, value in inputs.items() if is_link(value)]
    held = [name for name, value in inputs.items() if isinstance(value, str)]
    if len(held) == 1 and not linked and held[0] in HELD_TEXTS:
        return held
    if len(linked) == 1 and len(inputs) == 1 and wiring.kind(node_id, linked[0]) in ("STRING", ""):
        return linked
    known = wiring.class_of(node_id)
    if known is None or output >= len(known.outputs) or known.outputs[output] != "STRING":
        return None
    if any(wiring.kind(node_id, name) not in ORDINARY for name in linked):
        return None
    names = [name for name, rule in known.rules(inputs).items() if rule.type == "STRING" and name in inputs]
    role = prompt_role(known.output_names[output])
    own = [name for name in names if prompt_role(name) == role]
    return own if role and own else prompt_inputs(inputs, names)


def _joins_generated(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node joins a text with what a language model wrote without a picture, as for a trigger word."""
    if wiring.graph[node_id]["class_type"] != "StringConcatenate":
        return False
    sources = [wiring.graph[above_hand_ons(wiring.graph, source)] for _, source, _ in links(wiring.graph[node_id])]
    return any(each["class_type"] in _GENERATORS and not is_link(each["inputs"].get("image")) for each in sources)


def _without_triggers(wiring: Wiring, slots: list[Slot]) -> list[Slot]:
    """Remove the shorter of two texts if it alone repeats words of the name of a LoRA that the graph loads."""
    if len(slots) != 2:  # noqa: PLR2004 - a trigger and the prompt
        return slots
    short, long = sorted(slots, key=lambda slot: len(str(wiring.value(slot))))
    loras = [
        PurePosixPath(str(value).replace("\\", "/")).stem
        for node in wiring.graph.values()
        for name, value in node["inputs"].items()
        if name.startswith("lora_name")
    ]
    names = {word for name in loras for word in _words(name)}
    is_trigger = names & _words(str(wiring.value(short))) and not names & _words(str(wiring.value(long)))
    return [long] if is_trigger else slots


def _words(text: str) -> set[str]:
    return set(_WORDS.findall(text.casefold()))
