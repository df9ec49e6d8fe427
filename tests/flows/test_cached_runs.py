"""Check that a run renders what changed and nothing else, and that earlier frames stay."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings

from previs.boards.picks import pick
from previs.store import FolderStore, S3Settings, S3Store, keys
from tasks import take as take_module
from tests.conftest import Serve
from tests.flows.conftest import artifacts_of
from tests.flows.runs import BOARD, Ran, Stage, ends_of, picture, shot, with_sources
from tests.flows.test_storyboard import SETTINGS, s3_block

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

FOUR = [
    shot("SH01", **with_sources("hero.png")),
    shot("SH02", **with_sources("hero.png")),
    shot("SH03", **with_sources("alley.png")),
    shot("SH04"),
]
CHAIN = [shot("A"), shot("B", **with_sources("shot:A")), shot("C", **with_sources("shot:B")), shot("D")]
CHECKPOINT = ("checkpoints", "sd_xl_base_1.0.safetensors")


def labels(*shots: str) -> list[str]:
    return [f"{each} · take 1" for each in shots]


@pytest.fixture
async def in_folder(simulate: Serve, folder_store: FolderStore, tmp_path: Path) -> Stage:
    return Stage([await simulate(seconds=0.01)], folder_store, str(tmp_path / "故事 板" / "store"))


@pytest.fixture
async def in_s3(simulate: Serve, s3_store: S3Store, settings: S3Settings) -> Stage:
    return Stage([await simulate(seconds=0.01)], s3_store, s3_block(settings))


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    made: Stage = request.getfixturevalue(f"in_{request.param}")
    return made


IN_BOTH = pytest.mark.parametrize("stage", ["folder", "s3"], indirect=True)


async def put_references(stage: Stage, **colours: str) -> None:
    for name, colour in colours.items():
        await stage.store.put(f"{keys.REFERENCES}{name}.png", picture(colour), media_type="image/png")


def _changed(**fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [each | fields.get(each["shot_id"], {}) for each in (*FOUR, *CHAIN)]


ARRANGED = {
    "title": "雨夜",
    "fps": 25,
    "shots": [each | {"duration": 7.5, "sequence": "SQ010", "notes": "slow"} for each in (*CHAIN, *FOUR[::-1])],
}


async def test_a_changed_list_renders_exactly_what_looks_different_and_what_builds_on_it(in_folder: Stage) -> None:
    await put_references(in_folder, hero="navy", alley="olive")
    assert len((await in_folder.run(*_changed())).rendered) == 8
    reordered_retimed_retitled_annotated = await in_folder.run(shots=ARRANGED)
    assert reordered_retimed_retitled_annotated.rendered == []
    await put_references(in_folder, hero="maroon")
    other_bytes_under_a_references_name_and_other_prompts = _changed(SH04={"prompt": "雨"}, A={"prompt": "雨 A"})
    changed = await in_folder.run(*other_bytes_under_a_references_name_and_other_prompts)
    assert changed.rendered == labels("SH01", "SH02", "SH04", "A", "B", "C")
    await put_references(in_folder, hero="navy")
    the_old_bytes_and_one_more = [*_changed(C={"prompt": "雨 C"}), shot("SH05")]
    assert (await in_folder.run(*the_old_bytes_and_one_more)).rendered == labels("C", "SH05")
    other_settings = await in_folder.run(*_changed(), overrides={"sampler.cfg": 5.5})
    assert other_settings.rendered == labels("SH01", "SH02", "SH03", "SH04", "A", "B", "C", "D")


async def _damage(stage: Stage, ran: Ran) -> dict[str, str]:
    """Damage one thing of each of four takes; return what is to be said, by the shot."""
    store, takes = stage.store, {label: ran.takes[f"{label} · take 1"] for label in "ABCDE"}
    frame, cut = takes["A"].frames[0].key, takes["B"].frames[0].key
    record, exchanged = (keys.take_key(takes[label].fingerprint) for label in "CD")
    await store.delete([frame])
    await store.put(cut, (await store.get(cut) or b"")[:-9], media_type="image/png")
    await store.put(record, (await store.get(record) or b"")[:-9], media_type="application/json")
    other = await store.get(keys.take_key(takes["E"].fingerprint)) or b""
    await store.put(exchanged, other, media_type="application/json")
    return {
        "A": f"{frame} is missing or has another size",
        "B": f"{cut} is missing or has another size",
        "C": f"{record} is damaged",
        "D": f"{exchanged} is the record of another take",
    }


@IN_BOTH
async def test_what_is_damaged_is_rendered_again_alone_and_the_same_list_again_submits_no_prompt_and_ends_cached(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    shots = [*(shot(label) for label in "ABCDE"), shot("F", **with_sources("shot:E"), takes=2)]
    first = await stage.run(*shots)
    assert len(first.rendered) == 7
    said = await _damage(stage, first)
    manifest = keys.run_key(BOARD, first.manifest.run, "manifest.json")
    await stage.store.put(manifest, b"{", media_type="application/json")
    stage.restart()
    mended = await stage.run(*shots)
    assert mended.rendered == labels(*said)
    warned = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    [compared] = [each for each in warned if "does not mark what changed" in each]
    assert stage.store.uri(manifest) in compared
    page = (await stage.store.get(keys.run_key(BOARD, mended.manifest.run, "index.html")) or b"").decode()
    assert f"未标出与运行 {first.manifest.run} 相比的改动：" in page
    warned.remove(compared)
    assert sorted(warned) == sorted(f"{reason}: the take is rendered again" for reason in said.values())
    await stage.assert_whole(mended.manifest)

    posted = [prompt for simulator, _ in stage.farm for prompt in simulator.posted]
    again = await stage.run(*shots)
    assert again.state.message == "6 shots: 0 takes rendered, 7 cached"
    assert [prompt for simulator, _ in stage.farm for prompt in simulator.posted] == posted
    ends = await ends_of(again.state.state_details.flow_run_id, 12)
    states = {name: (state.name, state.type) for name, state in ends.items() if name in again.takes}
    assert states == dict.fromkeys(mended.takes, ("Cached", StateType.COMPLETED))
    assert [take.frames for take in again.takes.values()] == [take.frames for take in mended.takes.values()]


async def test_shots_are_refreshed_one_by_one_though_an_equal_one_is_cached_and_old_boards_keep_their_frames(
    in_s3: Stage,
) -> None:
    shots = [shot("A"), shot("B"), shot("C"), shot("like A") | {"prompt": shot("A")["prompt"]}]
    first = await in_s3.run(*shots)
    assert first.rendered == labels("A", "B", "C")
    page = keys.run_key(BOARD, first.manifest.run, "index.html")
    before = await in_s3.store.get(page)
    again = await in_s3.run(*shots, refresh=["B", "like A"])
    assert again.rendered == labels("B", "like A")
    [old], [new] = first.takes["B · take 1"].frames, again.takes["B · take 1"].frames
    assert old.key != new.key
    assert (await in_s3.record(again.takes["B · take 1"].fingerprint)).frames == (new,)
    later = await in_s3.run(*shots)
    assert (later.rendered, later.takes["B · take 1"].frames) == ([], (new,))
    manifest = keys.run_key(BOARD, first.manifest.run, "manifest.json")
    assert json.loads(await in_s3.store.get(manifest) or b"")["shots"][1]["takes"][0]["frames"][0]["key"] == old.key
    assert await in_s3.store.get(page) == before
    assert old.sha256.encode() in (before or b"")
    assert len(await in_s3.store.get(old.key) or b"") == old.size


async def test_prefects_own_refresh_cache_renders_all_again(in_folder: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    shots = [shot("A"), shot("B")]
    await in_folder.run(*shots)
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        assert (await in_folder.run(*shots)).rendered == labels("A", "B")
    assert (await in_folder.run(*shots)).rendered == []
    monkeypatch.setattr(take_module, "take", take_module.take.with_options(refresh_cache=True))
    assert (await in_folder.run(*shots)).rendered == labels("A", "B")
    monkeypatch.setattr(take_module, "take", take_module.take.with_options(refresh_cache=False))
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        assert (await in_folder.run(*shots, refresh=["B"])).rendered == labels("B")


async def test_what_is_older_than_the_age_limit_or_of_a_model_file_replaced_under_its_name_is_rendered_again_once(
    in_folder: Stage,
) -> None:
    [(simulator, _)] = in_folder.farm
    other = simulator.object_info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0][-1]
    assert other != SETTINGS["checkpoint"]
    shots = [shot("A"), *(shot(label, overrides={"checkpoint.ckpt_name": other}) for label in ("B", "C"))]
    simulator.metadata[CHECKPOINT] = {"modelspec.hash_sha256": "0x" + "ab" * 32}
    simulator.metadata["checkpoints", other] = {"modelspec.hash_sha256": "0x" + "12" * 32}
    first = await in_folder.run(*shots)
    record = await in_folder.record(first.takes["B · take 1"].fingerprint)
    older = record.model_copy(update={"finished": record.finished - timedelta(days=10)})
    content = older.model_dump_json(by_alias=True).encode()
    await in_folder.store.put(keys.take_key(record.fingerprint), content, media_type="application/json")
    assert (await in_folder.run(*shots, max_age_days=11)).rendered == []
    simulator.metadata[CHECKPOINT] = {"modelspec.hash_sha256": "0x" + "cd" * 32}
    assert (await in_folder.run(*shots, max_age_days=9)).rendered == labels("A", "B")
    del simulator.metadata[CHECKPOINT]
    assert (await in_folder.run(*shots, max_age_days=9)).rendered == []


async def test_the_picked_take_is_what_the_next_board_shows_and_other_shots_build_on_and_a_take_added_later_keeps_them(
    in_folder: Stage,
) -> None:
    shots = [shot("A", takes=2), shot("B", **with_sources("shot:A")), shot("C", takes=2, seed=7)]
    first = await in_folder.run(*shots)
    await pick(in_folder.store, BOARD, "A", 2)
    again = await in_folder.run(*shots)
    assert again.rendered == labels("B")
    source = again.manifest.shots[0]
    [one, two] = [take.frames[0] for take in source.takes]
    assert (source.picked, source.shown) == (2, source.takes[1])
    assert (source.image_url or "").endswith(two.key)
    assert (first.manifest.shots[0].image_url or "").endswith(one.key)
    [used] = again.takes["B · take 1"].inputs
    assert used.key == two.key
    page = (await in_folder.store.get(keys.run_key(BOARD, again.manifest.run, "index.html")) or b"").decode()
    assert page.index(f'href="../../../{two.key}"') < page.index(f'href="../../../{one.key}"')
    assert f'data-before="../../../{one.key}"' in page
    artifacts = await artifacts_of(again.state.state_details.flow_run_id)
    [sheet] = [data for key, data in artifacts.items() if key.endswith("contact-sheet")]
    assert two.thumbnail is not None
    assert two.thumbnail in sheet
    assert one.thumbnail not in sheet
    added = await in_folder.run(shots[0] | {"takes": 3}, shots[1], shots[2] | {"takes": 3})
    assert added.rendered == ["A · take 3", "C · take 3"]
    assert {label: added.takes[label].frames for label in again.takes} == {
        label: take.frames for label, take in again.takes.items()
    }
    assert len({frame.key for take in added.takes.values() for frame in take.frames}) == 7
