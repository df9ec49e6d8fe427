"""Read what a shot says for people from its record, which may hold anything."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from previs.publishing.views.wording import one_line, shorten

_LONGEST: Final = 2_000
_PART: Final = 80
_CAMERA: Final = ("size", "angle", "movement", "lens")
_PLACE: Final = ("location", "time_of_day")


class Film(NamedTuple):
    """Hold the texts of a shot; those that it lacks are empty."""

    camera: str
    place: str
    cast: str
    description: str
    dialogue: str
    sound: str
    transition: str


def film_of(shot: Mapping[str, Any]) -> Film:
    """Return the texts of a shot as given."""
    camera = shot.get("camera")
    parts = camera if isinstance(camera, Mapping) else {"size": camera}
    scene = _text(shot.get("scene"), _PART)
    place = [f"scene {scene}" if scene and _text(shot.get("sequence"), _PART) else "", *_texts(shot, _PLACE)]
    return Film(
        camera=" · ".join(_texts(parts, _CAMERA)),
        place=" · ".join(filter(None, place)),
        cast=_names(shot.get("cast")),
        description=_text(shot.get("description"), _LONGEST),
        dialogue=_text(shot.get("dialogue"), _LONGEST),
        sound=_text(shot.get("sound"), _LONGEST),
        transition=_text(shot.get("transition"), _PART),
    )


def notes_of(shot: Mapping[str, Any]) -> str:
    """Return the notes of a shot; empty if it has none."""
    return _text(shot.get("notes"), _LONGEST)


def prompt_of(shot: Mapping[str, Any]) -> str:
    """Return the prompt of a shot as given; empty if it has none."""
    return _text(shot.get("prompt"), _LONGEST)


def _names(cast: object) -> str:
    """Return the names of the characters."""
    names = cast if isinstance(cast, list) else [cast]
    return shorten(", ".join(text for name in names if (text := one_line(_text(name, _PART)))), _LONGEST)


def _texts(owner: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    return [text for name in names if (text := one_line(_text(owner.get(name), _PART)))]


def _text(value: object, longest: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return shorten(str(value).strip(), longest)
