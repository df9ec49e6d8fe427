"""Define the models of a shot list.

Prefect generates a flow's parameter form from their JSON schema, hence the titles, descriptions and examples. All
models keep unknown fields.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from previs.shots.aspect import ratio_as_text, usable_aspect
from previs.shots.fields import (
    HIGHEST_FPS,
    LONGEST_SHOT,
    MOST_SHOTS,
    QC,
    CameraText,
    FilmText,
    Height,
    Names,
    Number,
    Overrides,
    Paths,
    Seed,
    ShotId,
    Takes,
    TemplateField,
    Text,
    UnknownField,
    Width,
    WorkflowName,
)
from previs.shots.parts import Camera, Characters, Locations, Look, Reference, Sequences, StyleField, Workflows
from previs.shots.passes import Passes
from previs.shots.prompts import PLACEHOLDERS, make_prompt
from previs.shots.rules import is_blank, none_as, number_as_text, repeats, same_name, visible

_MOST_LOOKS = 10


@dataclass(frozen=True, slots=True)
class SheetPicks:
    """Hold the picks in the sheet of a board.

    Attributes:
        board: Name of the board; empty if the sheet does not name it.
        cells: Cell of the pick, as it is and as previs wrote it, by shot_id as text.
    """

    board: str = ""
    cells: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Shot(BaseModel):
    """Describe one framing of one moment: the unit that is rendered, cached and retried."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

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
    camera: Annotated[Camera, CameraText] = Field(
        default=Camera(),
        title="Framing",
        description="How it is framed: size, angle, movement, lens.",
    )
    dialogue: FilmText = Field(default=None, title="Dialogue", description="What is said.", examples=["MEI: Wait!"])
    sound: FilmText = Field(default=None, title="Sound", description="What is heard.", examples=["rain, a horn"])
    scene: FilmText = Field(default=None, title="Scene", description="Number of its scene.", examples=["12"])
    cast: Names = Field(
        default=(), title="Cast", description="Names of the characters who are seen.", examples=[["MEI"]]
    )
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
    seed: Seed = None
    takes: Takes = None
    qc: QC = None
    width: Width = None
    height: Height = None
    workflow: WorkflowName = None
    passes: Passes = None
    overrides: Overrides = Field(default_factory=dict)
    sequence: Annotated[Text, BeforeValidator(number_as_text)] | None = Field(
        default=None, title="Sequence", description="The scene or sequence it belongs to.", examples=["SQ010"]
    )
    style: StyleField = None
    characters: Characters = Field(default_factory=dict)
    locations: Locations = Field(default_factory=dict)
    notes: Text | None = Field(default=None, title="Notes", description="For people; no model sees them.")

    # The shot as given, if this one has another prompt or what looks give it.
    _as_given: "Shot | None" = PrivateAttr(default=None)
    _uses: tuple[str, ...] = PrivateAttr(default=())

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

    @model_serializer(mode="wrap")
    def _serialized(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the shot as given: whoever reads it again applies the looks again."""
        dumped: dict[str, Any] = serialize(self.as_given())
        return dumped

    @property
    def label(self) -> str:
        """Return the shot_id as text, as names, captions and URLs use it."""
        return str(self.shot_id)

    def given(self) -> dict[str, Any]:
        """Return the shot as given, ready for JSON: without defaults, with unknown fields.

        A seed of -1 becomes null, which means the same. The prompt is that of the list, not that of its template.
        """
        return self.model_dump(mode="json", exclude_unset=True)

    def as_given(self) -> "Shot":
        """Return the shot as the list has it."""
        return self._as_given or self

    @property
    def uses(self) -> tuple[str, ...]:
        """Return what the shot takes from looks: names of elements, ``the style``, ``sequence SQ010``, a workflow."""
        return self._uses

    def worded(self, template: str | None, texts: Mapping[str, str] = MappingProxyType({})) -> "Shot":
        """Return the shot with the prompt that a template makes of it; see :mod:`previs.shots.prompts`.

        Args:
            template: Template of the list.
            texts: Texts that replace ``prompt`` and ``description``.
        """
        given = self.as_given()
        if template is None and given.prompt and not texts:
            return given
        values: dict[str, str] = {
            name: getattr(given, name) or "" for name in PLACEHOLDERS if name in Shot.model_fields
        }
        camera = {name: getattr(given.camera, name) or "" for name in Camera.model_fields}
        return given.looking({"prompt": make_prompt({**values, **texts, **camera}, template)})

    def looking(self, changes: Mapping[str, Any], uses: Iterable[str] = ()) -> "Shot":
        """Return the shot with what looks change in it, and what it uses of them."""
        made = self.model_copy(update=dict(changes))
        made._as_given, made._uses = self.as_given(), tuple(uses)  # noqa: SLF001 - of the same class
        return made


class ShotList(BaseModel):
    """Describe the shots of a film, in their order."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, UnknownField]

    title: Annotated[Text, BeforeValidator(none_as(""))] = Field(
        default="", title="Title", description="Title of the film or the scene.", examples=["Night City"]
    )
    lang: Literal["en", "zh"] | None = Field(
        default=None,
        title="Language",
        description="Of the board's page: en or zh. Empty: that of most prompts.",
        examples=["zh"],
    )
    fps: Annotated[Number, BeforeValidator(none_as(24))] = Field(
        default=24,
        title="Frames per second",
        description="Frame rate of the film.",
        gt=0,
        le=HIGHEST_FPS,
        examples=[24, 25, 23.976],
    )
    aspect: Annotated[Text, BeforeValidator(ratio_as_text), AfterValidator(usable_aspect)] | None = Field(
        default=None,
        title="Aspect",
        description="Of the animatic's picture: 16:9, 2.39:1, or a size. Empty: 16:9.",
        examples=["16:9", "2.39:1", "1920x1080"],
    )
    prompt_template: TemplateField = None
    look: Annotated[Paths, Field(max_length=_MOST_LOOKS)] = Field(
        default=(),
        title="Look",
        description="Path or URL of a file with style, characters and more that many lists share; or several.",
        examples=["film.look.yaml"],
    )
    style: StyleField = None
    characters: Characters = Field(default_factory=dict)
    locations: Locations = Field(default_factory=dict)
    sequences: Sequences = Field(default_factory=dict)
    workflows: Workflows = Field(default_factory=dict)
    workflow: WorkflowName = None
    passes: Passes = None
    overrides: Overrides = Field(default_factory=dict)
    width: Width = None
    height: Height = None
    takes: Takes = None
    qc: QC = None
    shots: tuple[Shot, ...] = Field(
        title="Shots", description="In the order of the film.", min_length=1, max_length=MOST_SHOTS
    )

    # Sentences on how the list was read.
    _notices: tuple[str, ...] = PrivateAttr(default=())
    _columns: dict[str, str] = PrivateAttr(default_factory=dict)
    _looks: dict[str, Any] = PrivateAttr(default_factory=dict)
    _look_files: tuple[Look, ...] = PrivateAttr(default=())
    _named_workflows: dict[str, Any] = PrivateAttr(default_factory=dict)
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

    def with_notice(self, notice: str) -> "ShotList":
        """Return the list with one more sentence on how it was read."""
        return self.noted((*self._notices, notice), self._columns, self._picks)

    @property
    def looks(self) -> dict[str, Any]:
        """Return what the looks say, by the names in :attr:`Shot.uses`."""
        return dict(self._looks)

    @property
    def look_files(self) -> tuple[Look, ...]:
        """Return the look files of the list that were applied."""
        return self._look_files

    @property
    def named_workflows(self) -> dict[str, Any]:
        """Return the paths, URLs or settings of workflows by name, those of look files included."""
        return {**self._named_workflows, **self.workflows}

    def looking(self, looks: Mapping[str, Any], files: Iterable[Look]) -> "ShotList":
        """Return the list with what its looks say, and the look files among them, the nearest first."""
        made, of_list = self.model_copy(), tuple(files)
        workflows = {name: workflow for each in reversed(of_list) for name, workflow in each.workflows.items()}
        made._looks, made._look_files, made._named_workflows = dict(looks), of_list, workflows  # noqa: SLF001 - of the same class
        return made

    def given(self) -> dict[str, Any]:
        """Return the list as a JSON file holds it: what was given, under the names of fields."""
        return self.given_fields() | {"shots": [shot.given() for shot in self.shots]}

    def given_fields(self, exclude: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the fields of the list as given, ready for JSON, without its shots and those to exclude."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"shots", *exclude})

    @model_validator(mode="after")
    def _each_shot_once(self) -> Self:
        if any(True for _ in repeats(same_name(shot.label) for shot in self.shots)):
            raise PydanticCustomError("twice", "two shots have one shot_id")
        return self
