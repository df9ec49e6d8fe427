"""Define workflow settings, the few values from which a graph of ComfyUI's own nodes is built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.workflow.binding import limits
from previs.workflow.binding.addresses import AddressFinder
from previs.workflow.binding.bindings import STAYS, BindingRow, Report, rows
from previs.workflow.binding.interface import PlacedReference, ShotValues
from previs.workflow.binding.overrides import overridden, with_overrides
from previs.workflow.detection.roles import ROLES, role_named, serves
from previs.workflow.formats import samplers
from previs.workflow.prompt_syntax import unread_syntax
from previs.workflow.settings.build import ImageSettings, bindings_of, build_graph

OWN_RULE = "workflow_setting"
"""Type of validation errors that carry their remedy."""

_START_SHARE = 0.5

Name = Annotated[str, Field(pattern=r"\S")]
Size = Annotated[int, Field(ge=limits.SIZE_MIN, le=limits.SIZE_MAX, multiple_of=limits.SIZE_STEP)]


def _names_offered(names: Sequence[str], *, none: bool = False) -> Callable[[dict[str, Any]], None]:
    """Make a form offer names beside a field for any other."""

    def offer(schema: dict[str, Any]) -> None:
        schema.pop("type", None)
        any_other = [{"type": "string"}, *([{"type": "null"}] if none else [])]
        schema["anyOf"] = [{"enum": list(names), "type": "string", "title": "one of"}, *any_other]

    return offer


class WorkflowSettings(BaseModel):
    """Describe text to image, ControlNet on references, or image to image.

    Only ``checkpoint`` is required. With references and a ``controlnet``, each reference's edges guide the picture.
    With a reference and no ``controlnet``, the picture starts from it, and ``denoise`` is the share that is repainted.
    Its default is ``1 - strength / 2``: strength 0 keeps nothing of the reference, strength 1 keeps its layout and
    colours. A reference's own strength takes precedence over ``denoise``, and ``denoise`` over ``reference_strength``.
    Without a reference, ``denoise`` has no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    checkpoint: Name = Field(description="Model file, as the servers list it.")
    width: Size = Field(1024, description="In pixels; a shot's own takes precedence.")
    height: Size = Field(576, description="In pixels; a shot's own takes precedence.")
    steps: int = Field(30, ge=1, le=limits.STEPS_MAX)
    cfg_scale: float = Field(7.5, ge=0, le=limits.CFG_MAX, description="How closely the picture follows the prompt.")
    sampler: str = Field(
        "euler_ancestral",
        description="ComfyUI's name, or another tool's: DPM++ 2M Karras.",
        json_schema_extra=_names_offered(samplers.SAMPLERS),
    )
    scheduler: str | None = Field(
        None,
        description="By default, what the sampler's name implies, or normal.",
        json_schema_extra=_names_offered(samplers.SCHEDULERS, none=True),
    )
    controlnet: Name | None = Field(None, description="ControlNet model for edges (canny) of the references.")
    reference_images: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (), description="Pictures that go with every shot, after the shot's own."
    )
    reference_strength: float = Field(
        0.8, ge=0, le=limits.STRENGTH_MAX, description="Strength of references without their own."
    )
    negative_prompt: str = Field("low quality, blurry", description="A shot's own takes precedence.")
    batch_size: int = Field(1, ge=1, le=limits.BATCH_MAX, description="Frames per take.")
    denoise: float | None = Field(
        None, gt=0, le=1, description="Share of the start picture that is repainted; image to image only."
    )

    _source: str = PrivateAttr("the workflow settings")

    @property
    def source(self) -> str:
        """Return the name for people."""
        return self._source

    def named(self, source: str) -> Self:
        """Return a copy with another name for people."""
        copy = self.model_copy()
        copy._source = source  # noqa: SLF001 - of the same class
        return copy

    @property
    def packs(self) -> Mapping[str, str]:
        """Return no packs: settings use only ComfyUI's own nodes."""
        return {}

    @field_validator("sampler")
    @classmethod
    def _known_sampler(cls, sampler: str) -> str:
        if samplers.read_sampler(sampler) is None:
            raise _own_rule(samplers.sampler_remedy(sampler))
        return sampler

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, name: str | None) -> str | None:
        if name is not None and not samplers.is_automatic(name) and samplers.read_scheduler(name) is None:
            raise _own_rule(samplers.scheduler_remedy(name))
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = tuple(self._contradictions())
        if faults:
            remedy = "; ".join(str(fault) for fault in faults)
            raise PydanticCustomError(OWN_RULE, "{remedy}", {"remedy": remedy, "faults": faults})
        return self

    def _contradictions(self) -> Iterator[Fault]:
        try:
            samplers.sampler_and_scheduler(self.sampler, self.scheduler)
        except WorkflowFaults as contradiction:
            yield from contradiction.faults
        if self.controlnet is not None and self.denoise is not None and self.denoise < 1:
            remedy = "a picture guided by a controlnet starts from noise: remove denoise or controlnet"
            yield Fault("settings", "denoise", format_value(self.denoise), remedy)
        if self.controlnet is None:
            yield from self._one_start(len(self.reference_images), "settings", "reference_images")

    def fit_seed(self, seed: int) -> int:
        """Return the seed: the graph takes all of ComfyUI's."""
        return seed

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Build the graph of one take, whose references end with :attr:`reference_images`.

        Raises:
            WorkflowFaults: A size, seed or strength is invalid, references are too many, or an override has no input.
        """
        faults = tuple(self._faults(values, place))
        if faults:
            raise WorkflowFaults(self.source, faults)
        graph = self._graph(values)
        return with_overrides(graph, values.overrides, source=self.source, place=place, bindings=bindings_of(graph))

    def report(self, values: ShotValues | None = None, *, place: str = "the workflow") -> Report:
        """Report which inputs of the graph take which values; without values of a take, only present ones.

        Raises:
            WorkflowFaults: As :meth:`bind` does.
        """
        if values is None:
            graph = self._graph(_NO_VALUES)
            return Report(_without_shot_values(rows(graph, bindings_of(graph), {}, {})), ())
        bound = self.bind(values, place=place)
        own = self._graph(replace(_NO_VALUES, references=values.references))
        bindings, given = bindings_of(own), _given(values)
        overrides = overridden(AddressFinder(own), values.overrides, place=place, bindings=bindings, faults=[])
        coming = {each.slot: bound[each.node_id]["inputs"][each.input] for each in bindings if each.what in given}
        notices = unread_syntax(values.prompt, values.negative_prompt, {node["class_type"] for node in bound.values()})
        return Report(_without_shot_values(rows(own, bindings, coming, overrides)), tuple(notices))

    def _graph(self, values: ShotValues) -> Graph:
        sampler, scheduler = samplers.sampler_and_scheduler(self.sampler, self.scheduler)
        own_negative = values.negative_prompt
        picture = ImageSettings(
            checkpoint=self.checkpoint,
            prompt=values.prompt,
            negative_prompt=self.negative_prompt if own_negative is None else own_negative,
            seed=values.seed,
            width=self.width if values.width is None else values.width,
            height=self.height if values.height is None else values.height,
            steps=self.steps,
            cfg=self.cfg_scale,
            sampler=sampler,
            scheduler=scheduler,
            batch_size=self.batch_size,
            denoise=self._denoise(values.references),
            controlnet=self.controlnet,
            references=tuple((reference.name, self._strength(reference)) for reference in values.references),
        )
        return build_graph(picture)

    def _strength(self, reference: PlacedReference) -> float:
        return float(self.reference_strength if reference.strength is None else reference.strength)

    def _denoise(self, references: tuple[PlacedReference, ...]) -> float:
        """Return the share that is repainted, rounded so that equal settings give equal graphs."""
        if self.controlnet is not None or not references:
            return 1.0
        start = references[0]
        if start.strength is None and self.denoise is not None:
            return self.denoise
        return round(1 - self._strength(start) * _START_SHARE, 4)

    def _faults(self, values: ShotValues, place: str) -> Iterator[Fault]:
        checks = [limits.seed_fault(place, values.seed)]
        if values.width is not None:
            checks.append(limits.size_fault(place, "width", values.width))
        if values.height is not None:
            checks.append(limits.size_fault(place, "height", values.height))
        highest = 1 if self.controlnet is None else limits.STRENGTH_MAX
        explicit_share = self.controlnet is None and self.denoise is not None
        for reference in values.references:
            if reference.strength is not None or not explicit_share:
                strength = self._strength(reference)
                checks.append(limits.strength_fault(place, reference.reference_id, strength, highest))
        yield from (fault for fault in checks if fault is not None)
        yield from self._role_faults(values.references, place)
        if values.references and self.controlnet is None:
            yield from self._one_start(len(values.references), place, "references")
            if self.batch_size > limits.REPEAT_MAX:
                remedy = f"a picture that starts from a reference can be repeated {limits.REPEAT_MAX} times at most"
                yield Fault(place, "batch_size", format_value(self.batch_size), remedy)

    def _role_faults(self, references: tuple[PlacedReference, ...], place: str) -> Iterator[Fault]:
        """Report roles that the settings' graph has no input for."""
        role = "start" if self.controlnet is None else "control"
        for reference in references:
            if reference.role is not None and not serves(role, role_named(reference.role) or ""):
                unknown = "" if role_named(reference.role) else f"no such role; the roles are {', '.join(ROLES)}; "
                other = " (with a controlnet: control)" if self.controlnet is None else " (without a controlnet: start)"
                remedy = f"{unknown}with these settings a reference is a {role}{other}; other roles need a saved graph"
                yield Fault(place, f"reference {reference.reference_id}, role", format_value(reference.role), remedy)

    def _one_start(self, count: int, place: str, field: str) -> Iterator[Fault]:
        if count > 1:
            remedy = (
                "without a controlnet a picture starts from one reference: name a controlnet, or keep one reference"
            )
            yield Fault(place, field, f"{count} references", remedy)


_NO_VALUES = ShotValues("", None, 0)
# Settings hold no value for these; every shot brings its own.
_SET_BY_SHOTS = ("prompt", "seed", "reference")


def _given(values: ShotValues) -> set[str]:
    """Return the names of the values that a shot brings."""
    optional = {
        "negative_prompt": values.negative_prompt,
        "width": values.width,
        "height": values.height,
        "reference": values.references or None,
        "strength": values.references or None,
    }
    return {"prompt", "seed", *(what for what, value in optional.items() if value is not None)}


def _without_shot_values(lines: tuple[BindingRow, ...]) -> tuple[BindingRow, ...]:
    return tuple(replace(line, now=STAYS) if line.what.startswith(_SET_BY_SHOTS) else line for line in lines)


def _own_rule(remedy: str) -> PydanticCustomError:
    return PydanticCustomError(OWN_RULE, "{remedy}", {"remedy": remedy})
