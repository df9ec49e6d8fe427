"""Read the look files that a list names, and say where their own names lead."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from previs.errors import Fault, ShotListFaults, SourceNotFound
from previs.ingest.bases import Base, base_at
from previs.ingest.reader import SourceReader
from previs.shots import ShotList, names_shot, read_look, with_looks
from previs.shots.looks import is_path
from previs.shots.parts import Element, Look, Reference, Sequence
from previs.store.addresses import resolve, shown


@dataclass(frozen=True, slots=True)
class LoadedList:
    """Hold a list with what its look files say.

    Attributes:
        base: Base of the names in the list.
        bases: Bases of the full paths and URLs that come from look files.
    """

    shot_list: ShotList
    base: Base
    bases: Mapping[str, Base] = field(default_factory=dict)

    def base_for(self, url: str) -> Base:
        """Return the base of a name in the list."""
        return self.bases.get(url, self.base)


async def load_looks(shot_list: ShotList, base: Base, reader: SourceReader, name: str) -> LoadedList:
    """Return a list with the looks of its look files applied.

    Args:
        shot_list: List as read.
        base: Base of the names in it.
        reader: Reader for paths and URLs.
        name: Name of the list in faults.

    Raises:
        ShotListFaults: A look file cannot be read or has faults, or the looks do not fit the shots.
        SourceUnavailable: A look file cannot be read now.
    """
    if not shot_list.look:
        return LoadedList(shot_list, base)
    looks: list[Look] = []
    notices: list[str] = []
    bases: dict[str, Base] = {}
    for index, each in enumerate(shot_list.look):
        try:
            uri = resolve(each, base.uri, inline=base.inline)
            content = await reader.read(uri, sender=base.sender, beside=base.beside)
        except SourceNotFound as error:
            fault = Fault("the list", f"look[{index}]", shown(each), error.reason)
            raise ShotListFaults(name, (fault,)) from error
        look, said = await asyncio.to_thread(read_look, content, name=shown(uri))
        relocated = _Relocation(replace(base_at(uri, base), inline=base.inline, resolved=True), bases)
        looks.append(relocated.look(look, shown(uri)))
        notices += said
    made = await asyncio.to_thread(with_looks, shot_list, name, looks, notices)
    return LoadedList(made, base, bases)


@dataclass(frozen=True, slots=True)
class _Relocation:
    """Make full paths and URLs of the names in a look file.

    Attributes:
        base: Base of these names.
        bases: Takes the base of each path and URL.
    """

    base: Base
    bases: dict[str, Base]

    def look(self, look: Look, name: str) -> Look:
        """Return a look whose names are full paths and URLs.

        Raises:
            ShotListFaults: The file may not name one of them.
        """
        try:
            workflows = {
                each: self._full(value) if isinstance(value, str) else value for each, value in look.workflows.items()
            }
            changes = {**self._level(look, workflows), "workflows": workflows}
            changes["sequences"] = {
                each: sequence.model_copy(update=self._level(sequence, workflows))
                for each, sequence in look.sequences.items()
            }
        except SourceNotFound as error:
            raise ShotListFaults(name, (Fault("the look", "", error.uri, error.reason),)) from error
        return look.model_copy(update=changes)

    def _level(self, level: Look | Sequence, workflows: Mapping[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {
            group: {each: self._element(element) for each, element in getattr(level, group).items()}
            for group in ("characters", "locations")
        }
        if level.workflow and level.workflow not in workflows and is_path(level.workflow):
            changes["workflow"] = self._full(level.workflow)
        # What a level does not say must stay unsaid, or it would win over what is farther away.
        return {each: value for each, value in changes.items() if each in level.model_fields_set}

    def _element(self, element: Element) -> Element:
        if not element.references:
            return element
        return element.model_copy(update={"references": tuple(map(self._reference, element.references))})

    def _reference(self, reference: Reference) -> Reference:
        if names_shot(reference.url):
            return reference
        return reference.model_copy(update={"url": self._full(reference.url)})

    def _full(self, url: str) -> str:
        full = resolve(url, self.base.uri, inline=self.base.inline)
        self.bases[full] = self.base
        return full
