"""Define the types of a shot list's fields."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from previs.shots.camera import camera_of
from previs.shots.prompts import unknown_placeholders
from previs.shots.rules import (
    LONGEST_SHOT_ID,
    as_json,
    number_as_text,
    one_line,
    usable_shot_id,
    without_surrogates,
)

LONGEST_TEMPLATE = 10_000  # characters


def _known_placeholders(template: str) -> str:
    if unknown_placeholders(template):
        raise PydanticCustomError("template", "a template has known placeholders only")
    return template


def camera_or_words(value: object) -> object:
    """Read a camera that is written as a text of known words."""
    if value is None:
        return {}
    return camera_of(value) or value if isinstance(value, str) else value


Unknown = Annotated[JsonValue, AfterValidator(as_json), WithJsonSchema({})]
Text = Annotated[str, Field(strict=True), AfterValidator(without_surrogates)]
LineOfText = Annotated[Text, AfterValidator(one_line)]
Line = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=LONGEST_SHOT_ID),
    BeforeValidator(number_as_text),
    AfterValidator(one_line),
]
Word = Line | None
FilmText = Annotated[Text, BeforeValidator(number_as_text)] | None
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Template = Annotated[Text, Field(max_length=LONGEST_TEMPLATE), AfterValidator(_known_placeholders)] | None
Whole = Annotated[int, Field(strict=True)]
ShotId = Annotated[
    Whole | Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_SHOT_ID)],
    BeforeValidator(usable_shot_id),
]
