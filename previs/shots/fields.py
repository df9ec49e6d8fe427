"""Define the types of fields that shots, lists and looks share, with their bounds and descriptions."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from previs.shots.camera import camera_of
from previs.shots.prompts import unknown_placeholders
from previs.shots.rules import (
    LONGEST_SHOT_ID,
    as_json,
    none_as,
    number_as_text,
    one_line,
    random_as_none,
    usable_shot_id,
    without_surrogates,
)

LONGEST_SHOT = 86_400  # seconds: one day, the longest timecode
LARGEST_SEED = 2**64 - 1  # the most that ComfyUI's samplers accept
LARGEST_SIDE = 16_384  # pixels: ComfyUI's MAX_RESOLUTION
STRONGEST = 10  # ControlNetApplyAdvanced accepts 0 to 10
MOST_TAKES = 1_000
HIGHEST_FPS = 1_000
MOST_SHOTS = 100_000
LONGEST_TEMPLATE = 10_000  # characters
LONGEST_NAME = 60  # characters

_NAMES = re.compile(r"\s*[,，、;；/\n]\s*")


def _known_placeholders(template: str) -> str:
    if unknown_placeholders(template):
        raise PydanticCustomError("template", "a template has known placeholders only")
    return template


def _camera(value: object) -> object:
    """Read a camera that is written as a text of known words."""
    if value is None:
        return {}
    return camera_of(value) or value if isinstance(value, str) else value


def names_in(value: object) -> object:
    """Return the names in a text such as ``MEI, TOM`` as a list."""
    if value is None:
        return ()
    return [name for name in _NAMES.split(value.strip()) if name] if isinstance(value, str) else value


def _word(value: object) -> object:
    """Read a word of a sheet, and what YAML makes of ``off``."""
    if value is False:
        return "off"
    return value.strip().casefold() or None if isinstance(value, str) else value


def text_as(name: str) -> BeforeValidator:
    """Return a validator that takes a text for an object with this field."""
    return BeforeValidator(lambda value: {name: value} if isinstance(value, str) else value)


def _with_reference_ids(elements: object) -> object:
    """Name references that a character or a location gives without a name after it: ``MEI``, ``MEI 2``."""
    if not isinstance(elements, Mapping):
        return {} if elements is None else elements
    return {name: _named_references(str(name), element) for name, element in elements.items()}


def _named_references(name: str, element: object) -> object:
    if not isinstance(element, Mapping) or "references" not in element:
        return element
    given = element["references"]
    references = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(references, list | tuple):
        return element
    named: list[Any] = []
    for number, each in enumerate(references, 1):
        reference = {"url": each} if isinstance(each, str) else each
        if isinstance(reference, Mapping) and "reference_id" not in reference:
            reference = {**reference, "reference_id": name if number == 1 else f"{name} {number}"}
        named.append(reference)
    return {**element, "references": named}


UnknownField = Annotated[JsonValue, AfterValidator(as_json), WithJsonSchema({})]
Text = Annotated[str, Field(strict=True), AfterValidator(without_surrogates)]
LineOfText = Annotated[Text, AfterValidator(one_line)]
Line = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=LONGEST_SHOT_ID),
    BeforeValidator(number_as_text),
    AfterValidator(one_line),
]
ElementName = Annotated[Line, Field(max_length=LONGEST_NAME)]
FilmText = Annotated[Text, BeforeValidator(number_as_text)] | None
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Template = Annotated[Text, Field(max_length=LONGEST_TEMPLATE), AfterValidator(_known_placeholders)] | None
Whole = Annotated[int, Field(strict=True)]
ShotId = Annotated[
    Whole | Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_SHOT_ID)],
    BeforeValidator(usable_shot_id),
]
CameraText = BeforeValidator(_camera)
ReferenceIds = BeforeValidator(_with_reference_ids)
Paths = Annotated[
    tuple[LineOfText, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else () if value is None else value),
]
Names = Annotated[tuple[Line, ...], BeforeValidator(names_in)]

_Side = Annotated[int, Field(strict=True, gt=0, le=LARGEST_SIDE)]
Takes = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=MOST_TAKES)] | None,
    Field(
        title="Takes",
        description="How many takes of a shot to render. Empty: the run's number.",
        examples=[2],
    ),
]
Width = Annotated[
    _Side | None,
    Field(
        title="Width",
        description="In pixels. Empty: the workflow's value.",
        examples=[1024],
    ),
]
Height = Annotated[
    _Side | None,
    Field(
        title="Height",
        description="In pixels. Empty: the workflow's value.",
        examples=[576],
    ),
]
QC = Annotated[
    Literal["mark", "retry", "off"] | None,
    BeforeValidator(_word),
    Field(
        title="Frame QC",
        description=(
            "What to do about a frame that is black, flat, frozen or of another aspect: mark it (the default), "
            "retry once with another seed, or off."
        ),
        examples=["retry"],
    ),
]
Overrides = Annotated[
    dict[LineOfText, UnknownField],
    BeforeValidator(none_as({})),
    Field(
        title="Overrides",
        description="Inputs of the workflow's nodes, by node id or title. They override every other setting.",
        examples=[{"4.ckpt_name": "sd_xl_base_1.0.safetensors", "KSampler.steps": 40}],
    ),
]
WorkflowName = Annotated[
    LineOfText | None,
    Field(
        title="Workflow",
        description="Path or URL of a workflow, or a name of the list's workflows. Empty: the run's.",
        examples=["finish.json"],
    ),
]
Seed = Annotated[
    Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] | None,
    BeforeValidator(random_as_none),
    Field(
        title="Seed",
        description="Fixes the picture. Empty or -1: derived from the shot, so the same list gives the same board.",
        json_schema_extra={"anyOf": [{"type": "integer", "minimum": -1, "maximum": LARGEST_SEED}, {"type": "null"}]},
        examples=[42],
    ),
]
TemplateField = Annotated[
    Template,
    Field(
        title="Prompt template",
        description="Makes every prompt, such as {size}, {prompt}. Empty: the prompt, or description and camera.",
        examples=["{size}, {angle}, {prompt}"],
    ),
]
