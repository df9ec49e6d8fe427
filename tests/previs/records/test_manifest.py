"""Check that manifests of all versions are read, others refused in a sentence, and all fields described.

The tables in docs/manifest.md are written again by ``REWRITE_GOLDEN=1 pytest tests/previs/records/test_manifest.py``.
"""

import contextlib
import copy
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from previs.errors import PrevisError, RecordUnreadable
from previs.planning.fingerprint import fingerprint
from previs.records.manifest import (
    BindingEntry,
    Manifest,
    ShotEntry,
    TakeEntry,
    json_pieces,
    read_manifest,
)
from previs.records.marks import Mark, Retried
from previs.records.takes import Attempt, Frame, InputPicture, Pick, Pixels, TakeRecord
from previs.rendering.rerender import find_take, plan_again
from previs.store import FolderStore, keys
from tests.previs.records.field_tables import check_table
from tests.previs.records.published import manifest, put_run, sha, shot, take

VERSION_1 = (Path(__file__).parent / "golden" / "manifest-1.json").read_bytes()
DOCUMENT = Path(__file__).parents[3] / "docs" / "manifest.md"
DESCRIBED: list[type[BaseModel]] = [
    Manifest, ShotEntry, TakeEntry, Mark, Retried, Frame, Pixels, InputPicture, Attempt, BindingEntry, TakeRecord, Pick,
]  # fmt: skip
NEW_IN_2 = {
    "ShotEntry": {"picked", "workflow", "uses", "passes"},
    "TakeEntry": {"comfyui", "waiting", "uploading", "attempts", "inputs", "marks", "retried"},
}


def read(content: Any) -> Manifest:
    return read_manifest(
        content if isinstance(content, bytes) else json.dumps(content).encode(), name="夜/manifest.json"
    )


def version_1() -> Any:
    return json.loads(VERSION_1)


def version_2() -> Any:
    made = manifest(shot(1, take(1, b"one", attempts=[{"at": "2026-10-31T17:40:00Z", "error": "lost"}])))
    return json.loads(made.model_dump_json(by_alias=True))


def test_a_manifest_of_version_1_is_read() -> None:
    made = read(VERSION_1)
    assert (made.schema_name, made.board, made.fps) == ("previs.manifest/2", "夜景", 25.0)
    assert made.started == datetime(2026, 10, 31, 17, 40, tzinfo=UTC)
    assert [each.shot_id for each in made.shots] == [1, "SQ010_SH020", "SQ010_SH030"]
    assert [each.outcome for one in made.shots for each in one.takes] == ["rendered", "cached", "rendered", "failed"]
    assert [one.shot_id for one in made.failed] == ["SQ010_SH030"]
    assert made.shots[0].shot["镜头"] == "广角"
    assert made.shots[0].takes[0].graph
    assert made.shots[0].shown is made.shots[0].takes[0]


def test_fields_new_in_version_2_are_empty_in_version_1() -> None:
    for one in read(VERSION_1).shots:
        assert one.picked is None
        for each in one.takes:
            assert (each.comfyui, each.waiting, each.uploading) == (None, None, None)
            assert (each.attempts, each.inputs) == ((), ())


def test_all_values_of_version_1_are_kept() -> None:
    then = version_1()
    now = json.loads(read(VERSION_1).model_dump_json(by_alias=True))
    assert now.pop("schema") != then.pop("schema")
    for name in ("number", "prompt_template", "lang", "looks", "workflows"):
        del now[name]
    for one in now["bindings"]:
        del one["workflow"]
    for one in now["shots"]:
        for name in NEW_IN_2["ShotEntry"]:
            del one[name]
        for each in one["takes"]:
            for name in NEW_IN_2["TakeEntry"]:
                del each[name]
            for frame in each["frames"]:
                for name in ("node", "duration", "frame_rate", "pixels"):
                    del frame[name]
    assert now == then


def test_a_written_manifest_is_read_again_and_starts_with_its_schema() -> None:
    made = manifest(shot("镜头", take(1, b"one"), take(2), picked=1))
    written = made.model_dump_json(by_alias=True, indent=1).encode()
    assert read(written) == made
    assert next(iter(json.loads(written))) == "schema"
    assert "镜头".encode() in written


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_manifest_written_in_pieces_is_the_same_file(count: int) -> None:
    board = manifest(*(shot(number, take(1, b"one"), prompt='雨\n\n  [] "夜"') for number in range(count)))
    assert b"".join(json_pieces(board)).decode() == board.model_dump_json(by_alias=True, indent=1)


@pytest.mark.parametrize(
    "schema",
    ["previs.manifest/3", "previs.manifest/0", "previs.take/1", "", None, 2, [], {}, ["previs.manifest/1"]],
    ids=str,
)
def test_another_version_or_form_is_refused_in_a_sentence(schema: Any) -> None:
    with pytest.raises(RecordUnreadable) as caught:
        read(version_2() | {"schema": schema})
    assert str(caught.value) == "夜/manifest.json cannot be used: it is not a manifest of version 1 or 2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file: Invalid JSON"),
        (b"\xff\xfe\x00", "the file: Invalid JSON"),
        (VERSION_1[:5000], "the file: Invalid JSON"),
        (b"[" * 100_000, "the file: Invalid JSON"),
        (b"[]", "the file: Input should be an object"),
        (b"null", "the file: Input should be an object"),
        (b"{}", "board: Field required"),
        (b'{"board": "\\ud800"}', "the file: Invalid JSON"),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(RecordUnreadable, match=reason) as caught:
        read(content)
    assert str(caught.value).startswith("夜/manifest.json cannot be used: ")
    assert "\n" not in str(caught.value)


def test_a_fault_deep_in_a_manifest_is_reported_with_its_path() -> None:
    content = version_2()
    content["shots"][0]["takes"][0]["frames"][0]["size"] = "large"
    with pytest.raises(RecordUnreadable, match=r"shots\.0\.takes\.0\.frames\.0\.size: Input should be a valid integer"):
        read(content)


@pytest.mark.parametrize("where", ["started", "finished"])
def test_a_time_without_a_zone_is_refused(where: str) -> None:
    with pytest.raises(RecordUnreadable, match=f"{where}: Input should have timezone info"):
        read(version_2() | {where: "2026-10-31T17:40:00"})


def test_fields_that_nobody_knows_are_ignored_everywhere() -> None:
    content = version_2()
    known = read(content)
    of_shot = content["shots"][0]
    of_take = of_shot["takes"][0]
    for each in (content, of_shot, of_take, of_take["frames"][0], of_take["attempts"][0]):
        each["of_a_later_version"] = [{"a": 1}]
    assert read(content) == known


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for step, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*above, step)
        yield from _places(each, (*above, step))


def with_pictures() -> Any:
    """Return a manifest whose second shot has an input picture."""
    content = version_1() | {"schema": "previs.manifest/2"}
    of_take = content["shots"][1]["takes"][0]
    named = [node["inputs"]["image"] for node in of_take["graph"].values() if node["class_type"] == "LoadImage"]
    name = named[0]
    found = name.removeprefix("previs/").removesuffix(".png")
    of_take["inputs"] = [{"name": name, "key": keys.input_key(found, ".png"), "sha256": found, "size": 1}]
    return content


PLACES = sorted(_places(with_pictures()), key=repr)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just("previs/" + "a" * 64 + ".png"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["class_type", "inputs", "a"]), inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
async def test_whatever_is_damaged_is_refused_in_a_sentence_or_does_no_harm(
    changes: list[tuple[tuple[Any, ...], Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = with_pictures()
    for place, junk in changes:
        at: Any = content
        try:
            for step in place[:-1]:
                at = at[step]
            at[place[-1]] = copy.deepcopy(junk)
        except (KeyError, IndexError, TypeError):
            continue
    store = FolderStore(tmp_path_factory.getbasetemp() / "nothing")
    with contextlib.suppress(PrevisError):
        made = read(content)
        for shot_id, number in [(one.shot_id, each.take) for one in made.shots for each in one.takes]:
            with contextlib.suppress(PrevisError):
                found = find_take(made, str(shot_id), number, name="夜")
                await plan_again(made, *found, store, name="夜")


@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.__name__)
def test_the_document_describes_every_field_as_the_schema_does(model: type[BaseModel]) -> None:
    check_table(DOCUMENT, model)


def test_links_to_forms_in_the_document_lead_to_their_headings() -> None:
    text = DOCUMENT.read_text("utf-8")
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_the_example_in_the_document_is_a_manifest_and_the_least_of_one() -> None:
    [example] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    made = read(example.encode())
    assert made.shots[0].takes[0].outcome == "failed"
    content = json.loads(example)
    for name in sorted(content.keys() - {"schema"}):
        with pytest.raises(RecordUnreadable, match=f"{name}: Field required|{name}.*: Field required"):
            read({each: value for each, value in content.items() if each != name})


def test_the_document_lists_the_fields_new_in_version_2() -> None:
    rows = dict(re.findall(r"^\| (shot|take) \| (.*) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows["shot"])) == NEW_IN_2["ShotEntry"]
    assert set(re.findall(r"`(\w+)`", rows["take"])) == NEW_IN_2["TakeEntry"] | {"outcome", "skipped"}


async def test_the_document_has_every_field_of_the_file_that_tells_the_latest_run(folder_store: FolderStore) -> None:
    made = manifest(shot(1, take(1, b"one")))
    await put_run(folder_store, made, [b"one"])
    written = json.loads(await folder_store.get(keys.latest_key(made.board)) or b"")
    after = DOCUMENT.read_text("utf-8").partition("`latest.json` is written")[2].partition("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", after, re.MULTILINE) == list(written)
    assert f'`"{written["schema"]}"`' in after


def test_the_document_tells_how_fingerprints_are_counted() -> None:
    graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 5, "cfg": 7.5, "text": "夜"}}}
    [version] = re.findall(r"of `\[(\d+), graph\]`", DOCUMENT.read_text("utf-8"))
    canonical = json.dumps([int(version), graph], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert fingerprint(graph) == sha(canonical.encode())  # type: ignore[arg-type]
