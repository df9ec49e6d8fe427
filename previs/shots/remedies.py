"""Say what each field of a shot list must hold, for the reports of faults."""

from collections.abc import Iterable, Sequence

from previs.shots.aspect import ALLOWED
from previs.shots.fields import (
    HIGHEST_FPS,
    LARGEST_SEED,
    LARGEST_SIDE,
    LONGEST_NAME,
    LONGEST_SHOT,
    LONGEST_TEMPLATE,
    MOST_TAKES,
    STRONGEST,
)
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Reference
from previs.shots.passes import MOST_PASSES
from previs.shots.prompts import PLACEHOLDERS
from previs.shots.rules import LONGEST_SHOT_ID

_SIDE = f"a whole number of pixels from 1 to {LARGEST_SIDE}"
_TEXT = "text, in quotes if it could be read as another type"
UNKNOWN = "a JSON value: text, finite numbers, booleans, null, lists and objects"
FORMULA = "a formula without a value: mend the formula, or write the value itself"
RANGE = "two numbers: give one number of seconds, such as 3.0"
_PLACEHOLDERS = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
_ELEMENTS = (
    f"an object of names of up to {LONGEST_NAME} characters, each with a text or with prompt, references and overrides"
)
_LOOK = {
    "prompt_template": f"up to {LONGEST_TEMPLATE:,} characters of text, with the placeholders {_PLACEHOLDERS}",
    "style": "text for all prompts, or an object with before, after and negative_prompt",
    "characters": _ELEMENTS,
    "locations": _ELEMENTS,
    "sequences": "an object of names, each with fields such as style, characters, workflow, overrides, width, takes",
    "workflows": "an object of names, each with a path or URL of a workflow, or with settings",
    "workflow": "a path or URL of a workflow, or a name of the list's workflows",
    "passes": (
        f"up to {MOST_PASSES} names or paths of workflows, such as [finish.json], or objects with name and workflow: "
        "each name once, and none such as take 2"
    ),
    "overrides": 'an object of inputs and values, such as {"4.ckpt_name": "sd_xl_base_1.0.safetensors"}',
    "width": _SIDE,
    "height": _SIDE,
    "takes": f"a whole number from 1 to {MOST_TAKES}",
    "qc": "mark, retry or off",
}
REMEDIES: dict[type, dict[str, str]] = {
    ShotList: {
        "": "a list of shots, or an object with shots",
        "title": _TEXT,
        "lang": "en or zh, or nothing for the language of most prompts",
        "look": "the path or URL of a file with style, characters and more, or a list of up to 10",
        **_LOOK,
        "aspect": ALLOWED,
        "fps": f"frames per second, a number above 0 and at most {HIGHEST_FPS}, such as 24",
        "shots": "a list of at least one shot, each an object with shot_id, prompt and duration",
    },
    Shot: {
        "": "an object with shot_id, prompt and duration",
        "shot_id": f"a whole number or text on one line, not blank, up to {LONGEST_SHOT_ID} long, such as SH010",
        "prompt": "what the camera sees, as text that is not blank; or a description",
        "description": _TEXT,
        "camera": "known words, such as CU, low angle; or an object with size, angle, movement, lens",
        "dialogue": _TEXT,
        "sound": _TEXT,
        "scene": _TEXT,
        "cast": "names of characters, such as [MEI, TOM]",
        "location": _TEXT,
        "time_of_day": _TEXT,
        "transition": _TEXT,
        "references": "a list of references, each an object with url and reference_id, or [] for none",
        "duration": f"seconds, a number above 0 and at most {LONGEST_SHOT}, such as 3.0",
        "negative_prompt": _TEXT,
        "seed": f"a whole number from 0 to {LARGEST_SEED}, or -1 or empty to derive it",
        **{name: _LOOK[name] for name in ("takes", "qc", "width", "height", "workflow", "passes", "overrides")},
        "sequence": _TEXT,
        **{name: _LOOK[name] for name in ("style", "characters", "locations")},
        "notes": _TEXT,
    },
    Reference: {
        "": "an object with url and reference_id",
        "url": "a path or URL on one line, not blank, such as references/a.jpg",
        "reference_id": "text on one line, not blank, such as ref_1",
        "strength": f"a number from 0 to {STRONGEST}, such as 0.8",
        "role": "text on one line, not blank, such as first frame",
    },
}
_OF_LOOKS = {
    **REMEDIES[Reference],
    **dict.fromkeys(("before", "after", "negative_prompt", "prompt"), _TEXT),
    "references": "a list of paths, URLs or objects with url",
    "name": f"text on one line, not blank, up to {LONGEST_NAME} long, such as finish",
    "with_references": "true or false",
    **_LOOK,
}


def look_remedy(path: Iterable[int | str]) -> str:
    """Return what a value of a style, a character, a location or a sequence must hold, by its path."""
    known = [_OF_LOOKS[str(step)] for step in path if step in _OF_LOOKS]
    return known[-1] if known else UNKNOWN


def look_path(path: Sequence[int | str]) -> str:
    """Return the path of a value as people write it: ``characters.MEI.references[0].url``."""
    # Below a workflow there are only the names of pydantic's own types.
    steps = path[:2] if path[0] == "workflows" else path
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
