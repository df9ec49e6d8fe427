"""Keep the boards that are rendered each night, one file per board in the store."""

import re
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from previs.boards.runs import each_file, list_names
from previs.errors import NotInStore, RecordUnreadable
from previs.store import Store, keys
from previs.store.record_files import get_record

NO_BOARDS: Final = "no board is rendered each night: previs nightly add SHOTS adds one"
_ENTRY: Final = re.compile(rf"{keys.NIGHTLY}([^/]+)\.json")


class NightlyBoard(BaseModel):
    """Record that a board is rendered each night; kept at nightly/BOARD.json."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.nightly/1"] = Field(
        "previs.nightly/1", alias="schema", title="Schema", description="Name and version of this format."
    )
    board: str = Field(min_length=1, description="Name of the board to which its runs belong.")
    shots: str = Field(
        min_length=1,
        description="Path or URL of its shot list, read again each night: a path that workers read, s3:// or https://.",
    )
    workflow: dict[str, JsonValue] | str | None = Field(
        default=None, description="Settings, or path or URL of a workflow; null for that of the deployment."
    )
    takes: int = Field(default=1, ge=1, le=100, description="Takes per shot, unless the shot sets its own.")
    overrides: dict[str, JsonValue] = Field(
        default_factory=dict, description="Inputs of the workflow's nodes for every shot, by node id or title."
    )
    render_seconds: float | None = Field(
        default=None, gt=0, description="Seconds that a take may render on a server; null for the deployment's limit."
    )
    added: AwareDatetime = Field(description="When it was added, or last changed.")

    @property
    def input_uris(self) -> tuple[str, ...]:
        """Return the paths or URLs of the files that its runs read."""
        return (self.shots, self.workflow) if isinstance(self.workflow, str) else (self.shots,)


async def add_nightly(store: Store, entry: NightlyBoard) -> bool:
    """Add a board to the nightly ones, and return whether an earlier entry was replaced."""
    key = keys.nightly_key(entry.board)
    before = await get_record(store, key)
    content = entry.model_dump_json(by_alias=True, indent=1).encode()
    await store.put(key, content, media_type="application/json")
    return before is not None


async def remove_nightly(store: Store, board: str) -> None:
    """Stop rendering a board each night; its entry may be unreadable.

    Args:
        store: Store of the entry.
        board: Name of the board, or its part of keys.

    Raises:
        NotInStore: The board has no entry; the error lists those that have, the closest name first.
    """
    found = await nightly_boards(store)
    key = next((each for each in (keys.nightly_key(board), f"{keys.NIGHTLY}{board}.json") if each in found), None)
    if key is None:
        raise NotInStore(store.name, f"nightly board {board!r}", list_names(board, list(map(name_of, found.items()))))
    await store.delete([key])


async def nightly_boards(store: Store) -> dict[str, NightlyBoard | RecordUnreadable]:
    """Return the nightly boards by key, in the order of keys; an error in place of one that cannot be read."""
    return await each_file(store, sorted(filter(_ENTRY.fullmatch, await store.entries(keys.NIGHTLY))), _read)


def name_of(found: tuple[str, NightlyBoard | RecordUnreadable]) -> str:
    """Return the name of a nightly board, or its part of the key if the entry cannot be read."""
    key, entry = found
    return entry.board if isinstance(entry, NightlyBoard) else _stem(key)


def _stem(key: str) -> str:
    return key.removeprefix(keys.NIGHTLY).removesuffix(".json")


def _read(key: str, content: bytes) -> NightlyBoard | RecordUnreadable:
    try:
        entry = NightlyBoard.model_validate_json(content)
    except ValidationError:
        return RecordUnreadable(key, f"it is not a nightly board of version 1: add or remove board {_stem(key)!r}")
    if key != keys.nightly_key(entry.board):
        return RecordUnreadable(key, f"it is the entry of another board ({entry.board!r}): remove {_stem(key)!r}")
    return entry
