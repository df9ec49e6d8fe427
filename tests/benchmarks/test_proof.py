"""What is lost or damaged in a store is found."""

from collections.abc import Awaitable, Callable

import pytest

from benchmarks.proof import flaws
from previs.store import FolderStore, Store, keys
from tests.previs.records.published import frame, manifest, mark, put_record, put_run, record, shot, take

BOARD = "夜景 1"
ONE, TWO = (take(1, content, seed=7, fingerprint=mark(content.decode())) for content in (b"one", b"two"))


async def _missing(store: Store) -> None:
    await store.delete([frame(b"two").key])


async def _damaged(store: Store) -> None:
    await store.put(frame(b"two").key, b"tw0", media_type="image/png")


async def _unreadable(store: Store) -> None:
    await store.put(keys.take_key(TWO.fingerprint), b"{", media_type="application/json")


async def _of_another(store: Store) -> None:
    await put_record(store, record(TWO, frames=ONE.frames))


async def _too_much(store: Store) -> None:
    await store.put(frame(b"three").key, b"three", media_type="image/png")


async def _nothing(_: Store) -> None:
    """Change nothing."""


@pytest.mark.parametrize(
    ("damage", "listed"),
    [
        (_nothing, []),
        (_missing, [f"{frame(b'two').key} is missing", "frames/ has 1, not 2"]),
        (_damaged, [f"{frame(b'two').key} is damaged"]),
        (_unreadable, [f"{TWO.fingerprint} has no record that can be read"]),
        (_of_another, [f"{TWO.fingerprint} has the record of something else"]),
        (_too_much, ["frames/ has 3, not 2"]),
    ],
)
async def test_damage_to_a_store_is_listed(
    folder_store: FolderStore, damage: Callable[[Store], Awaitable[None]], listed: list[str]
) -> None:
    await put_run(folder_store, manifest(shot("A", ONE), shot("B", TWO)), [b"one", b"two"])
    await damage(folder_store)
    assert await flaws(folder_store, BOARD, 2) == listed


async def test_missing_shots_are_listed(folder_store: FolderStore) -> None:
    await put_run(folder_store, manifest(shot("A", ONE), shot("B", take(1))), [b"one"])
    assert "failed" in " ".join(await flaws(folder_store, BOARD, 2))
    [lost, *_] = await flaws(folder_store, "another", 2)
    assert "another" in lost
