"""Name the fields of a list that previs keeps and does not use, and those whose names are a slip of the pen; pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from previs.shots.camera import camera_of
from previs.shots.columns import closest_field
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Camera, Element, Look, Reference, Sequence, Style
from previs.shots.passes import Pass, passes_in
from previs.text.listing import first_of
from previs.text.similar import meant
from previs.text.visible import shortened, visible

Owner = Literal["list", "look", "sequence", "shot", "style", "element", "reference", "camera", "pass"]

FLAT_CAMERA: Final = {
    "size": "size",
    "angle": "angle",
    "movement": "movement",
    "lens": "lens",
    "shot_size": "size",
    "camera_angle": "angle",
    "camera_movement": "movement",
}
"""Fields of a shot that are read as its camera's."""

_KNOWN: Final[Mapping[Owner, tuple[str, ...]]] = {
    "list": tuple(ShotList.model_fields),
    "look": tuple(Look.model_fields),
    "sequence": tuple(Sequence.model_fields),
    "style": tuple(Style.model_fields),
    "element": tuple(Element.model_fields),
    "shot": (*Shot.model_fields, *FLAT_CAMERA),
    "reference": tuple(Reference.model_fields),
    "camera": tuple(Camera.model_fields),
    "pass": tuple(Pass.model_fields),
}
_OTHER_WORDS: Final = frozenset(
    ["light", "night", "right", "weight", "state", "stage", "scale", "case", "cost", "last", "glasses", "masses"]
)
_LOOKING: Final = ("list", "look", "sequence", "shot")
_NESTED: Final = {"style", "characters", "locations", "sequences", "passes"}
_PATHS: Final = ("style.", "characters.", "locations.", "sequences.", "passes[")
_GROUPS: Final[Mapping[str, Owner]] = {"characters": "element", "locations": "element", "sequences": "sequence"}
_LONGEST: Final = 200
_SHORT: Final = 5
_COMPARED_FROM: Final = 3
_NAMED: Final = 50


def known_field(owner: Owner, name: str) -> str | None:
    """Return the known field that a name within two letters of it must mean; None for a known one, or another word.

    Of a name with less than five letters, as many words are within two letters: one counts. Words that people use for
    other things are no slip.
    """
    if name in _KNOWN[owner] or name.casefold() in _OTHER_WORDS or len(name) > _LONGEST:
        return None
    # Every word of two letters is like a known one of two.
    known = [each for each in _KNOWN[owner] if len(each) >= _COMPARED_FROM or each == name.casefold()]
    return meant(name, known, most=1 if len(name) < _SHORT else 2)


def objects_in(owner: Owner, fields: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Owner, Iterable[str]]]:
    """Yield the names of the fields of each object within a list or shot as given, with its path, such as ``style.``.

    The shots of a list are left out.
    """
    yield path, owner, map(str, fields)
    if owner == "element" and isinstance(references := fields.get("references"), list | tuple):
        for index, each in enumerate(references):
            if isinstance(each, Mapping):
                yield f"{path}references[{index}].", "reference", map(str, each)
    if owner not in _LOOKING:
        return
    if isinstance(style := fields.get("style"), Mapping):
        yield f"{path}style.", "style", map(str, style)
    for below, each in passes_in(fields.get("passes")):
        yield f"{path}passes{shortened(below)}.", "pass", map(str, each)
    for group, kind in _GROUPS.items():
        given = fields.get(group)
        for name, each in given.items() if isinstance(given, Mapping) else ():
            if isinstance(each, Mapping):
                yield from objects_in(kind, each, f"{path}{group}.{shortened(str(name))}.")


def with_camera(document: dict[Any, Any]) -> dict[Any, Any]:
    """Return a list as plain values, in which the camera's fields beside a shot's others are in its ``camera``.

    A field that the camera has already stays where it is, and so counts as unused.
    """
    shots = document.get("shots")
    if not isinstance(shots, list):
        return document
    return document | {"shots": [_with_camera(shot) for shot in shots]}


def _with_camera(shot: Any) -> Any:  # noqa: ANN401 - whatever a file may hold
    if not isinstance(shot, dict) or FLAT_CAMERA.keys().isdisjoint(shot):
        return shot
    camera = shot.get("camera", {})
    if isinstance(camera, str):
        camera = camera_of(camera)
    if not isinstance(camera, dict):
        return shot
    whole, rest = dict(camera), {}
    for name, value in shot.items():
        part = FLAT_CAMERA.get(name)
        if part and part not in whole:
            whole[part] = value
        else:
            rest[name] = value
    return rest | {"camera": whole}


def unused_fields(shot_list: ShotList) -> tuple[str, ...]:
    """Return a sentence on the fields that are kept and not used, with a guess where a name looks like a known one."""
    shots: dict[str, None] = {}
    references: dict[str, None] = {}
    for shot in shot_list.shots:
        shots |= dict.fromkeys(_unknown_in("shot", shot, shot.model_extra or ()))
        shots |= dict.fromkeys(f"camera.{name}" for name in shot.camera.model_extra or ())
        for reference in shot.references:
            references |= dict.fromkeys(reference.model_extra or ())
    of_list = dict.fromkeys(_unknown_in("list", shot_list, shot_list.model_extra or ()))
    found = [
        *_named("of the list", of_list),
        *_named("of shots", shots),
        *_named("of references", references),
    ]
    return (f"kept, not used: {'; '.join(found)}",) if found else ()


def unused_in_look(look: Look) -> tuple[str, ...]:
    """Return a sentence on the fields of a look file that are kept and not used."""
    found = _named("of the look", _unknown_in("look", look, look.model_extra or ()))
    return (f"kept, not used: {found[0]}",) if found else ()


def _unknown_in(owner: Owner, model: Look | ShotList | Shot, unknown: Iterable[str]) -> Iterator[str]:
    """Yield the unknown fields of a model itself, and those of its styles, elements and sequences."""
    yield from unknown
    given = model.model_fields_set & _NESTED
    if given:
        for path, kind, names in objects_in(owner, model.model_dump(include=given)):
            yield from (path + name for name in names if path and name not in _KNOWN[kind])


def _named(owner: str, names: Iterable[str]) -> list[str]:
    each = list(names)
    shown = [_guessed(name) for name in each[:_NAMED]] + each[_NAMED:]
    return [f"fields {owner}: {first_of(shown, _NAMED)}"] if each else []


def _guessed(name: str) -> str:
    like = None if name.startswith(_PATHS) else closest_field(name)
    return visible(shortened(name)) + (f" (like {like}?)" if like else "")
