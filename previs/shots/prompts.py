"""Make the prompts of shots by their list's template; pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from previs.shots.camera import CameraPart, is_chinese, spelled_out

OF_DESCRIPTION: Final = "{size}, {angle}, {description}, {movement}, {lens}"
"""Template of shots without a prompt, if the list has none: framing first, as captions of pictures have it."""

PLACEHOLDERS: Final = (
    *("prompt", "description", "size", "angle", "movement", "lens"),
    *("scene", "location", "time_of_day", "dialogue", "sound", "transition"),
)
_CAMERA: Final[tuple[CameraPart, ...]] = ("size", "angle", "movement")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_ENDS: Final = " .。,，;；"
_SEPARATOR: Final = re.compile(r"(\s*[,，;；]\s*)")


def unknown_placeholders(template: str) -> list[str]:
    """Return the placeholders of a template that no shot can fill, in their order."""
    return [name for name in dict.fromkeys(_PLACEHOLDER.findall(template)) if name not in PLACEHOLDERS]


def make_prompt(values: Mapping[str, str], template: str | None) -> str:
    """Return the prompt of a shot.

    Parts of the template between commas or semicolons whose placeholders are all empty are left out, and so are full
    stops before a comma. Terms of the camera are spelled out, in Chinese if the prompt or description has a Chinese
    character.

    Args:
        values: Texts for the placeholders; missing ones are empty. Without a prompt, the description takes its place.
        template: Template of the list; without one, a prompt stays as it is, and OF_DESCRIPTION makes the others.
    """
    if template is None and values.get("prompt"):
        return values["prompt"]
    text = values.get("prompt", "") or values.get("description", "")
    if template is None:
        template = OF_DESCRIPTION.replace(", ", "，") if is_chinese(text) else OF_DESCRIPTION
    words = dict(values) | {"prompt": text}
    for part in _CAMERA:
        words[part] = spelled_out(words.get(part, ""), part, chinese=is_chinese(text))
    return _filled(template, words) or text


def with_style(prompt: str, *, before: str, looks: Iterable[tuple[str, str]], after: str) -> str:
    """Return a prompt with what its looks put around it.

    Args:
        prompt: Prompt of the shot.
        before: Words in front of it.
        looks: Names and looks of characters that the prompt does not mention; without a name, looks of locations.
        after: Words behind all others.
    """
    chinese = is_chinese(prompt)
    named = (f"{name}{'：' if chinese else ': '}{look}" if name else look for name, look in looks)
    made = ""
    for part in filter(None, (each.strip() for each in (before, prompt, *named, after))):
        made = f"{made.rstrip(_ENDS)}{'，' if chinese else ', '}{part}" if made else part
    return made


def _filled(template: str, words: Mapping[str, str]) -> str:
    """Return the template with its parts that have words."""
    pieces = _SEPARATOR.split(template)
    made = ""
    for index in range(0, len(pieces), 2):
        names = _PLACEHOLDER.findall(pieces[index])
        if names and not any(words.get(name) for name in names):
            continue
        if made:
            made = made.rstrip(".。") + pieces[index - 1]
        made += _PLACEHOLDER.sub(lambda found: words.get(found[1], ""), pieces[index])
    return made.strip()
