"""Represent a file's contents as plain values, before they are checked as shots."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from pydantic import BaseModel

from previs.shots.rules import DEEPEST

Path = tuple[int | str, ...]


class Pairs(dict[str, Any]):
    """Hold an object of a file, with the first value of each key, and each key that is repeated, once."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "Pairs":
        """Return an object made of pairs, in their order."""
        made = cls()
        repeated: dict[str, None] = {}
        for key, value in pairs:
            if key in made:
                repeated[key] = None
            else:
                made[key] = value
        if repeated:
            made.repeated = tuple(repeated)
        return made


def has_more_values(value: object, most: int) -> bool:
    """Return whether plain JSON has more than ``most`` values, itself and the keys of objects not counted."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict | list):
            most -= len(each)
            if most < 0:
                return True
            pending += each.values() if isinstance(each, dict) else each
    return False


def plain(value: object, depth: int = DEEPEST) -> Any:  # noqa: ANN401 - whatever a file may hold
    """Convert any mappings, lists and tuples to dicts and lists.

    Raises:
        RecursionError: The value is nested too deeply, perhaps without end.
    """
    if not depth and isinstance(value, Mapping | list | tuple):
        raise RecursionError
    if isinstance(value, Mapping):
        return {key: plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth - 1) for item in value]
    return value


def plain_json(given: object) -> Any:  # noqa: ANN401 - any JSON; its reader reports faults
    """Convert models and paths, or a sequence of these, to JSON values; leave anything else as it is."""
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return [_item(each) for each in given]
    return _item(given)


def _item(given: object) -> object:
    match given:
        case BaseModel():
            return given.model_dump(mode="json", exclude_unset=True)
        case PathLike():
            return fspath(given)
        case _:
            return given


def repeated_keys(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each key that is repeated in an object."""
    if isinstance(value, Pairs):
        yield from ((*path, key) for key in value.repeated)
    if isinstance(value, dict):
        yield from _below(value.items(), path)
    elif isinstance(value, list):
        yield from _below(enumerate(value), path)


def _below(items: Iterable[tuple[int | str, Any]], path: Path) -> Iterator[Path]:
    for key, item in items:
        yield from repeated_keys(item, (*path, key))
