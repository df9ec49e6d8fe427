"""The list of shots that are rendered again finds its pictures, wherever the list of the run was."""

import json
from pathlib import Path
from typing import Any

import pytest

from previs.publishing.review import ReviewAnswer
from previs.records.manifest import Manifest
from previs.review.again import AgainOrder, order_again
from previs.store import FolderStore, keys
from tests.previs.records.published import manifest, shot, take

ANSWER = ReviewAnswer({}, {"1": "more rain"})
REFERENCE = {"url": "refs/a.png", "reference_id": "ref_1"}


def board(**fields: Any) -> Manifest:
    given = {"shot_id": 1, "prompt": "rain", "references": [REFERENCE]} | fields
    return manifest(shot(1, take(1, b"x"), shot=given, prompt="rain"), board="b")


async def ordered(store: FolderStore, made: Manifest, origin: str | None) -> tuple[AgainOrder, dict[str, Any]]:
    order = await order_again(store, store.name, made, ANSWER, origin)
    path = Path(order.parameters["shots"])
    return order, json.loads(path.read_bytes())  # noqa: ASYNC240 - a small file


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("/lists/film.yaml", "/lists/refs/a.png"),
        ("s3://studio/film/list.yaml", "s3://studio/film/refs/a.png"),
        ("https://studio.example/film/list.yaml", "https://studio.example/film/refs/a.png"),
    ],
)
async def test_names_relative_to_the_list_of_the_run_become_whole(
    folder_store: FolderStore, origin: str, url: str
) -> None:
    order, listed = await ordered(folder_store, board(workflow="flow.json"), origin)
    (made,) = listed["shots"]
    assert made["references"][0]["url"] == url
    assert made["workflow"] == url.replace("refs/a.png", "flow.json")
    assert made["prompt"] == "more rain"
    assert (order.complete, order.notices) == (True, ())
    # A list below lists/ would name no local file.
    assert keys.LISTS not in order.parameters["shots"]


async def test_the_names_of_a_list_that_was_sent_inline_stay(folder_store: FolderStore) -> None:
    await folder_store.put("references/refs/a.png", b"x", media_type="image/png")
    order, listed = await ordered(folder_store, board(), None)
    assert listed["shots"][0]["references"][0]["url"] == "refs/a.png"
    assert order.complete
    assert order.parameters["shots"].startswith(folder_store.uri(keys.LISTS))


async def test_a_list_whose_files_are_not_found_is_not_complete(folder_store: FolderStore) -> None:
    order, _ = await ordered(folder_store, board(), None)
    assert not order.complete


async def test_whole_names_stay(folder_store: FolderStore) -> None:
    whole = {"url": "https://example.com/a.png", "reference_id": "ref_1"}
    order, listed = await ordered(folder_store, board(references=[whole]), None)
    assert listed["shots"][0]["references"] == [whole]
    assert order.complete


async def test_a_workflow_of_settings_is_a_parameter_and_a_file_of_the_command(folder_store: FolderStore) -> None:
    settings = {"checkpoint": "dream.safetensors"}
    made = board(references=[]).model_copy(update={"workflow": settings})
    order, _ = await ordered(folder_store, made, None)
    assert order.parameters["workflow"] == settings
    path = order.command.partition("--workflow ")[2].partition(" --only")[0].strip("'")
    assert json.loads(Path(path).read_bytes()) == settings  # noqa: ASYNC240 - a small file
