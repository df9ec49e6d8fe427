"""Read look files, and report what the looks of a list get wrong or do not use."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from pydantic import ValidationError

from previs.errors import Fault, ShotListFaults
from previs.shots.faults import display_value
from previs.shots.from_json import read_json
from previs.shots.from_yaml import read_yaml
from previs.shots.looks import LookFindings, apply_looks
from previs.shots.mentions import folded
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Look, Sequence
from previs.shots.remedies import look_path, look_remedy
from previs.shots.text import LARGEST, decoded, fault, notation_by_name
from previs.shots.tree import has_more_values, plain, repeated_keys
from previs.shots.unused import known_field, objects_in, unused_in_look
from previs.text.listing import first_of
from previs.text.visible import shortened, visible

_NAMED: Final = 20
_MOST_VALUES: Final = 10_000
_ONCE: Final = "give each field once"
_NO_LOOK: Final = "a YAML or JSON object with style, characters, locations, sequences or workflows is needed"


def read_look(content: bytes, *, name: str) -> tuple[Look, tuple[str, ...]]:
    """Return the look of a file, and sentences on what is not used in it.

    Raises:
        ShotListFaults: The file is no look, or has faults.
    """
    text, notices = decoded(content, name, any_encoding=False)
    read = read_json if notation_by_name(name) == "json" or text.lstrip().startswith("{") else read_yaml
    values = read(text, name)
    if not isinstance(values, Mapping) or not values.keys() & Look.model_fields.keys():
        raise fault(name, "the look", _NO_LOOK)
    if has_more_values(values, _MOST_VALUES):
        raise fault(name, "the look", f"it has more than {_MOST_VALUES:,} values: split it")
    tree = plain(values)
    repeated = (Fault("the look", look_path(path), "given more than once", _ONCE) for path in repeated_keys(values))
    found = [*repeated, *_misspelled(tree)]
    try:
        look = Look.model_validate(tree)
    except ValidationError as error:
        found += _broken(error)
        raise ShotListFaults(name, tuple(dict.fromkeys(found))) from None
    if found:
        raise ShotListFaults(name, tuple(found))
    return look, tuple(f"{name}: {each}" for each in (*notices, *unused_in_look(look)))


def _misspelled(tree: Mapping[Any, Any]) -> Iterator[Fault]:
    for path, owner, names in objects_in("look", tree):
        for name in names:
            if meant := known_field(owner, name):
                yield Fault("the look", f"{path}{shortened(name)}", "", f"not a field: did you mean {meant}?")


def _broken(error: ValidationError) -> Iterator[Fault]:
    for violation in error.errors(include_url=False, include_context=False):
        path, value = violation["loc"], display_value(violation["input"])
        yield Fault("the look", shortened(look_path(path)), value, look_remedy(path))


def with_looks(shot_list: ShotList, name: str, looks: Iterable[Look] = (), notices: Iterable[str] = ()) -> ShotList:
    """Return a list whose shots are as its looks make them.

    Args:
        shot_list: List as read.
        name: Name of the list in faults.
        looks: Look files of the list, the nearest first.
        notices: Sentences on how these were read.

    Raises:
        ShotListFaults: A prompt mentions an unknown name, looks contradict each other, or all prompts together are too
            long.
    """
    given = list(looks)
    made, findings = apply_looks(shot_list, given)
    if findings.faults:
        raise ShotListFaults(name, tuple(dict.fromkeys(findings.faults)), findings.more)
    if findings.room < 0:
        remedy = f"its prompts have more than {LARGEST:,} characters: shorten the template, the style or the looks"
        raise fault(name, "the list", remedy)
    said = (*notices, *_unlike(findings), *_unused(shot_list, given, findings))
    return made.noted((*shot_list.notices, *said), shot_list.columns, shot_list.picks) if said else made


def _unlike(findings: LookFindings) -> Iterator[str]:
    if findings.as_words:
        named = first_of([visible(f"@{word}") for word in findings.as_words], _NAMED)
        yield f"the list has no characters or locations, so the model gets these as words: {named}"
    for what, names in findings.unlike.items():
        if names:
            yield f"{what} without a look: {first_of([visible(shortened(each)) for each in names], _NAMED)}"


def _workflows_of(level: Look | ShotList | Sequence | Shot) -> Iterator[str | None]:
    yield level.workflow
    yield from (each.workflow for each in level.passes or ())


def _unused(shot_list: ShotList, looks: Iterable[Look], findings: LookFindings) -> Iterator[str]:
    named: dict[str, None] = {}
    levels: list[Look | ShotList] = [shot_list, *looks]
    sequences = (each for level in levels for each in level.sequences.values())
    named_workflows = set(chain.from_iterable(map(_workflows_of, (*levels, *sequences, *shot_list.shots))))
    for level in levels:
        for kind, names in (("element", level.characters), ("element", level.locations), ("sequence", level.sequences)):
            word = "sequence " if kind == "sequence" else ""
            named |= {f"{word}{each}": None for each in names if (kind, folded(each)) not in findings.used}
        named |= {f"workflow {each}": None for each in level.workflows if each not in named_workflows}
    if named:
        yield f"no shot uses: {first_of([visible(shortened(each)) for each in named], _NAMED)}"
