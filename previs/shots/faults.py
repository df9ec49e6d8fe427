"""Collect every fault of a shot list, in plain words and in the list's order."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from previs.errors import MOST_FAULTS, Fault
from previs.shots.durations import is_range
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Reference
from previs.shots.remedies import FORMULA, RANGE, REMEDIES, UNKNOWN, look_path, look_remedy
from previs.shots.rules import LONGEST_SHOT_ID, repeats, same_name, usable_shot_id
from previs.shots.sheet_rows import FORMULA_ERRORS, Sheet
from previs.shots.tree import Path
from previs.shots.unused import known_field, objects_in

LONGEST_VALUE = 60
_NESTED = ("style", "characters", "locations", "sequences", "workflows", "passes")
_BUFFERED = 20 * MOST_FAULTS
_MOST_DIGITS_SHOWN = 10**40
_RANKS = {model: {name: rank for rank, name in enumerate(remedies)} for model, remedies in REMEDIES.items()}


@dataclass(frozen=True, slots=True)
class _Location:
    """Locate a value in a list: its shot, its reference and its field."""

    shot: int | None = None
    reference: int | None = None
    name: str = ""

    @property
    def model(self) -> type[ShotList | Shot | Reference]:
        if self.shot is None:
            return ShotList
        return Shot if self.reference is None else Reference

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Return a sort key: the list first, then shot by shot, fields in documented order."""
        names = _RANKS[self.model]
        rank = names.get(self.name.partition(".")[0], len(names))
        of_shot = _RANKS[Shot]["references"] if self.reference is not None else rank
        shot, reference = (-1 if index is None else index for index in (self.shot, self.reference))
        return shot, of_shot, reference, rank


@dataclass(slots=True)
class Findings:
    """Collect the first faults of one list, and count the others.

    Attributes:
        tree: List as plain dicts and lists.
        sheet: Spreadsheet that the list came from, if any.
        more: How many faults are not kept.
    """

    tree: dict[Any, Any]
    sheet: Sheet | None = None
    more: int = 0
    # Value and remedy of each fault; only the faults that are reported get their text.
    _found: dict[tuple[_Location, str, str], None] = field(default_factory=dict)
    _last: tuple[int, int, int, int] | None = None

    def in_order(self) -> tuple[Fault, ...]:
        """Return each kept fault once, in order; faults of the sheet as a whole come first."""
        self._keep_first()
        ordered = [self._fault(*found) for found in self._found]
        return tuple(dict.fromkeys([*(self.sheet.faults if self.sheet else ()), *ordered]))

    def _keep_first(self) -> None:
        ordered = sorted(self._found, key=lambda found: found[0].order)
        self.more += max(len(ordered) - MOST_FAULTS, 0)
        self._found = dict.fromkeys(ordered[:MOST_FAULTS])
        if len(ordered) >= MOST_FAULTS:
            self._last = ordered[MOST_FAULTS - 1][0].order

    def add_repeated_keys(self, paths: Iterable[Path]) -> None:
        """Add the fields that a file gives twice in one object."""
        for path in paths:
            self._add(_location(path), "given more than once", "give each field once")

    def add_repeated_names(self) -> None:
        """Add shots that share a shot_id, and references of a shot that share a reference_id."""
        shots = self.tree.get("shots")
        if not isinstance(shots, list):
            return
        for index, first in _repeats_in(shots, "shot_id"):
            remedy = f'{self._place(_Location(first))} has the same: each shot needs its own (1 and "1" are the same)'
            self._add(_Location(index, None, "shot_id"), display_value(shots[index]["shot_id"]), remedy)
        for number, shot in enumerate(shots):
            references = shot.get("references") if isinstance(shot, dict) else None
            if isinstance(references, list):
                for index, first in _repeats_in(references, "reference_id"):
                    remedy = f"reference {first + 1} has the same: each reference of a shot needs its own"
                    value = display_value(references[index]["reference_id"])
                    self._add(_Location(number, index, "reference_id"), value, remedy)

    def add_without_prompt(self) -> None:
        """Add shots that say in no field what is seen."""
        shots = self.tree.get("shots")
        for number, shot in enumerate(shots if isinstance(shots, list) else ()):
            if not isinstance(shot, dict) or "prompt" in shot or (self.sheet and "prompt" in self.sheet.missing):
                continue
            if (description := shot.get("description")) is None or description == "":
                self._add(_Location(number, None, "prompt"), "", f"missing; give {REMEDIES[Shot]['prompt']}")

    def add_misspelled(self) -> None:
        """Add fields whose names differ from a known one by a slip of the pen."""
        meant = cache(known_field)
        for path, owner, names in objects_in("list", self.tree):
            for name in names:
                self._add_slip(_Location(name=_shortened(path + name)), meant(owner, name))
        shots = self.tree.get("shots")
        for number, shot in enumerate(shots if isinstance(shots, list) else ()):
            for name in shot if isinstance(shot, dict) else ():
                if self.sheet is None or name not in self.sheet.names:
                    self._add_slip(_Location(number, None, _shortened(str(name))), meant("shot", str(name)))
            for path, owner, names in objects_in("shot", shot) if isinstance(shot, dict) else ():
                for name in names if path else ():
                    self._add_slip(_Location(number, None, _shortened(path + name)), meant(owner, name))
            for index, name in _names_of_references(shot):
                self._add_slip(_Location(number, index, _shortened(name)), meant("reference", name))
            for name in camera if isinstance(shot, dict) and isinstance(camera := shot.get("camera"), dict) else ():
                self._add_slip(_Location(number, None, f"camera.{_shortened(str(name))}"), meant("camera", str(name)))

    def _add_slip(self, location: _Location, meant: str | None) -> None:
        if meant is not None:
            self._add(location, "", f"not a field: did you mean {meant}?")

    def add_formula_errors(self) -> None:
        """Add the cells of a sheet in which a formula has no value."""
        for number, shot in enumerate(self.tree["shots"] if self.sheet and not self.sheet.exact else ()):
            camera = shot.get("camera")
            for name, value in (shot | (camera if isinstance(camera, dict) else {})).items():
                if isinstance(value, str) and value in FORMULA_ERRORS:
                    self._add(_Location(number, None, name), display_value(value), FORMULA)
            for index, reference in enumerate(shot.get("references", ())):
                if reference["url"] in FORMULA_ERRORS:
                    self._add(_Location(number, index, "url"), display_value(reference["url"]), FORMULA)

    def add_oversized(self, shot: int | None, most: int) -> None:
        """Add a shot with more than ``most`` values, or the list itself."""
        owner = "a list without its shots" if shot is None else "a shot"
        remedy = f"{owner} has at most {most:,}, in all its fields: remove what no model needs"
        self._add(_Location(shot), f"more than {most:,} values", remedy)

    def add_broken_rules(self, error: ValidationError, above: Path = ()) -> None:
        """Add what the model at the path ``above`` refuses, except what other methods find."""
        for violation in error.errors(include_url=False, include_context=False):
            location = _location((*above, *violation["loc"]))
            in_look = "." in location.name
            remedy = look_remedy(violation["loc"]) if in_look else REMEDIES[location.model].get(location.name, UNKNOWN)
            if violation["type"] == "missing":
                if self.sheet is None or location.name not in self.sheet.missing:
                    self._add(location, "", f"missing; give {remedy}")
            elif violation["type"] == "too_short" and self.tree.get("shots") and location.name == "shots":
                continue  # pydantic gets only the valid shots
            elif violation["type"] == "string_too_long" and not in_look and location.name != "prompt_template":
                self._add(location, display_value(violation["input"]), f"at most {LONGEST_SHOT_ID} characters")
            elif violation["type"] not in {"twice", "no_prompt"}:
                given = violation["input"]
                self._add(location, display_value(given), self._special(location, given) or remedy)

    def _special(self, location: _Location, given: object) -> str | None:
        """Return what to do about a text of a special kind."""
        if not isinstance(given, str):
            return None
        if self.sheet and given in FORMULA_ERRORS:
            return FORMULA
        return RANGE if location.model is Shot and location.name == "duration" and is_range(given) else None

    def _add(self, location: _Location, value: str, remedy: str) -> None:
        if self._last is not None and location.order > self._last:
            self.more += 1
            return
        self._found[location, value, remedy] = None
        if len(self._found) > _BUFFERED:
            self._keep_first()

    def _fault(self, location: _Location, value: str, remedy: str) -> Fault:
        name = self.sheet.headers.get(location.name, location.name) if self.sheet else location.name
        return Fault(self._place(location), name, value, remedy)

    def _place(self, location: _Location) -> str:
        if location.shot is None:
            return "the sheet" if self.sheet else "the list"
        place = f"row {self.sheet.rows[location.shot]}" if self.sheet else f"shot {location.shot + 1}"
        shot = self.tree["shots"][location.shot]
        if isinstance(shot, dict) and (label := _id_name(shot.get("shot_id"))):
            place += f" (shot_id {_shortened(label)})"
        return place if location.reference is None else f"{place}, reference {location.reference + 1}"


def display_value(value: object) -> str:
    """Format a value for a fault: short, on one line, text in quotes."""
    if isinstance(value, str):
        return _shortened(json.dumps(value[: LONGEST_VALUE + 1], ensure_ascii=False))
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= _MOST_DIGITS_SHOWN:
        return "a number of more than 40 digits"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return f"a {type(value).__name__}"


def _shortened(text: str) -> str:
    printable = text.encode("utf-8", "backslashreplace").decode()
    return printable if len(printable) <= LONGEST_VALUE else printable[: LONGEST_VALUE - 1] + "…"


def _location(path: Path) -> _Location:
    match path:
        case ("shots", int(shot), "references", int(reference), *below):
            return _Location(shot, reference, _first(below))
        case ("shots", int(shot), *below):
            return _Location(shot, None, _first(below))
        case _:
            return _Location(name=_first(list(path)))


def _first(path: list[int | str]) -> str:
    """Return the name of a field, with its path in the objects of looks."""
    if not path:
        return ""
    return _shortened(look_path(path) if path[0] in _NESTED else str(path[0]))


def _names_of_references(shot: object) -> Iterator[tuple[int, str]]:
    references = shot.get("references") if isinstance(shot, dict) else None
    for index, reference in enumerate(references if isinstance(references, list) else ()):
        if isinstance(reference, dict):
            yield from ((index, str(name)) for name in reference)


def _id_name(value: object) -> str | None:
    """Return the name by which ids are compared, or None if the value cannot be an id."""
    try:
        return same_name(usable_shot_id(value))
    except PydanticCustomError:
        return None


def _repeats_in(items: list[Any], key: str) -> Iterator[tuple[int, int]]:
    """Yield the index of each item whose name is repeated, and the index of the first item with that name."""
    names = [(index, _id_name(item.get(key))) for index, item in enumerate(items) if isinstance(item, dict)]
    named = [(index, name) for index, name in names if name is not None]
    for later, first in repeats(name for _, name in named):
        yield named[later][0], named[first][0]
