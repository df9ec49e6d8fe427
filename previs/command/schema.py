"""Write the JSON Schemas of what previs reads and writes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from previs.boards.nightly import NightlyBoard
from previs.command.output import write_json
from previs.records.manifest import Manifest
from previs.records.takes import Pick, TakeRecord
from previs.shots import Shot, ShotList

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BAD_INPUT: Final = 2


@dataclass(frozen=True, slots=True)
class _Form:
    """A form of JSON.

    Attributes:
        identity: its ``$id``: the name and version that files of this form carry, if they carry any.
        title: what it is, in a phrase.
    """

    identity: str
    title: str
    types: TypeAdapter[Any]


_FORMS: Final[Mapping[str, _Form]] = {
    "manifest": _Form("urn:previs:manifest:2", "The record of a run", TypeAdapter(Manifest)),
    "take": _Form("urn:previs:take:1", "The record of a take", TypeAdapter(TakeRecord)),
    "pick": _Form("urn:previs:pick:1", "The choice of a take", TypeAdapter(Pick)),
    "nightly": _Form("urn:previs:nightly:1", "A board that is rendered each night", TypeAdapter(NightlyBoard)),
    "shots": _Form("urn:previs:shots:1", "A shot list", TypeAdapter(ShotList | list[Shot] | Shot)),
}
NAMES: Final = tuple(_FORMS)


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one of :data:`NAMES`."""
    form = _FORMS[name]
    schema = form.types.json_schema(by_alias=True)
    if "schema" in schema.get("properties", {}):
        # The models have a default, with which they are made; files say it always.
        schema["required"] = ["schema", *schema["required"]]
    return {"$schema": DIALECT, "$id": form.identity} | schema | {"title": form.title}


def write_schema(name: str | None) -> int:
    """Write the schema of one form, or the names of all; what the command exits with."""
    if name is None:
        for each, form in _FORMS.items():
            sys.stdout.write(f"{each:<10}{form.identity:<24}{form.title}\n")
        return 0
    if name not in _FORMS:
        sys.stderr.write(f"there is no schema {name!r}: there are {', '.join(NAMES)}\n")
        return _BAD_INPUT
    write_json(json_schema(name))
    return 0
