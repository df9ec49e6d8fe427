"""Print the JSON Schemas of the files that previs reads and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from previs.boards.nightly import NightlyBoard
from previs.command.output import write_error, write_json, write_line
from previs.records.manifest import Manifest
from previs.records.takes import Pick, TakeRecord
from previs.shots import Shot, ShotList

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BAD_INPUT: Final = 2


@dataclass(frozen=True, slots=True)
class _Format:
    """Describe a JSON format.

    Attributes:
        identity: Value of ``$id``, with the name and version that files carry in ``schema`` if they have that field.
        title: Title of the schema.
        types: Model of the content.
    """

    identity: str
    title: str
    types: TypeAdapter[Any]


_FORMATS: Final[Mapping[str, _Format]] = {
    "manifest": _Format("urn:previs:manifest:2", "The record of a run", TypeAdapter(Manifest)),
    "take": _Format("urn:previs:take:1", "The record of a take", TypeAdapter(TakeRecord)),
    "pick": _Format("urn:previs:pick:1", "The choice of a take", TypeAdapter(Pick)),
    "nightly": _Format("urn:previs:nightly:1", "A board that is rendered each night", TypeAdapter(NightlyBoard)),
    "shots": _Format("urn:previs:shots:1", "A shot list", TypeAdapter(ShotList | list[Shot] | Shot)),
}
NAMES: Final = tuple(_FORMATS)


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one of :data:`NAMES`."""
    json_format = _FORMATS[name]
    schema = json_format.types.json_schema(by_alias=True)
    if "schema" in schema.get("properties", {}):
        # The models have a default; files always have the field.
        schema["required"] = ["schema", *schema["required"]]
    return {"$schema": DIALECT, "$id": json_format.identity} | schema | {"title": json_format.title}


def write_schema(name: str | None) -> int:
    """Print the schema of one format, or list the formats if ``name`` is None, and return the exit code."""
    if name is None:
        for each, json_format in _FORMATS.items():
            write_line(f"{each:<10}{json_format.identity:<24}{json_format.title}")
        return 0
    if name not in _FORMATS:
        write_error(f"there is no schema {name!r}: there are {', '.join(NAMES)}")
        return _BAD_INPUT
    write_json(json_schema(name))
    return 0
