"""Define the models of what shots and lists consist of: references, cameras, styles, characters, sequences, looks.

All models keep unknown fields.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from previs.shots.fields import (
    QC,
    STRONGEST,
    ElementName,
    Height,
    Line,
    LineOfText,
    Number,
    Overrides,
    ReferenceIds,
    Takes,
    TemplateField,
    Text,
    UnknownField,
    Width,
    WorkflowName,
    text_as,
)
from previs.shots.passes import Passes
from previs.shots.rules import none_as


class Reference(BaseModel):
    """Describe a picture that guides how a shot looks."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    url: LineOfText = Field(
        title="Picture",
        description="A path, an s3:// or https:// URL, or a name relative to the shot list's location.",
        min_length=1,
        examples=["references/alley.jpg", "https://example.com/alley.jpg"],
    )
    reference_id: Line = Field(
        title="Reference ID", description="Name of the reference, unique within the shot.", examples=["ref_1"]
    )
    strength: Number | None = Field(
        default=None,
        title="Strength",
        description="How strongly it guides the shot: 0 not at all, 1 fully, up to 10. Empty: the workflow's value.",
        ge=0,
        le=STRONGEST,
        examples=[0.8],
    )
    role: Line | None = Field(
        default=None,
        title="Role",
        description="The picture's purpose, if the workflow takes pictures for several. Empty: any purpose left over.",
        examples=["first frame", "style", "control"],
    )


class Camera(BaseModel):
    """Describe how a shot is framed, in words or usual abbreviations."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    size: Line | None = Field(
        default=None, title="Size", description="How much of the scene it shows.", examples=["close-up", "CU", "特写"]
    )
    angle: Line | None = Field(
        default=None, title="Angle", description="From where it looks.", examples=["low angle", "俯拍"]
    )
    movement: Line | None = Field(
        default=None, title="Movement", description="How the camera moves.", examples=["dolly in", "推"]
    )
    lens: Line | None = Field(default=None, title="Lens", description="Its focal length.", examples=["85mm"])


class Style(BaseModel):
    """Describe words that the prompts of many shots share."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    before: Text | None = Field(default=None, title="Before", description="Words in front of each prompt.")
    after: Text | None = Field(
        default=None, title="After", description="Words behind each prompt.", examples=["watercolour, soft light"]
    )
    negative_prompt: Text | None = Field(
        default=None,
        title="Negative prompt",
        description="What must not be seen, beside the shots' own. Without either: the workflow's text.",
        examples=["text, watermark"],
    )


class Element(BaseModel):
    """Describe a character or a location that must look the same in all of its shots."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    prompt: Text | None = Field(
        default=None,
        title="Prompt",
        description="How it looks, in words that the model understands.",
        examples=["a girl of ten in a red raincoat"],
    )
    references: Annotated[tuple[Reference, ...], BeforeValidator(none_as(()))] = Field(
        default=(), title="References", description="Pictures of it; they follow the shot's own."
    )
    overrides: Overrides = Field(default_factory=dict)


StyleField = Annotated[
    Style | None,
    text_as("after"),
    Field(title="Style", description="Words around prompts, and a negative prompt; a text stands behind prompts."),
]
Elements = Annotated[
    dict[ElementName, Annotated[Element, BeforeValidator(none_as({})), text_as("prompt")]], ReferenceIds
]
Characters = Annotated[
    Elements,
    Field(
        title="Characters",
        description="By name. A prompt uses one as @NAME, a shot by its cast.",
        examples=[{"MEI": {"prompt": "a girl of ten in a red raincoat", "references": ["mei.jpg"]}}],
    ),
]
Locations = Annotated[
    Elements,
    Field(
        title="Locations",
        description="By name. A prompt uses one as @NAME, a shot by its location.",
        examples=[{"pier": "a wooden pier under a single lamp"}],
    ),
]


class Sequence(BaseModel):
    """Describe what the shots of a sequence share; what a shot says itself wins."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    style: StyleField = None
    characters: Characters = Field(default_factory=dict)
    locations: Locations = Field(default_factory=dict)
    workflow: WorkflowName = None
    passes: Passes = None
    overrides: Overrides = Field(default_factory=dict)
    width: Width = None
    height: Height = None
    takes: Takes = None
    qc: QC = None


Sequences = Annotated[
    dict[Line, Annotated[Sequence, BeforeValidator(none_as({}))]],
    BeforeValidator(none_as({})),
    Field(
        title="Sequences",
        description="What the shots of each sequence share, by its name.",
        examples=[{"SQ010": {"style": "at night, rain", "width": 1024, "height": 576}}],
    ),
]
Workflows = Annotated[
    dict[Line, LineOfText | dict[str, UnknownField]],
    BeforeValidator(none_as({})),
    Field(
        title="Workflows",
        description="Paths or URLs of workflows, or settings, by the names that shots and sequences use.",
        examples=[{"sketch": "sketch.json"}],
    ),
]


class Look(Sequence):
    """Describe how films look, in a file that many lists share: what all shots do, and more for each sequence."""

    sequences: Sequences = Field(default_factory=dict)
    workflows: Workflows = Field(default_factory=dict)
    prompt_template: TemplateField = None
