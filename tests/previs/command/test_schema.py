"""Files that previs writes keep to its JSON Schemas, and these describe every field."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from previs.boards.picks import pick, unpick
from previs.command.schema import NAMES, json_schema, write_schema
from previs.store import FolderStore, keys
from tests.conftest import Serve
from tests.previs.records.published import BEGAN, manifest, put_run, take
from tests.previs.records.published import shot as shot_of
from tests.previs.rendering.rendered import board_of, from_picture, picture, shot

EXAMPLES = Path(__file__).parents[3] / "examples"


def check(name: str, content: Any) -> None:
    Draft202012Validator(json_schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(content)


async def contents(store: FolderStore, prefix: str, end: str = ".json") -> list[Any]:
    found = [await store.get(key) for key in sorted(await store.entries(prefix)) if key.endswith(end)]
    return [json.loads(content) for content in found if content is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_keeps_to_its_dialect_and_has_a_name(name: str) -> None:
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith(f"urn:previs:{name}:")


@pytest.mark.parametrize("name", ["manifest", "nightly", "pick", "take"])
def test_the_name_of_a_schema_is_that_which_files_carry(name: str) -> None:
    schema = json_schema(name)
    written = schema["properties"]["schema"]["const"]
    assert schema["$id"] == f"urn:{written.replace('.', ':').replace('/', ':')}"
    assert "schema" in schema["required"]


def objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield schema["title"], schema
    yield from schema.get("$defs", {}).items()


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_a_title_and_a_sentence(name: str) -> None:
    bare = [
        f"{of}.{field}"
        for of, made in objects(json_schema(name))
        for field, schema in made.get("properties", {}).items()
        if not schema.get("title") or not schema.get("description", "").endswith(".")
    ]
    assert bare == []


async def test_what_a_run_writes_keeps_to_its_schema(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate(draw=True)
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot(1, "ref.jpg", 镜头="广角", seed=2**64 - 1), shot("SH02", "shot:1")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture(), takes=2)
    [written] = [each for each in await contents(folder_store, keys.BOARDS, "/manifest.json") if "shots" in each]
    check("manifest", written)
    assert written["shots"][1]["takes"][0]["inputs"]
    records = await contents(folder_store, keys.TAKES)
    assert len(records) == 4
    for record in records:
        check("take", record)
    await pick(folder_store, board.manifest.board, "1", 2)
    await unpick(folder_store, board.manifest.board, "1")
    await pick(folder_store, board.manifest.board, "SH02", 1)
    choices = await contents(folder_store, keys.picks_prefix(board.manifest.board))
    assert [choice["take"] for choice in choices] == [None, 1]
    for choice in choices:
        check("pick", choice)


async def test_takes_that_failed_or_were_skipped_keep_to_the_schema(folder_store: FolderStore) -> None:
    tried = {"at": datetime.now(UTC), "server": None, "error": "the store is in trouble"}
    failed = take(1, error="夜", attempts=[tried])
    await put_run(folder_store, manifest(shot_of(1, failed), shot_of("a", take(1, outcome="skipped")), finished=BEGAN))
    [written] = await contents(folder_store, keys.BOARDS, "/manifest.json")
    check("manifest", written)


def test_the_shot_list_of_the_examples_keeps_to_its_schema() -> None:
    check("shots", json.loads((EXAMPLES / "upstream.json").read_text("utf-8")))


@pytest.mark.parametrize(
    "content",
    [{"shots": [shot(1)]}, [shot(1), shot("SH02", "a.png", unknown=[1])], shot(1), {"title": "夜", "shots": [shot(1)]}],
)
def test_a_list_an_object_with_shots_and_a_shot_are_shot_lists(content: Any) -> None:
    check("shots", content)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("shots", {"shots": []}),
        ("shots", [{"shot_id": 1, "prompt": "a"}]),
        ("shots", [shot(1, duration=0)]),
        ("manifest", {"schema": "previs.manifest/1"}),
        ("take", {"schema": "previs.take/2"}),
        ("pick", {"shot_id": "1", "take": 1, "fingerprint": "a", "picked": "2026-10-31T17:40:00Z"}),
    ],
)
def test_what_is_of_another_form_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ValidationError):
        check(name, wrong)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_writes_the_schema_alone(name: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert write_schema(name) == 0
    assert json.loads(capsysbinary.readouterr().out) == json_schema(name)


def test_without_a_name_all_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_schema(None) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(NAMES)


def test_an_unknown_name_is_reported_with_all_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_schema("manifests") == 2
    sentence = "there is no schema 'manifests': there are manifest, take, pick, nightly, shots\n"
    assert capsys.readouterr().err == sentence
