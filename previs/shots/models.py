"""Define the models of a shot list.

Prefect generates a flow's parameter form from their JSON schema, hence the titles, descriptions and examples. All
models keep unknown fields.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from previs.shots.field_types import (
    FilmText,
    Line,
    LineOfText,
    Number,
    ShotId,
    Template,
    Text,
    Unknown,
    Whole,
    Word,
    camera_or_words,
)
from previs.shots.prompts import PLACEHOLDERS, make_prompt
from previs.shots.rules import (
    is_blank,
    none_as,
    number_as_text,
    random_as_none,
    repeats,
    same_name,
    visible,
)

LONGEST_SHOT = 86_400  # seconds: one day, the longest timecode
LARGEST_SEED = 2**64 - 1  # the most that ComfyUI's samplers accept
LARGEST_SIDE = 16_384  # pixels: ComfyUI's MAX_RESOLUTION
STRONGEST = 10  # ControlNetApplyAdvanced accepts 0 to 10
MOST_TAKES = 1_000
HIGHEST_FPS = 1_000
MOST_SHOTS = 100_000


@dataclass(frozen=True, slots=True)
class SheetPicks:
    """Hold the picks in the sheet of a board.

    Attributes:
        board: Name of the board; empty if the sheet does not name it.
        cells: Cell of the pick, as it is and as previs wrote it, by shot_id as text.
    """

    board: str = ""
    cells: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Reference(BaseModel):
    """Describe a picture that guides how a shot looks."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Unknown]

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
    __pydantic_extra__: dict[str, Unknown]

    size: Word = Field(
        default=None, title="Size", description="How much of the scene it shows.", examples=["close-up", "CU", "特写"]
    )
    angle: Word = Field(default=None, title="Angle", description="From where it looks.", examples=["low angle", "俯拍"])
    movement: Word = Field(
        default=None, title="Movement", description="How the camera moves.", examples=["dolly in", "推"]
    )
    lens: Word = Field(default=None, title="Lens", description="Its focal length.", examples=["85mm"])


class Shot(BaseModel):
    """Describe one framing of one moment: the unit that is rendered, cached and retried."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Unknown]

    shot_id: ShotId = Field(
        title="Shot ID",
        description="A whole number or text, unique within the list; 1 and the text 1 are the same id.",
        examples=[1, "SQ010_SH010"],
    )
    prompt: Annotated[Text, AfterValidator(visible)] = Field(
        default="",
        title="Prompt",
        description="What the camera sees, in words that the model understands. Empty: made of description and camera.",
        min_length=1,
        examples=["电影风格，广角镜头，城市夜景", "low angle, rain on neon, a woman under a red umbrella"],
    )
    references: Annotated[tuple[Reference, ...], BeforeValidator(none_as(()))] = Field(
        default=(), title="References", description="Pictures to follow, the most important first."
    )
    duration: Number = Field(
        title="Duration",
        description="How long the shot is on screen, in seconds.",
        gt=0,
        le=LONGEST_SHOT,
        examples=[3.0],
    )
    description: Text | None = Field(
        default=None,
        title="Description",
        description="What happens, for people. Without a prompt, the model gets it, with the camera's words.",
        examples=["Fog over the pier; a ferry's horn."],
    )
    camera: Annotated[Camera, BeforeValidator(camera_or_words)] = Field(
        default=Camera(),
        title="Framing",
        description="How it is framed: size, angle, movement, lens.",
    )
    dialogue: FilmText = Field(default=None, title="Dialogue", description="What is said.", examples=["MEI: Wait!"])
    sound: FilmText = Field(default=None, title="Sound", description="What is heard.", examples=["rain, a horn"])
    scene: FilmText = Field(default=None, title="Scene", description="Number of its scene.", examples=["12"])
    location: FilmText = Field(default=None, title="Location", description="Where it plays.", examples=["pier"])
    time_of_day: FilmText = Field(default=None, title="Time of day", description="When it plays.", examples=["night"])
    transition: FilmText = Field(
        default=None, title="Transition", description="How it goes over to the next shot.", examples=["dissolve"]
    )
    negative_prompt: Text | None = Field(
        default=None,
        title="Negative prompt",
        description="What must not be seen. Empty: the workflow's text.",
        examples=["low quality, blurry"],
    )
    seed: Annotated[Whole | None, BeforeValidator(random_as_none)] = Field(
        default=None,
        title="Seed",
        description="Fixes the picture. Empty or -1: derived from the shot, so the same list gives the same board.",
        ge=0,
        le=LARGEST_SEED,
        json_schema_extra={"anyOf": [{"type": "integer", "minimum": -1, "maximum": LARGEST_SEED}, {"type": "null"}]},
        examples=[42],
    )
    takes: Whole | None = Field(
        default=None,
        title="Takes",
        description="How many takes of this shot to render. Empty: the run's number.",
        ge=1,
        le=MOST_TAKES,
        examples=[2],
    )
    width: Whole | None = Field(
        default=None,
        title="Width",
        description="In pixels. Empty: the workflow's value.",
        gt=0,
        le=LARGEST_SIDE,
        examples=[1024],
    )
    height: Whole | None = Field(
        default=None,
        title="Height",
        description="In pixels. Empty: the workflow's value.",
        gt=0,
        le=LARGEST_SIDE,
        examples=[576],
    )
    overrides: Annotated[dict[LineOfText, Unknown], BeforeValidator(none_as({}))] = Field(
        default_factory=dict,
        title="Overrides",
        description="Inputs of the workflow's nodes, by node id or title. They override every other setting.",
        examples=[{"4.ckpt_name": "sd_xl_base_1.0.safetensors", "KSampler.steps": 40}],
    )
    sequence: Annotated[Text, BeforeValidator(number_as_text)] | None = Field(
        default=None, title="Sequence", description="The scene or sequence it belongs to.", examples=["SQ010"]
    )
    notes: Text | None = Field(default=None, title="Notes", description="For people; no model sees them.")

    # The shot as given, if this one has another prompt.
    _as_given: "Shot | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _says_what_is_seen(self) -> Self:
        if not self.prompt and is_blank(self.description or ""):
            raise PydanticCustomError("no_prompt", "a shot needs a prompt or a description")
        return self

    @model_validator(mode="after")
    def _each_reference_once(self) -> Self:
        if any(True for _ in repeats(same_name(reference.reference_id) for reference in self.references)):
            raise PydanticCustomError("twice", "two references of a shot have one reference_id")
        return self

    @property
    def label(self) -> str:
        """Return the shot_id as text, as names, captions and URLs use it."""
        return str(self.shot_id)

    def given(self) -> dict[str, Any]:
        """Return the shot as given, ready for JSON: without defaults, with unknown fields.

        A seed of -1 becomes null, which means the same. The prompt is that of the list, not that of its template.
        """
        return (self._as_given or self).model_dump(mode="json", exclude_unset=True)

    def worded(self, template: str | None) -> "Shot":
        """Return the shot with the prompt that a list's template makes of it; see :mod:`previs.shots.prompts`."""
        given = self._as_given or self
        if template is None and given.prompt:
            return given
        values = {name: getattr(given, name) or "" for name in PLACEHOLDERS if name in Shot.model_fields}
        camera = {name: getattr(given.camera, name) or "" for name in Camera.model_fields}
        made = given.model_copy(update={"prompt": make_prompt(values | camera, template)})
        made._as_given = given  # noqa: SLF001 - of the same class
        return made


class ShotList(BaseModel):
    """Describe the shots of a film, in their order."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Unknown]

    title: Annotated[Text, BeforeValidator(none_as(""))] = Field(
        default="", title="Title", description="Title of the film or the scene.", examples=["Night City"]
    )
    fps: Annotated[Number, BeforeValidator(none_as(24))] = Field(
        default=24,
        title="Frames per second",
        description="Frame rate of the film.",
        gt=0,
        le=HIGHEST_FPS,
        examples=[24, 25, 23.976],
    )
    prompt_template: Template = Field(
        default=None,
        title="Prompt template",
        description="Makes every prompt, such as {size}, {prompt}. Empty: the prompt, or description and camera.",
        examples=["{size}, {angle}, {prompt}"],
    )
    shots: tuple[Shot, ...] = Field(
        title="Shots", description="In the order of the film.", min_length=1, max_length=MOST_SHOTS
    )

    # Sentences on how the list was read.
    _notices: tuple[str, ...] = PrivateAttr(default=())
    _columns: dict[str, str] = PrivateAttr(default_factory=dict)
    _picks: SheetPicks = PrivateAttr(default=SheetPicks())

    @property
    def notices(self) -> tuple[str, ...]:
        """Return sentences on how the list was read, such as a guessed encoding or skipped rows."""
        return self._notices

    @property
    def columns(self) -> dict[str, str]:
        """Return the name of each field's column, if the list was read from a sheet."""
        return dict(self._columns)

    @property
    def picks(self) -> SheetPicks:
        """Return the picks beside the shots, if the list was read from the sheet of a board."""
        return self._picks

    def noted(self, notices: Iterable[str], columns: dict[str, str], picks: SheetPicks = SheetPicks()) -> "ShotList":
        """Return the list with what is to be said of how it was read."""
        made = self.model_copy()
        made._notices, made._columns, made._picks = tuple(notices), dict(columns), picks  # noqa: SLF001 - of the same class
        return made

    def given(self) -> dict[str, Any]:
        """Return the list as a JSON file holds it: what was given, under the names of fields."""
        given = self.model_dump(mode="json", exclude_unset=True, exclude={"shots"})
        return given | {"shots": [shot.given() for shot in self.shots]}

    @model_validator(mode="after")
    def _each_shot_once(self) -> Self:
        if any(True for _ in repeats(same_name(shot.label) for shot in self.shots)):
            raise PydanticCustomError("twice", "two shots have one shot_id")
        return self
