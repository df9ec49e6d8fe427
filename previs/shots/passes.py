"""Define the passes of a shot: workflows that its chosen frame goes through, one after the other; pure.

In a list they are objects, or names and paths of workflows alone: ``[finish.json]``, ``finish, film``,
``{finish: cards/finish.json}``. A pass without a name has that of its workflow.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from previs.shots.fields import (
    LONGEST_NAME,
    STRONGEST,
    Height,
    Line,
    LineOfText,
    Number,
    Overrides,
    Text,
    UnknownField,
    Width,
)

MOST_PASSES: Final = 10

_NAMES: Final = re.compile(r"\s*[,，、;；\n]\s*")
# Labels are such as "SH010 · take 2".
_OF_TAKES: Final = re.compile(r"take \d+|.*·.*", re.DOTALL)


class Pass(BaseModel):
    """Describe one pass: a workflow that takes the chosen frame of a shot, or what the pass before made of it."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    name: Annotated[Line, Field(max_length=LONGEST_NAME)] = Field(
        title="Name", description="Name of the pass. Empty: that of its workflow.", examples=["finish"]
    )
    workflow: Annotated[LineOfText, Field(min_length=1)] = Field(
        title="Workflow",
        description="Path or URL of a workflow that takes a picture, or a name of the list's workflows.",
        examples=["finish.json"],
    )
    prompt: Text | None = Field(default=None, title="Prompt", description="Empty: the shot's, with its looks.")
    negative_prompt: Text | None = Field(
        default=None, title="Negative prompt", description="Empty: the shot's, if the workflow has an input for it."
    )
    role: Line | None = Field(
        default=None,
        title="Role",
        description="The frame's purpose, if the workflow takes pictures for several.",
        examples=["first frame"],
    )
    strength: Number | None = Field(
        default=None,
        title="Strength",
        description="How strongly the frame guides the pass, from 0 to 10. Empty: the workflow's value.",
        ge=0,
        le=STRONGEST,
        examples=[0.6],
    )
    with_references: bool = Field(
        default=False,
        strict=True,
        title="With references",
        description="Whether the workflow gets the shot's own references too, after the frame.",
    )
    width: Width = None
    height: Height = None
    overrides: Overrides = Field(default_factory=dict)


def is_one_pass(value: Mapping[Any, Any]) -> bool:
    """Return whether an object is one pass rather than passes by their names."""
    return "workflow" in value


def passes_in(value: object) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield the passes that are given as objects, each with its path below ``passes``."""
    if isinstance(value, Mapping):
        if is_one_pass(value):
            yield "", value
            return
        yield from ((f".{name}", each) for name, each in value.items() if isinstance(each, Mapping))
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", each) for index, each in enumerate(value) if isinstance(each, Mapping))


def _as_list(value: object) -> object:
    """Return passes in any of the forms of a list as a list of objects with names."""
    if isinstance(value, str):
        value = [each for each in _NAMES.split(value.strip()) if each]
    elif isinstance(value, Mapping):
        by_name = value.items()
        value = [value] if is_one_pass(value) else [_named(name, each) for name, each in by_name]
    return [_with_name(each) for each in value] if isinstance(value, list | tuple) else value


def _named(name: object, value: object) -> object:
    if isinstance(value, Mapping):
        return {"name": name, **value}
    return {"name": name, "workflow": value}


def _with_name(value: object) -> object:
    given = {"workflow": value} if isinstance(value, str) else value
    if isinstance(given, Mapping) and isinstance(workflow := given.get("workflow"), str) and "name" not in given:
        return {"name": _stem(workflow), **given}
    return given


def _stem(workflow: str) -> str:
    """Return the name of a workflow's file without its folder, suffix and query; other names stay."""
    path = PurePosixPath(workflow.partition("?")[0].replace("\\", "/"))
    return path.name.split(".")[0] or workflow


def _distinct(passes: tuple[Pass, ...] | None) -> tuple[Pass, ...] | None:
    names = [each.name.casefold() for each in passes or ()]
    if len(set(names)) < len(names) or any(map(_OF_TAKES.fullmatch, names)):
        raise PydanticCustomError("passes", "each pass needs a name of its own, which is no take's")
    return passes


Passes = Annotated[
    Annotated[tuple[Pass, ...], Field(max_length=MOST_PASSES)] | None,
    BeforeValidator(_as_list),
    AfterValidator(_distinct),
    Field(
        title="Passes",
        description="Workflows that the chosen frame goes through, one after the other: finish, upscale, film.",
        examples=[["finish.json"], [{"name": "film", "workflow": "film.json", "role": "first frame"}]],
    ),
]
"""Passes of a shot; None leaves them to the next level, and an empty list means none."""
