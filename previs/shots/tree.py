"""A file's contents as plain values, before any rule of film is asked of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from pydantic import BaseModel

from previs.shots.rules import DEEPEST

Path = tuple[int | str, ...]


class Pairs(dict[str, Any]):
    """An object of a file, which remembers the keys that the file gives more than once.

    The first value of such a key is kept.
    """

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "Pairs":
        """From all pairs of an object, in their order."""
        made = cls()
        for key, value in pairs:
            if key in made:
                made.repeated = (*made.repeated, key)
            else:
                made[key] = value
        return made


def plain(value: object, depth: int = DEEPEST) -> Any:  # noqa: ANN401 - whatever a file may hold
    """The same in dicts and lists of Python's own, whatever mappings and tuples it came in.

    Raises:
        RecursionError: it nests without end, or as if it did.
    """
    if not depth and isinstance(value, Mapping | list | tuple):
        raise RecursionError
    if isinstance(value, Mapping):
        return {key: plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth - 1) for item in value]
    return value


def plain_json(given: object) -> Any:  # noqa: ANN401 - any JSON; its reader says what is wrong with it
    """What a program gives as models, a path, or a sequence of these, as JSON has it; anything else stays as it is."""
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
    """The way to each key that an object of a file gives more than once."""
    if isinstance(value, Pairs):
        yield from ((*path, key) for key in value.repeated)
    if isinstance(value, dict):
        yield from _below(value.items(), path)
    elif isinstance(value, list):
        yield from _below(enumerate(value), path)


def _below(items: Iterable[tuple[int | str, Any]], path: Path) -> Iterator[Path]:
    for key, item in items:
        yield from repeated_keys(item, (*path, key))
