"""The boards that are rendered each night: kept in the store, one file for each."""

import re
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from previs.boards.runs import each_file, there_are
from previs.errors import NotInStore, RecordUnreadable
from previs.store import Store, keys

NO_BOARDS: Final = "no board is rendered each night: previs nightly add SHOTS adds one"
_ENTRY: Final = re.compile(rf"{keys.NIGHTLY}([^/]+)\.json")


class NightlyBoard(BaseModel):
    """The record that a board is rendered each night, kept at nightly/BOARD.json."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.nightly/1"] = Field(
        "previs.nightly/1", alias="schema", title="Schema", description="Name and version of this form."
    )
    board: str = Field(min_length=1, description="The name under which its runs gather.")
    shots: str = Field(
        min_length=1,
        description="The place of its shot list, read anew each night: a path that workers read, s3:// or https://.",
    )
    workflow: dict[str, JsonValue] | str | None = Field(
        default=None, description="Settings, or the place of a workflow; null for that of the deployment."
    )
    takes: int = Field(
        default=1, ge=1, le=100, description="How many renderings of each shot that does not say so itself."
    )
    overrides: dict[str, JsonValue] = Field(
        default_factory=dict, description="Inputs of the workflow's nodes for every shot, by node id or title."
    )
    added: AwareDatetime = Field(description="When it was added, or last changed.")

    @property
    def places(self) -> tuple[str, ...]:
        """Of the files that its runs read."""
        return (self.shots, self.workflow) if isinstance(self.workflow, str) else (self.shots,)


async def add_nightly(store: Store, entry: NightlyBoard) -> bool:
    """Have a board rendered each night, and tell whether that takes the place of an earlier entry."""
    key = keys.nightly_key(entry.board)
    before = await store.get(key)
    content = entry.model_dump_json(by_alias=True, indent=1).encode()
    await store.put(key, content, media_type="application/json")
    return before is not None


async def remove_nightly(store: Store, board: str) -> None:
    """Have a board no longer rendered each night; its entry may be unreadable.

    Args:
        store: where the entry is.
        board: its name, or how that stands in keys.

    Raises:
        NotInStore: it is not rendered each night; the names of those that are follow, the closest first.
    """
    found = await nightly_boards(store)
    key = next((each for each in (keys.nightly_key(board), f"{keys.NIGHTLY}{board}.json") if each in found), None)
    if key is None:
        raise NotInStore(store.name, f"nightly board {board!r}", there_are(board, list(map(name_of, found.items()))))
    await store.delete([key])


async def nightly_boards(store: Store) -> dict[str, NightlyBoard | RecordUnreadable]:
    """The boards that are rendered each night by their keys, in the order of these; or why one cannot be read."""
    return await each_file(store, sorted(filter(_ENTRY.fullmatch, await store.entries(keys.NIGHTLY))), _read)


def name_of(found: tuple[str, NightlyBoard | RecordUnreadable]) -> str:
    """The name of what stands under a key; where that cannot be read, as it stands in the key."""
    key, entry = found
    return entry.board if isinstance(entry, NightlyBoard) else _stem(key)


def _stem(key: str) -> str:
    return key.removeprefix(keys.NIGHTLY).removesuffix(".json")


def _read(key: str, content: bytes) -> NightlyBoard | RecordUnreadable:
    try:
        entry = NightlyBoard.model_validate_json(content)
    except ValidationError:
        return RecordUnreadable(key, f"it is no nightly board of version 1: add or remove board {_stem(key)!r}")
    if key != keys.nightly_key(entry.board):
        return RecordUnreadable(key, f"it is the entry of another board ({entry.board!r}): remove {_stem(key)!r}")
    return entry
