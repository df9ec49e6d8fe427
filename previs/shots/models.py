"""What a shot list is made of.

A flow's parameter form is generated from the JSON schema of these models, hence the titles, descriptions and examples.
Unknown fields are kept on all three.
"""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from previs.shots.rules import (
    LONGEST_SHOT_ID,
    as_json,
    number_as_text,
    one_line,
    random_as_none,
    repeats,
    same_name,
    usable_shot_id,
    visible,
    whole,
)

LONGEST_SHOT = 86_400  # seconds: a day; timecode has no more hours
LARGEST_SEED = 2**64 - 1  # ComfyUI's samplers take no more
LARGEST_SIDE = 16_384  # pixels: ComfyUI's MAX_RESOLUTION
STRONGEST = 10  # ControlNetApplyAdvanced takes 0 to 10
MOST_TAKES = 1_000
HIGHEST_FPS = 1_000

_Unknown = Annotated[JsonValue, AfterValidator(as_json), WithJsonSchema({})]
_Text = Annotated[str, Field(strict=True), AfterValidator(whole)]
_Line = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(number_as_text), AfterValidator(one_line)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Whole = Annotated[int, Field(strict=True)]
_ShotId = Annotated[
    _Whole | Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_SHOT_ID)],
    BeforeValidator(usable_shot_id),
]


class Reference(BaseModel):
    """A picture that a shot is to look like, or to take its lines from."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _Unknown]

    url: Annotated[_Text, AfterValidator(one_line)] = Field(
        title="Picture",
        description="A path, s3:// or https:// address, or a name relative to the shot list's own place.",
        min_length=1,
        examples=["references/alley.jpg", "https://example.com/alley.jpg"],
    )
    reference_id: _Line = Field(
        title="Reference ID", description="Names the reference; once within a shot.", examples=["ref_1"]
    )
    strength: _Number | None = Field(
        default=None,
        title="Strength",
        description="How strongly it holds: 0 not at all, 1 fully, up to 10. Empty: as the workflow says.",
        ge=0,
        le=STRONGEST,
        examples=[0.8],
    )
    role: _Line | None = Field(
        default=None,
        title="Role",
        description="What it is for, where a workflow takes pictures for several things. Empty: what is left for it.",
        examples=["first frame", "style", "control"],
    )


class Shot(BaseModel):
    """One framing of one moment: the unit that is rendered, cached and retried."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _Unknown]

    shot_id: _ShotId = Field(
        title="Shot ID",
        description="A whole number or text, once within the list; 1 and the text 1 are one id.",
        examples=[1, "SQ010_SH010"],
    )
    prompt: Annotated[_Text, AfterValidator(visible)] = Field(
        title="Prompt",
        description="What the camera sees, in the words that the model understands.",
        min_length=1,
        examples=["电影风格，广角镜头，城市夜景", "low angle, rain on neon, a woman under a red umbrella"],
    )
    references: tuple[Reference, ...] = Field(
        default=(), title="References", description="Pictures to follow, the most important first."
    )
    duration: _Number = Field(
        title="Duration",
        description="How long the shot is on screen, in seconds.",
        gt=0,
        le=LONGEST_SHOT,
        examples=[3.0],
    )
    negative_prompt: _Text | None = Field(
        default=None,
        title="Negative prompt",
        description="What must not be seen. Empty: as the workflow says.",
        examples=["low quality, blurry"],
    )
    seed: Annotated[_Whole | None, BeforeValidator(random_as_none)] = Field(
        default=None,
        title="Seed",
        description="Fixes the picture. Empty or -1: derived from the shot, so the same list gives the same board.",
        ge=0,
        le=LARGEST_SEED,
        json_schema_extra={"anyOf": [{"type": "integer", "minimum": -1, "maximum": LARGEST_SEED}, {"type": "null"}]},
        examples=[42],
    )
    takes: _Whole | None = Field(
        default=None,
        title="Takes",
        description="How many renderings of this shot. Empty: as the run says.",
        ge=1,
        le=MOST_TAKES,
        examples=[2],
    )
    width: _Whole | None = Field(
        default=None,
        title="Width",
        description="In pixels. Empty: as the workflow says.",
        gt=0,
        le=LARGEST_SIDE,
        examples=[1024],
    )
    height: _Whole | None = Field(
        default=None,
        title="Height",
        description="In pixels. Empty: as the workflow says.",
        gt=0,
        le=LARGEST_SIDE,
        examples=[576],
    )
    overrides: dict[Annotated[_Text, AfterValidator(one_line)], _Unknown] = Field(
        default_factory=dict,
        title="Overrides",
        description="Inputs of the workflow's nodes for this shot, by node id or title, whatever else sets them.",
        examples=[{"4.ckpt_name": "sd_xl_base_1.0.safetensors", "KSampler.steps": 40}],
    )
    sequence: Annotated[_Text, BeforeValidator(number_as_text)] | None = Field(
        default=None, title="Sequence", description="The scene or sequence it belongs to.", examples=["SQ010"]
    )
    notes: _Text | None = Field(default=None, title="Notes", description="For people; no model sees them.")

    @field_validator("references", mode="before")
    @classmethod
    def _none_given(cls, value: object) -> object:
        return () if value is None else value

    @field_validator("overrides", mode="before")
    @classmethod
    def _none_overridden(cls, value: object) -> object:
        return {} if value is None else value

    @model_validator(mode="after")
    def _each_reference_once(self) -> Self:
        if any(True for _ in repeats(same_name(reference.reference_id) for reference in self.references)):
            raise PydanticCustomError("twice", "two references of a shot have one reference_id")
        return self

    @property
    def label(self) -> str:
        """The shot_id as text, as it stands in names, captions and addresses."""
        return str(self.shot_id)

    def given(self) -> dict[str, Any]:
        """The shot as it was given, ready for JSON: no defaults, unknown fields included.

        A seed of -1 comes out as null, which means the same.
        """
        return self.model_dump(mode="json", exclude_unset=True)


class ShotList(BaseModel):
    """What to draw: the shots of a film, in their order."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _Unknown]

    title: _Text = Field(default="", title="Title", description="Of the film or the scene.", examples=["Night City"])
    fps: _Number = Field(
        default=24,
        title="Frames per second",
        description="Of the film.",
        gt=0,
        le=HIGHEST_FPS,
        examples=[24, 25, 23.976],
    )
    shots: tuple[Shot, ...] = Field(title="Shots", description="In the order of the film.", min_length=1)

    @field_validator("title", mode="before")
    @classmethod
    def _no_title(cls, value: object) -> object:
        return "" if value is None else value

    @field_validator("fps", mode="before")
    @classmethod
    def _usual_fps(cls, value: object) -> object:
        return 24 if value is None else value

    @model_validator(mode="after")
    def _each_shot_once(self) -> Self:
        if any(True for _ in repeats(same_name(shot.label) for shot in self.shots)):
            raise PydanticCustomError("twice", "two shots have one shot_id")
        return self
