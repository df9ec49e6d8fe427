"""Read scripts: what goes wrong with a server, and when."""

import difflib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from previs.simulator.faults import Faults, Seconds

Moment = Literal["after_seconds", "after_prompts", "after_requests", "after_frames"]
MOMENTS: tuple[Moment, ...] = ("after_seconds", "after_prompts", "after_requests", "after_frames")

_FAULTS = get_type_hints(Faults, include_extras=True)
_LONGEST_VALUE = 60
_UNKNOWN = "extra_forbidden"
_NEEDED = {"tuple_type": "a list is needed", "model_type": "an object is needed", "dict_type": "an object is needed"}


def _some_faults(_: object, handler: GetCoreSchemaHandler) -> CoreSchema:
    schemas = {name: handler.generate_schema(kind) for name, kind in _FAULTS.items()}
    fields = {name: core_schema.typed_dict_field(schema, required=False) for name, schema in schemas.items()}
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid", config={"strict": True})


Number = Annotated[int, Field(ge=1)]


class Cue(BaseModel):
    """Describe one thing that a script does to a server, once.

    Exactly one of the first four attributes says when. Counts begin when the server is first served; a restart does not
    reset them.

    Attributes:
        after_seconds: Seconds of serving.
        after_prompts: Number of prompts that have started; the cue already affects the last of them.
        after_requests: Number of requests that were answered, refused or cut, without WebSockets.
        after_frames: Number of frames sent over all WebSockets together.
        set: Values of faults by name.
        for_seconds: Seconds until the faults in ``set`` are reset and a closed door opens.
        restart: Whether the server loses queue, history and results, and cuts all connections.
        door: Whether to refuse new connections (``closed``) or to accept them again (``open``).
        cut: Whether to cut all connections.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    after_seconds: Seconds | None = None
    after_prompts: Number | None = None
    after_requests: Number | None = None
    after_frames: Number | None = None
    set: Annotated[dict[str, Any], GetPydanticSchema(_some_faults)] = Field(default_factory=dict)
    for_seconds: Seconds | None = None
    restart: bool = False
    door: Literal["open", "closed"] | None = None
    cut: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if sum(getattr(self, moment) is not None for moment in MOMENTS) != 1:
            raise PydanticCustomError("moment", "give exactly one of {moments}", {"moments": ", ".join(MOMENTS)})
        if not (self.set or self.restart or self.door or self.cut):
            raise PydanticCustomError("nothing", "does nothing: give set, restart, door or cut")
        if self.for_seconds is not None and not self.set and self.door != "closed":
            raise PydanticCustomError("endless", "for_seconds needs set, or door: closed")
        return self

    @property
    def moment(self) -> Moment:
        """Return the attribute that says when."""
        return next(moment for moment in MOMENTS if getattr(self, moment) is not None)

    @property
    def at(self) -> float:
        """Return the seconds or the count after which the cue comes."""
        return float(getattr(self, self.moment))


_OF_WHOLE = frozenset({"missing", "moment", "nothing", "endless"})
"""Types of errors whose input is the whole cue."""


class ScriptFaults(Exception):
    """Report a script that cannot be played, with its file name and every fault with its location."""

    def __init__(self, name: str, faults: tuple[str, ...]) -> None:
        super().__init__(name, faults)
        self.name = name
        self.faults = faults

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([f"{self.name} has {count}:", *(f"  - {fault}" for fault in self.faults)])


def read_script(source: bytes, *, name: str) -> tuple[Cue, ...]:
    """Read the cues in a JSON or YAML file: a list of objects whose keys are the attributes of :class:`Cue`.

    A file whose name ends with ``.json`` is read as JSON, any other as YAML.

    Raises:
        ScriptFaults: The script has faults; all are listed.
    """
    values = _parsed(source, name)
    try:
        return TypeAdapter(tuple[Cue, ...]).validate_python(values)
    except ValidationError as error:
        raise ScriptFaults(name, tuple(_sentence(each) for each in error.errors())) from error


def _parsed(source: bytes, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    try:
        text = source.decode("utf-8-sig")
        return json.loads(text) if name.lower().endswith(".json") else yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ScriptFaults(name, (f"byte {error.start}: not UTF-8: save the file as UTF-8",)) from error
    except json.JSONDecodeError as error:
        fault = f"line {error.lineno}, column {error.colno}: not JSON from here on"
        raise ScriptFaults(name, (fault,)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise ScriptFaults(name, (f"{where}: not YAML from here on",)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScriptFaults(name, ("the file: neither JSON nor YAML",)) from error


def _sentence(error: ErrorDetails) -> str:
    location = _location(error["loc"])
    if error["type"] == _UNKNOWN:
        return f"{location}: {_unknown(error['loc'])}"
    remedy = _NEEDED.get(error["type"]) or error["msg"][:1].lower() + error["msg"][1:]
    return f"{location}: {remedy}" if error["type"] in _OF_WHOLE else f"{location}: {_shown(error['input'])}: {remedy}"


def _location(loc: Sequence[int | str]) -> str:
    if not loc:
        return "the script"
    first, *rest = loc
    return ", ".join([f"cue {int(first) + 1}", *(str(each) for each in rest)])


def _unknown(loc: Sequence[int | str]) -> str:
    is_fault = "set" in loc
    names = list(_FAULTS) if is_fault else list(Cue.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), names, 1)
    what = "fault" if is_fault else "key of a cue"
    return f"no such {what}: did you mean {near[0]}?" if near else f"no such {what}: there are {', '.join(names)}"


def _shown(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}…"
