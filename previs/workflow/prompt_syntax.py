"""Say which parts of a prompt no node of a graph understands: LoRA tags, wildcards and choices.

ComfyUI's own nodes send them to the model as words. Classes of custom packs that read them are known by their names:
Impact, Inspire, Easy-Use, Dynamic Prompts, Prompt Control, rgthree and LoRA tag loaders.
"""

import re
from collections.abc import Collection, Iterator

_READS_WILDCARDS = re.compile(r"wild.?card|^DP\w+|dynamic.?prompt|^easy .*(loader|positive)", re.IGNORECASE)
_READS_LORAS = re.compile(
    r"lora.*(tag|text|manager)|(tag|text|prompt).*lora|wildcard|prompt.?control|^PC\w*Encode|power prompt"
    r"|^easy .*(loader|positive)",
    re.IGNORECASE,
)
# How each kind is written, the classes that read it, and what to do without them.
_SYNTAX = {
    "LoRA tags (<lora:…>)": (
        re.compile(r"<(lora|lyco|lora_?mod):[^<>]+>", re.IGNORECASE),
        _READS_LORAS,
        "load the LoRA with a node of the graph",
    ),
    "wildcards (__…__)": (
        re.compile(r"(?<!\w)__(?=[^_\s])[\w\-/*. ]{1,200}?__(?!\w)"),
        _READS_WILDCARDS,
        "write the words themselves",
    ),
    "choices ({…|…})": (
        re.compile(r"\{[^{}|\":]*(\|[^{}|\":]*)+\}"),
        _READS_WILDCARDS,
        "write one of them, or make a shot of each",
    ),
}


def unread_syntax(prompt: str, negative_prompt: str | None, class_types: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each kind of syntax in a shot's prompts that no node class of the graph reads."""
    for kind, (written, reader, remedy) in _SYNTAX.items():
        if any(reader.search(each) for each in class_types):
            continue
        for field, text in (("prompt", prompt), ("negative_prompt", negative_prompt or "")):
            if written.search(text):
                yield f"{field} has {kind}, which no node of the graph reads, so they are sent as words: {remedy}"
