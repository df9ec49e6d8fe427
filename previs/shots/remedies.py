"""Say what each field of a shot list must hold, for the reports of faults."""

from previs.shots.field_types import LONGEST_TEMPLATE
from previs.shots.models import (
    HIGHEST_FPS,
    LARGEST_SEED,
    LARGEST_SIDE,
    LONGEST_SHOT,
    MOST_TAKES,
    STRONGEST,
    Reference,
    Shot,
    ShotList,
)
from previs.shots.prompts import PLACEHOLDERS
from previs.shots.rules import LONGEST_SHOT_ID

_SIDE = f"a whole number of pixels from 1 to {LARGEST_SIDE}"
_TEXT = "text, in quotes if it could be read as another type"
UNKNOWN = "a JSON value: text, finite numbers, booleans, null, lists and objects"
FORMULA = "a formula without a value: mend the formula, or write the value itself"
RANGE = "two numbers: give one number of seconds, such as 3.0"
_PLACEHOLDERS = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
REMEDIES: dict[type, dict[str, str]] = {
    ShotList: {
        "": "a list of shots, or an object with shots",
        "title": _TEXT,
        "prompt_template": f"up to {LONGEST_TEMPLATE:,} characters of text, with the placeholders {_PLACEHOLDERS}",
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
        "location": _TEXT,
        "time_of_day": _TEXT,
        "transition": _TEXT,
        "references": "a list of references, each an object with url and reference_id, or [] for none",
        "duration": f"seconds, a number above 0 and at most {LONGEST_SHOT}, such as 3.0",
        "negative_prompt": _TEXT,
        "seed": f"a whole number from 0 to {LARGEST_SEED}, or -1 or empty to derive it",
        "takes": f"a whole number from 1 to {MOST_TAKES}",
        "width": _SIDE,
        "height": _SIDE,
        "overrides": 'an object of inputs and values, such as {"4.ckpt_name": "sd_xl_base_1.0.safetensors"}',
        "sequence": _TEXT,
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
