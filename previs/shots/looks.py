"""Apply styles, characters, locations and sequences to the shots of a list; pure.

The nearest wins: the shot, its sequence, the list, the look files that the list names, the first of them before the
others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from previs.errors import MOST_FAULTS, Fault
from previs.shots.chains import shot_place
from previs.shots.look_levels import NO_STYLE, NOTHING, Described, Level, Named, Sequences, facts_of
from previs.shots.mentions import Mentions, folded
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Look, Reference
from previs.shots.passes import Pass
from previs.shots.prompts import with_style
from previs.shots.rules import repeats, same_name
from previs.shots.text import LARGEST, MOST_VALUES
from previs.text.listing import first_of
from previs.text.similar import Budget, closest
from previs.text.visible import shortened

_NAMED: Final = 20
_MOST_MENTIONS: Final = 300_000


@dataclass(slots=True)
class LookFindings:
    """Collect what the looks of a list get wrong.

    Attributes:
        faults: The first faults.
        more: How many there are beyond these.
        unlike: Names of casts and locations that no look describes.
        as_words: Words behind a sign that go to the model as they are.
        used: Names of characters, locations and sequences that shots use, folded.
        values: References and overrides of the shots, without the overrides that they share.
        mentions: Signs in all prompts; each costs a search for the names there are.
        room: Characters that the prompts may still have: a template or a style goes into all of them.
    """

    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    unlike: dict[str, dict[str, None]] = field(default_factory=lambda: {"cast": {}, "location": {}})
    as_words: dict[str, None] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    room: int = LARGEST
    mentions: int = 0
    values: int = 0
    _budget: Budget = field(default_factory=Budget)

    def add(self, fault: Fault) -> None:
        """Add a fault, or count it."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.more += 1

    def meant(self, name: str, names: Iterable[str]) -> str:
        """Return the one of the names that a name may stand for; empty if none is like it."""
        found = closest(name, names, budget=self._budget, most=1, key=folded)
        return found[0] if found else ""


def is_path(workflow: str) -> bool:
    """Return whether the workflow of a shot is a path or URL rather than a name."""
    return any(sign in workflow for sign in "./\\:")


def apply_looks(shot_list: ShotList, looks: Iterable[Look] = ()) -> tuple[ShotList, LookFindings]:
    """Return a list whose shots have the prompt, pictures and settings that their looks give them.

    Args:
        shot_list: List as read; shots that looks were applied to before count as they were given.
        looks: Look files of the list, the nearest first.

    Returns:
        The list, and what is wrong or unused in it; with faults, or without room, the list is not to be used.
    """
    files, findings = list(looks)[::-1], LookFindings()
    whole = NOTHING
    levels: list[Look | ShotList] = [*files, shot_list]
    for each in levels:
        whole = whole.below(each)
    template = next((each.prompt_template for each in reversed(levels) if each.prompt_template), None)
    sequences = Sequences(whole, levels)
    for described in (*levels, *(sequence for each in levels for sequence in each.sequences.values())):
        _check_names(described, whole, findings)
    shots: list[Shot] = []
    for number, shot in enumerate(shot_list.shots, 1):
        given = shot.as_given()
        level, name = sequences.of(given)
        findings.used |= {("sequence", folded(name))} if name else set()
        if given.style or given.characters or given.locations:
            level = level.below(given)
            _check_names(given, level, findings)
        made = given.worded(template)
        mentioned = "@" in made.prompt or any("@" in (each.prompt or "") for each in given.passes or ())
        if not level.says_nothing or mentioned or given.cast:
            place = shot_place(number, given)
            made = _Application(level, name, place, findings).shot(given, template)
        shots.append(made)
        findings.room -= len(made.prompt) + len(made.negative_prompt or "")
        findings.room -= sum(len(each.prompt or "") for each in made.passes or ())
        if findings.room < 0:
            break
        findings.values += len(made.references) + (len(made.overrides) if made.overrides is not level.overrides else 0)
        if findings.values > MOST_VALUES:
            remedy = f"all shots together get at most {MOST_VALUES:,} from looks: split the list"
            findings.add(Fault(shot_place(number, given), "", "references and overrides", remedy))
            break
    made_list = shot_list.model_copy(update={"shots": tuple(shots)})
    return made_list.looking(facts_of(whole, sequences), files[::-1]), findings


def _check_names(given: Described, level: Level, findings: LookFindings) -> None:
    """Add names of elements that stand for two."""
    for group, names, others in (
        ("characters", given.characters, level.locations),
        ("locations", given.locations, level.characters),
    ):
        kinds = {"characters": "location", "locations": "character"}
        for name in names:
            if folded(name) in others:
                remedy = f"a {kinds[group]} has the same name: rename one of them"
                findings.add(Fault("the looks", group, name, remedy))
        for index, first in repeats(map(folded, names)):
            remedy = f"{list(names)[first]} is the same name: give one of them another"
            findings.add(Fault("the looks", group, list(names)[index], remedy))


@dataclass(frozen=True, slots=True)
class _Application:
    """Apply a level to one shot.

    Attributes:
        level: What all levels say together.
        sequence: Name of the sequence in the looks; empty if it has none.
        place: Place of the shot in faults.
    """

    level: Level
    sequence: str
    place: str
    findings: LookFindings

    def shot(self, given: Shot, template: str | None) -> Shot:
        """Return the shot as its looks make it."""
        described = not given.prompt or "{description}" in (template or "")
        wanted = {"prompt": given.prompt, "description": given.description if described else None}
        mentions = {name: self._read(name, text) for name, text in wanted.items() if text}
        mentioned = dict.fromkeys(chain.from_iterable(each.names for each in mentions.values()))
        used = self._used(given, mentioned)
        words = {key: (each.name, each.element.prompt or "") for key, each in used.items()}
        texts = {name: each.filled(words) for name, each in mentions.items()}
        others = [(each.name, each.element.prompt) for key, each in used.items() if key not in mentioned]
        style = self.level.style
        prompt = with_style(
            given.worded(template, texts).prompt,
            before=style.before or "",
            looks=[(name if self._is_character(name) else "", look) for name, look in others if look],
            after=style.after or "",
        )
        settings = {name: value for name, value in self.level.settings.items() if getattr(given, name) is None}
        changes = settings | {
            "prompt": prompt,
            "negative_prompt": _negative(given.negative_prompt, style.negative_prompt),
            "references": self._references(given, used),
            "overrides": self._overrides(given, used),
        }
        in_passes: dict[str, None] = {}
        if passes := settings.get("passes", given.passes):
            changes["passes"] = tuple(self._pass(each, in_passes) for each in passes)
        workflow = settings.get("workflow", given.workflow)
        uses = [self.level.elements[key].name for key in {**dict.fromkeys(used), **in_passes}]
        uses += ["the style"] if style != NO_STYLE else []
        uses += [f"sequence {self.sequence}"] if self.sequence else []
        uses += [f"workflow {workflow}"] if workflow else []
        return given.looking(changes, uses)

    def _pass(self, given: Pass, used: dict[str, None]) -> Pass:
        """Return a pass whose prompt has the words of what it mentions, and add that to what is used."""
        if "@" not in (given.prompt or ""):
            return given
        mentions = self._read(f"passes, {given.name}", given.prompt or "")
        elements = {key: self.level.elements[key] for key in mentions.names}
        used |= dict.fromkeys(elements)
        self.findings.used.update(("element", key) for key in elements)
        words = {key: (each.name, each.element.prompt or "") for key, each in elements.items()}
        return given.model_copy(update={"prompt": mentions.filled(words)})

    def _is_character(self, name: str) -> bool:
        return folded(name) in self.level.characters

    def _read(self, name: str, text: str) -> Mentions:
        before, self.findings.mentions = self.findings.mentions, self.findings.mentions + text.count("@")
        if self.findings.mentions > _MOST_MENTIONS:
            if before <= _MOST_MENTIONS:
                remedy = f"at most {_MOST_MENTIONS:,} in all prompts: split the list"
                self.findings.add(Fault(self.place, name, f"{self.findings.mentions:,} signs @", remedy))
            return Mentions((text,))
        found = self.level.mentionable.read(text)
        for word in found.unknown:
            if not self.level.elements:
                self.findings.as_words[shortened(word)] = None
                continue
            if len(self.findings.faults) >= MOST_FAULTS:
                self.findings.more += 1
                continue
            names = [each.name for each in self.level.elements.values()]
            meant = self.findings.meant(word, names)
            listed = f"did you mean @{meant}?" if meant else f"there are {first_of(sorted(names), _NAMED)}."
            remedy = f"no character or location has this name; {listed} @@ stands for the sign itself"
            self.findings.add(Fault(self.place, name, shortened(f"@{word}"), remedy))
        return found

    def _used(self, given: Shot, mentioned: Iterable[str]) -> dict[str, Named]:
        """Return the elements of a shot by their folded names: as the prompt mentions them, its cast, its location."""
        keys = dict.fromkeys(mentioned)
        for field_name, known, values in (
            ("cast", self.level.characters, given.cast),
            ("location", self.level.locations, (given.location,) if given.location else ()),
        ):
            for value in values:
                if (key := folded(value)) in known:
                    keys[key] = None
                elif known and (field_name == "cast" or self._is_like(value, known)):
                    self.findings.unlike[field_name][value] = None
        self.findings.used.update(("element", key) for key in keys)
        return {key: self.level.elements[key] for key in keys}

    def _is_like(self, name: str, known: Mapping[str, Named]) -> bool:
        return bool(self.findings.meant(name, (each.name for each in known.values())))

    def _references(self, given: Shot, used: Mapping[str, Named]) -> tuple[Reference, ...]:
        """Return the shot's references and those of its elements; of one reference_id, the shot's own."""
        found = {same_name(each.reference_id): each for each in given.references}
        owners: dict[str, str] = dict.fromkeys(found, "")
        for each in used.values():
            for reference in each.element.references:
                key = same_name(reference.reference_id)
                if owners.setdefault(key, each.name) not in ("", each.name) and found[key] != reference:
                    remedy = f"{owners[key]} and {each.name} both have it: give their references different ids"
                    self.findings.add(Fault(self.place, "reference_id", reference.reference_id, remedy))
                found.setdefault(key, reference)
        return tuple(found.values())

    def _overrides(self, given: Shot, used: Mapping[str, Named]) -> Mapping[str, Any]:
        """Return the overrides of a shot; if it has none of its own, those of its level, which such shots share."""
        found: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for each in used.values():
            for name, value in each.element.overrides.items():
                if found.setdefault(name, value) != value and name not in given.overrides:
                    remedy = f"{owners[name]} and {each.name} set it to different values: set it in the shot"
                    self.findings.add(Fault(self.place, "overrides", shortened(name), remedy))
                owners.setdefault(name, each.name)
        return (
            {**self.level.overrides, **found, **given.overrides} if found or given.overrides else self.level.overrides
        )


def _negative(own: str | None, style: str | None) -> str | None:
    """Return the negative prompt of a shot; an empty one of its own stays empty."""
    return f"{own}, {style}" if own and style else style if own is None else own
