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


@IN_BOTH
async def test_the_same_list_again_submits_no_prompt_and_every_take_ends_cached(stage: Stage) -> None:
    first = await stage.run(*CHAIN, takes=2)
    assert len(first.rendered) == 8
    posted = [prompt for simulator, _ in stage.farm for prompt in simulator.posted]
    again = await stage.run(*CHAIN, takes=2)
    assert again.state.message == "4 shots: 0 takes rendered, 8 cached"
    assert [prompt for simulator, _ in stage.farm for prompt in simulator.posted] == posted
    ends = await ends_of(again.state.state_details.flow_run_id, 12)
    states = {name: (state.name, state.type) for name, state in ends.items() if name in again.takes}
    assert states == dict.fromkeys(first.takes, ("Cached", StateType.COMPLETED))
    assert [take.frames for take in again.takes.values()] == [take.frames for take in first.takes.values()]


def _changed(label: str, **fields: Any) -> list[dict[str, Any]]:
    return [each | fields if each["shot_id"] == label else each for each in FOUR]


ARRANGED = {
    "title": "雨夜",
    "fps": 25,
    "shots": [each | {"duration": 7.5, "sequence": "SQ010", "notes": "slow"} for each in FOUR[::-1]],
}


async def test_a_changed_list_renders_exactly_what_looks_different(in_folder: Stage) -> None:
    await put_references(in_folder, hero="navy", alley="olive")
    assert len((await in_folder.run(*FOUR)).rendered) == 4
    reordered_retimed_retitled_annotated = await in_folder.run(shots=ARRANGED)
    assert reordered_retimed_retitled_annotated.rendered == []
    one_other_prompt = await in_folder.run(shots=_changed("SH04", prompt="雨"))
    assert one_other_prompt.rendered == labels("SH04")
    one_more = await in_folder.run(*FOUR, shot("SH05"))
    assert one_more.rendered == labels("SH05")
    await put_references(in_folder, hero="maroon")
    other_bytes_under_a_references_name = await in_folder.run(*FOUR)
    assert other_bytes_under_a_references_name.rendered == labels("SH01", "SH02")
    await put_references(in_folder, hero="navy")
    the_old_bytes = await in_folder.run(*FOUR)
    assert the_old_bytes.rendered == []
    other_settings = await in_folder.run(*FOUR, overrides={"sampler.cfg": 5.5})
    assert other_settings.rendered == labels("SH01", "SH02", "SH03", "SH04")


async def test_the_first_of_a_chain_of_three_changed_renders_three(in_folder: Stage) -> None:
    await in_folder.run(*CHAIN)
    assert (await in_folder.run(shot("A", "雨"), *CHAIN[1:])).rendered == labels("A", "B", "C")
    assert (await in_folder.run(*CHAIN[:2], shot("C", "雨", **with_sources("shot:B")), CHAIN[3])).rendered == labels(
        "C"
    )


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
async def test_what_is_damaged_in_the_store_is_rendered_again_alone_and_mended(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    shots = [shot(label) for label in "ABCDE"]
    said = await _damage(stage, await stage.run(*shots))
    stage.restart()
    again = await stage.run(*shots)
    assert again.rendered == labels(*said)
    warned = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert sorted(warned) == sorted(f"{reason}: the take is rendered again" for reason in said.values())
    await stage.assert_whole(again.manifest)
    assert (await stage.run(*shots)).rendered == []


async def test_a_run_says_that_the_last_one_cannot_be_compared_and_goes_on(
    in_folder: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    first = await in_folder.run(shot("A"))
    key = keys.run_key(BOARD, first.manifest.run, "manifest.json")
    await in_folder.store.put(key, b"{", media_type="application/json")
    again = await in_folder.run(shot("A"))
    warned = [each.getMessage() for each in caplog.records if "does not mark what changed" in each.getMessage()]
    assert len(warned) == 1
    assert in_folder.store.uri(key) in warned[0]
    page = (await in_folder.store.get(keys.run_key(BOARD, again.manifest.run, "index.html")) or b"").decode()
    assert f"未标出与运行 {first.manifest.run} 相比的改动：" in page


async def test_shots_are_refreshed_one_by_one_and_old_boards_keep_their_frames(in_s3: Stage) -> None:
    shots = [shot("A"), shot("B"), shot("C")]
    first = await in_s3.run(*shots)
    page = keys.run_key(BOARD, first.manifest.run, "index.html")
    before = await in_s3.store.get(page)
    again = await in_s3.run(*shots, refresh=["B"])
    assert again.rendered == labels("B")
    [old], [new] = first.takes["B · take 1"].frames, again.takes["B · take 1"].frames
    assert old.key != new.key
    assert (await in_s3.record(again.takes["B · take 1"].fingerprint)).frames == (new,)
    assert (await in_s3.run(*shots)).takes["B · take 1"].frames == (new,)
    manifest = keys.run_key(BOARD, first.manifest.run, "manifest.json")
    assert json.loads(await in_s3.store.get(manifest) or b"")["shots"][1]["takes"][0]["frames"][0]["key"] == old.key
    assert await in_s3.store.get(page) == before
    assert old.sha256.encode() in (before or b"")
    assert len(await in_s3.store.get(old.key) or b"") == old.size


async def test_a_shot_is_refreshed_though_an_equal_one_before_it_is_cached(in_folder: Stage) -> None:
    shots = [shot("A"), shot("B") | {"prompt": shot("A")["prompt"]}]
    assert len((await in_folder.run(*shots)).rendered) == 1
    assert (await in_folder.run(*shots, refresh=["B"])).rendered == labels("B")
    assert (await in_folder.run(*shots)).rendered == []


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
        assert (await in_folder.run(*shots)).rendered == []
    assert (await in_folder.run(*shots, refresh=True)).rendered == labels("A", "B")


async def test_what_is_older_than_the_age_limit_is_rendered_again_once(in_folder: Stage) -> None:
    shots = [shot("A"), shot("B")]
    first = await in_folder.run(*shots)
    record = await in_folder.record(first.takes["B · take 1"].fingerprint)
    older = record.model_copy(update={"finished": record.finished - timedelta(days=10)})
    content = older.model_dump_json(by_alias=True).encode()
    await in_folder.store.put(keys.take_key(record.fingerprint), content, media_type="application/json")
    assert (await in_folder.run(*shots, max_age_days=11)).rendered == []
    assert (await in_folder.run(*shots, max_age_days=9)).rendered == labels("B")
    assert (await in_folder.run(*shots, max_age_days=9)).rendered == []


async def test_takes_of_a_model_file_that_was_replaced_under_its_name_are_rendered_again(in_folder: Stage) -> None:
    [(simulator, _)] = in_folder.farm
    other = simulator.object_info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0][-1]
    assert other != SETTINGS["checkpoint"]
    shots = [shot("A"), shot("B", overrides={"checkpoint.ckpt_name": other})]
    simulator.metadata[CHECKPOINT] = {"modelspec.hash_sha256": "0x" + "ab" * 32}
    simulator.metadata["checkpoints", other] = {"modelspec.hash_sha256": "0x" + "12" * 32}
    assert (await in_folder.run(*shots)).rendered == labels("A", "B")
    assert (await in_folder.run(*shots)).rendered == []
    simulator.metadata[CHECKPOINT] = {"modelspec.hash_sha256": "0x" + "cd" * 32}
    assert (await in_folder.run(*shots)).rendered == labels("A")
    del simulator.metadata[CHECKPOINT]
    assert (await in_folder.run(*shots)).rendered == []


async def test_a_take_added_later_keeps_those_before_it(in_folder: Stage) -> None:
    shots = [shot("A"), shot("B", seed=7)]
    three = await in_folder.run(*shots, takes=3)
    assert len(three.rendered) == 6
    four = await in_folder.run(*shots, takes=4)
    assert four.rendered == ["A · take 4", "B · take 4"]
    assert {label: four.takes[label].frames for label in three.takes} == {
        label: take.frames for label, take in three.takes.items()
    }
    assert len({frame.key for take in four.takes.values() for frame in take.frames}) == 8


async def test_the_picked_take_is_what_the_next_board_shows_and_what_other_shots_build_on(in_folder: Stage) -> None:
    shots = [shot("A", takes=2), shot("B", **with_sources("shot:A")), shot("C")]
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
    assert (await in_folder.run(*shots)).rendered == []
