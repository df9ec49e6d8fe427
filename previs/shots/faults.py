"""Every fault of a shot list, in a person's words, in the list's order."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from previs.errors import Fault
from previs.shots.from_csv import Sheet
from previs.shots.models import (
    HIGHEST_FPS,
    LARGEST_SEED,
    LARGEST_SIDE,
    LONGEST_SHOT,
    MOST_TAKES,
    STRONGEST,
    Reference,
    Shot,
    ShotList,
)
from previs.shots.rules import LONGEST_SHOT_ID, repeats, same_name, usable_shot_id
from previs.shots.tree import Path

LONGEST_VALUE = 60
_MOST_DIGITS_SHOWN = 10**40
_SIDE = f"a whole number of pixels from 1 to {LARGEST_SIDE}"
_TEXT = "text, in quotes where it could be read as something else"
_UNKNOWN = "what JSON can hold: text, finite numbers, booleans, null, lists and objects"
_REMEDIES: dict[type, dict[str, str]] = {
    ShotList: {
        "": "a list of shots, or an object with shots",
        "title": _TEXT,
        "fps": f"frames per second, a number above 0 and at most {HIGHEST_FPS}, such as 24",
        "shots": "a list of at least one shot, each an object with shot_id, prompt and duration",
    },
    Shot: {
        "": "an object with shot_id, prompt and duration",
        "shot_id": f"a whole number or text on one line, not blank, up to {LONGEST_SHOT_ID} long, such as SH010",
        "prompt": "what the camera sees, as text that is not blank",
        "references": "a list of references, each an object with url and reference_id, or [] for none",
        "duration": f"seconds, a number above 0 and at most {LONGEST_SHOT}, such as 3.0",
        "negative_prompt": _TEXT,
        "seed": f"a whole number from 0 to {LARGEST_SEED}, or -1 or nothing for a derived one",
        "takes": f"a whole number from 1 to {MOST_TAKES}",
        "width": _SIDE,
        "height": _SIDE,
        "overrides": 'an object of inputs and values, such as {"4.ckpt_name": "sd_xl_base_1.0.safetensors"}',
        "sequence": _TEXT,
        "notes": _TEXT,
    },
    Reference: {
        "": "an object with url and reference_id",
        "url": "a path or address on one line, not blank, such as references/a.jpg",
        "reference_id": "text on one line, not blank, such as ref_1",
        "strength": f"a number from 0 to {STRONGEST}, such as 0.8",
        "role": "text on one line, not blank, such as first frame",
    },
}


@dataclass(frozen=True)
class _Spot:
    """Where in a list something is: which shot, which of its references, and which field."""

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
        """List, then shot by shot; within a shot by the order of the fields as documented."""
        names = list(_REMEDIES[self.model])
        of_shot = list(_REMEDIES[Shot]).index("references") if self.reference is not None else _rank(self.name, names)
        shot, reference = (-1 if index is None else index for index in (self.shot, self.reference))
        return shot, of_shot, reference, _rank(self.name, names)


def _rank(name: str, names: list[str]) -> int:
    return names.index(name) if name in names else len(names)


@dataclass
class Findings:
    """Collects the faults of one list.

    Attributes:
        tree: the list in plain dicts and lists.
        sheet: where its shots stand, if it came from a spreadsheet.
    """

    tree: dict[Any, Any]
    sheet: Sheet | None = None
    _found: list[tuple[_Spot, Fault]] = field(default_factory=list)

    def in_order(self) -> tuple[Fault, ...]:
        """What was found, each fault once; faults of a sheet as a whole come first."""
        ordered = [fault for _, fault in sorted(self._found, key=lambda found: found[0].order)]
        return tuple(dict.fromkeys([*(self.sheet.faults if self.sheet else ()), *ordered]))

    def add_repeated_keys(self, paths: Iterable[Path]) -> None:
        """Fields that a file gives twice in one object."""
        for path in paths:
            self._add(_spot(path), "given more than once", "give each field once")

    def add_repeated_names(self) -> None:
        """Shots with one shot_id, and references of a shot with one reference_id."""
        shots = self.tree.get("shots")
        if not isinstance(shots, list):
            return
        for index, first in _repeats_in(shots, "shot_id"):
            remedy = f'also that of {self._place(_Spot(first))}: each shot needs its own (1 and "1" are one)'
            self._add(_Spot(index, None, "shot_id"), shown(shots[index]["shot_id"]), remedy)
        for number, shot in enumerate(shots):
            references = shot.get("references") if isinstance(shot, dict) else None
            if isinstance(references, list):
                for index, first in _repeats_in(references, "reference_id"):
                    remedy = f"also that of reference {first + 1}: each of a shot needs its own"
                    value = shown(references[index]["reference_id"])
                    self._add(_Spot(number, index, "reference_id"), value, remedy)

    def add_broken_rules(self, error: ValidationError) -> None:
        """What the models refuse; names that repeat are found by ``add_repeated_names``."""
        for broken in error.errors(include_url=False, include_context=False):
            spot = _spot(broken["loc"])
            remedy = _REMEDIES[spot.model].get(spot.name, _UNKNOWN)
            if broken["type"] == "missing":
                if self.sheet is None or spot.name not in self.sheet.missing:
                    self._add(spot, "", f"missing; give {remedy}")
            elif broken["type"] == "too_short" and broken["input"] != [] and spot.name == "shots":
                continue  # pydantic counts only the shots that are in order
            elif broken["type"] != "twice":
                self._add(spot, shown(broken["input"]), remedy)

    def _add(self, spot: _Spot, value: str, remedy: str) -> None:
        name = self.sheet.headers.get(spot.name, spot.name) if self.sheet else spot.name
        self._found.append((spot, Fault(self._place(spot), name, value, remedy)))

    def _place(self, spot: _Spot) -> str:
        if spot.shot is None:
            return "the sheet" if self.sheet else "the list"
        place = f"row {self.sheet.rows[spot.shot]}" if self.sheet else f"shot {spot.shot + 1}"
        shot = self.tree["shots"][spot.shot]
        if isinstance(shot, dict) and (label := _usable(shot.get("shot_id"))):
            place += f" (shot_id {_shortened(label)})"
        return place if spot.reference is None else f"{place}, reference {spot.reference + 1}"


def shown(value: object) -> str:
    """A value as a fault shows it: on one line, in quotes if it is text, and short."""
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


def _spot(path: Path) -> _Spot:
    match path:
        case ("shots", int(shot), "references", int(reference), *below):
            return _Spot(shot, reference, _first(below))
        case ("shots", int(shot), *below):
            return _Spot(shot, None, _first(below))
        case _:
            return _Spot(name=_first(list(path)))


def _first(path: list[int | str]) -> str:
    return _shortened(str(path[0])) if path else ""


def _usable(value: object) -> str | None:
    """The name under which a value would count as an id, if it can be one."""
    try:
        return same_name(usable_shot_id(value))
    except PydanticCustomError:
        return None


def _repeats_in(items: list[Any], key: str) -> Iterator[tuple[int, int]]:
    """Index and first index of items whose name came before."""
    names = [(index, _usable(item.get(key))) for index, item in enumerate(items) if isinstance(item, dict)]
    named = [(index, name) for index, name in names if name is not None]
    for later, first in repeats(name for _, name in named):
        yield named[later][0], named[first][0]
