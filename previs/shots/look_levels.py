"""Merge what looks say on all levels: in look files, in a list, in a sequence and in a shot; pure."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from previs.shots.mentions import Mentionable, bare, folded
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Element, Look, Sequence, Style
from previs.shots.passes import Pass

NO_STYLE: Final = Style()
_SETTINGS: Final = ("workflow", "passes", "width", "height", "takes", "qc")

Described = Look | ShotList | Sequence | Shot


@dataclass(frozen=True, slots=True)
class Named:
    """Hold a character or a location under its name as people write it."""

    name: str
    element: Element

    def nearer(self, name: str, element: Element) -> "Named":
        """Return what this element is where another level describes it too."""
        return Named(
            name,
            self.element.model_copy(
                update={
                    "prompt": self.element.prompt if element.prompt is None else element.prompt,
                    "references": element.references or self.element.references,
                    "overrides": {**self.element.overrides, **element.overrides},
                }
            ),
        )


@dataclass(frozen=True)
class Level:
    """Hold what all levels down to one say together.

    Attributes:
        characters, locations: Elements by their folded names.
        settings: ``workflow``, ``passes``, ``width``, ``height``, ``takes`` and ``qc``, as far as a level sets them.
        lengths: Lengths of the elements' names.
    """

    style: Style = NO_STYLE
    characters: ChainMap[str, Named] = field(default_factory=ChainMap)
    locations: ChainMap[str, Named] = field(default_factory=ChainMap)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    lengths: frozenset[int] = frozenset()

    def below(self, level: Described) -> Self:
        """Return what a nearer level says, with what it leaves open from this one."""
        style = level.style.model_dump(exclude_none=True, include=set(Style.model_fields)) if level.style else {}
        settings = {name: value for name in _SETTINGS if (value := getattr(level, name)) is not None}
        return type(self)(
            style=self.style.model_copy(update=style) if style else self.style,
            characters=_with_nearer(self.characters, level.characters),
            locations=_with_nearer(self.locations, level.locations),
            overrides={**self.overrides, **level.overrides},
            settings={**self.settings, **settings},
            lengths=self.lengths | {len(bare(name)) for name in (*level.characters, *level.locations)},
        )

    @cached_property
    def elements(self) -> ChainMap[str, Named]:
        """Return all characters and locations by their folded names."""
        return ChainMap(*self.characters.maps, *self.locations.maps)

    @cached_property
    def mentionable(self) -> Mentionable:
        """Return the finder of their names in texts."""
        return Mentionable(self.elements, self.lengths)

    @property
    def says_nothing(self) -> bool:
        """Return whether shots stay as they are on this level."""
        return not (self.lengths or self.overrides or self.settings) and self.style == NO_STYLE


NOTHING: Final = Level()


def _with_nearer(above: ChainMap[str, Named], given: Mapping[str, Element]) -> ChainMap[str, Named]:
    """Return the elements above and those of a nearer level, at a cost that does not depend on those above."""
    if not given:
        return above
    nearer: dict[str, Named] = {}
    for name, element in given.items():
        key = folded(name)
        nearer[key] = above[key].nearer(bare(name), element) if key in above else Named(bare(name), element)
    return ChainMap(nearer, *above.maps)


class Sequences:
    """Find what holds for the shots of each sequence.

    Attributes:
        names: Names of the sequences that looks describe, by their folded names.
        own: What the looks say of each, without what holds for the whole list.
    """

    def __init__(self, whole: Level, levels: Iterable[Look | ShotList]) -> None:
        self._levels = {"": whole}
        self.names: dict[str, str] = {}
        self.own: dict[str, Level] = {}
        for level in levels:
            for name, sequence in level.sequences.items():
                key = folded(name)
                self.names[key] = name
                self._levels[key] = self._levels.get(key, whole).below(sequence)
                self.own[key] = self.own.get(key, NOTHING).below(sequence)

    def of(self, shot: Shot) -> tuple[Level, str]:
        """Return what holds for a shot, and the name of its sequence if a look has it."""
        key = folded(shot.sequence or shot.scene or "")
        return (self._levels[key], self.names[key]) if key in self.names else (self._levels[""], "")


def facts_of(whole: Level, sequences: Sequences) -> dict[str, Any]:
    """Return what the looks say, by the words with which :attr:`Shot.uses` names it."""
    facts = {each.name: _as_json(each.element) for each in whole.elements.values()}
    if whole.style != NO_STYLE:
        facts["the style"] = _as_json(whole.style)
    for key, name in sequences.names.items():
        own = sequences.own[key]
        elements = {each.name: _as_json(each.element) for each in own.elements.values()}
        passes = {"passes": [_as_json(each) for each in own.settings["passes"]]} if "passes" in own.settings else {}
        facts[f"sequence {name}"] = {
            "style": _as_json(own.style),
            **elements,
            "overrides": dict(own.overrides),
            **own.settings,
            **passes,
        }
    return facts


def _as_json(model: Style | Element | Pass) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True)
