"""Run the flow in this process: it makes a board, and one failure costs no more than itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from flows.storyboard import storyboard
from previs.comfyui.protocol import deadlines
from previs.errors import BoardIncomplete, FarmRefused, ShotListFaults, StoreRefused, WorkflowFaults
from previs.records.manifest import Manifest
from previs.rendering.progress import BoardPublished, ProgressEvent, listening
from previs.store import S3Settings, S3Store, Store
from tasks.take import take
from tests.conftest import Serve
from tests.flows.conftest import artifacts_of, task_states_of

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
UPSTREAM = {
    "shot_id": 1,
    "prompt": "电影风格，广角镜头，城市夜景...",
    "references": [],
    "duration": 3.0,
}


def shots(count: int, **changes: str) -> list[dict[str, Any]]:
    """Make shots SH01 … with different prompts, some of them changed."""
    labels = [f"SH{number:02d}" for number in range(1, count + 1)]
    return [{"shot_id": label, "prompt": changes.get(label, f"城市 {label}"), "duration": 2.0} for label in labels]


async def run(**parameters: Any) -> State[Any]:
    state: State[Any] = await storyboard(**({"workflow": SETTINGS} | parameters), return_state=True)
    return state


async def outcome(state: State[Any]) -> Any:
    return await state.aresult(raise_on_failure=False)


def s3_block(settings: S3Settings) -> S3FrameStore:
    return S3FrameStore.model_validate(settings.model_dump(exclude={"role", "client_options", "client_config"}))


async def manifest_of(store: Store, board: str) -> Manifest:
    latest = json.loads(await store.get(f"boards/{board}/latest.json") or b"")
    return Manifest.model_validate_json(await store.get(latest["manifest"]) or b"")


@pytest.mark.smoke
async def test_a_board_in_s3_has_its_layout_and_its_artifacts(
    simulate: Serve, settings: S3Settings, s3_store: S3Store
) -> None:
    _, url = await simulate()
    told: list[ProgressEvent] = []
    with listening(told.append):
        state = await run(shots=shots(3), farm=[url], store=s3_block(settings), board="夜景")
    assert state.is_completed(), state.message
    # Signed links are for artifacts and the result, and not for a terminal or its log.
    [published] = [event for event in told if isinstance(event, BoardPublished)]
    assert published.page.startswith(f"s3://{settings.bucket}/")
    assert "X-Amz-Signature" not in repr(told)
    result = await outcome(state)
    assert [(shot["shot_id"], shot["success"], shot["prompt"]) for shot in result] == [
        ("SH01", True, "城市 SH01"),
        ("SH02", True, "城市 SH02"),
        ("SH03", True, "城市 SH03"),
    ]
    assert all("X-Amz-Signature" in shot["image_url"] for shot in result)
    stored = await s3_store.entries("")
    assert len([key for key in stored if key.startswith("frames/")]) == 3
    assert len([key for key in stored if key.startswith("takes/")]) == 3
    manifest = await manifest_of(s3_store, "夜景")
    run_prefix = f"boards/夜景/{manifest.run}/"
    assert {f"{run_prefix}manifest.json", f"{run_prefix}index.html", "boards/夜景/latest.json"} <= set(stored)
    for shot in manifest.shots:
        [take] = shot.takes
        [frame] = take.frames
        assert stored[frame.key].size == frame.size
        assert frame.key.startswith(f"frames/{frame.sha256[:2]}/{frame.sha256}")
        assert shot.image_url == s3_store.uri(frame.key)
    artifacts = await artifacts_of(state.state_details.flow_run_id)
    kinds = {key.rpartition("夜景")[2].partition("-")[2]: data for key, data in artifacts.items()}
    assert sorted(kinds) == ["contact-sheet", "progress", "shots"]
    assert kinds["contact-sheet"].count("data:image/") == 3
    rows = json.loads(kinds["shots"])
    assert len(rows) == 3
    states = await task_states_of(state.state_details.flow_run_id, 8)
    name, message = states["SH01 · take 1"]
    assert name == "Completed"
    assert message.startswith(f"{url} · ")
    assert message.endswith(" s")


async def test_of_twelve_shots_one_that_always_fails_costs_one(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    state = await run(shots=shots(12, SH07="坏"), farm=[url], store=str(tmp_path), board="b")
    assert state.is_failed()
    assert state.name == "Failed"
    assert (state.message or "").startswith("1 of 12 shots failed: SH07\n")
    assert "node sampler (KSampler) failed on" in (state.message or "") or "KSampler" in (state.message or "")
    failure = await outcome(state)
    assert isinstance(failure, BoardIncomplete)
    assert [shot["shot_id"] for shot in failure.shots if not shot["success"]] == ["SH07"]
    manifest = await manifest_of(FolderFrameStore(folder=str(tmp_path)).open(), "b")
    assert len([frame for shot in manifest.shots for take in shot.takes for frame in take.frames]) == 11
    page = (tmp_path / "boards" / "b" / manifest.run / "index.html").read_text("utf-8")
    assert page.count("<img") >= 11
    assert "SH07" in page
    assert "KSampler" in page


async def test_a_shot_from_the_existing_upstream_is_taken_as_it_is(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    (tmp_path / "store" / "references").mkdir(parents=True)
    picture = Path(__file__).parents[2] / "examples" / "references" / "mei.jpg"
    (tmp_path / "store" / "references" / "ref1.jpg").write_bytes(picture.read_bytes())
    given = UPSTREAM | {"references": [{"url": "ref1.jpg", "reference_id": "ref_1"}]}
    for parameter in (given, [given]):
        state = await run(shots=parameter, farm=[url], store=str(tmp_path / "store"))
        [shot] = await outcome(state)
        assert (shot["shot_id"], shot["success"], shot["prompt"]) == (1, True, given["prompt"])
        assert shot["image_url"].startswith("file://")


async def test_every_fault_of_the_input_ends_the_run_before_anything_is_rendered(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    place = {"farm": [url], "store": str(tmp_path)}
    bad = [{"shot_id": 1, "prompt": "", "duration": -1}, {"shot_id": "1", "prompt": "x", "duration": 1}]
    faults = await outcome(await run(shots=bad, **place))
    assert isinstance(faults, ShotListFaults)
    assert len(faults.faults) == 3
    lost = [
        UPSTREAM | {"references": [{"url": "no.jpg", "reference_id": "a"}, {"url": "/etc/passwd", "reference_id": "b"}]}
    ]
    missing = await outcome(await run(shots=lost, **place))
    assert isinstance(missing, ShotListFaults)
    assert [fault.field for fault in missing.faults] == ["references[0].url", "references[1].url"]
    odd = await outcome(await run(shots=shots(2), workflow=SETTINGS | {"width": 1023, "sampler": "eular"}, **place))
    assert isinstance(odd, WorkflowFaults)
    assert len(odd.faults) == 2
    unknown = await outcome(await run(shots=shots(2), only=["SH99"], **place))
    assert isinstance(unknown, ShotListFaults)
    assert isinstance(await outcome(await run(shots=shots(1), farm=["ftp://x"], store=str(tmp_path))), FarmRefused)
    (tmp_path / "file").write_bytes(b"")
    refused = await outcome(await run(shots=shots(1), farm=[url], store=str(tmp_path / "file")))
    assert isinstance(refused, StoreRefused)
    assert simulator.posted == []


async def test_only_renders_the_named_shots_and_shows_what_is_stored_of_the_others_and_a_changed_prompt_one_shot(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    place = {"farm": [url], "store": str(tmp_path)}
    await run(shots=shots(3), only=["SH01"], **place)
    assert len(simulator.started) == 1
    await run(shots=shots(3), only=["SH03"], **place)
    manifest = await manifest_of(FolderFrameStore(folder=str(tmp_path)).open(), "storyboard")
    assert [(shot.shot_id, shot.takes[0].outcome) for shot in manifest.shots] == [
        ("SH01", "cached"),
        ("SH03", "rendered"),
    ]
    changed = await run(shots=shots(3, SH03="雨夜"), only=["SH01", "SH03"], **place)
    assert changed.message == "2 shots: 1 take rendered, 1 cached"
    assert changed.state_details.flow_run_id is not None
    async with get_client() as client:
        assert (await client.read_flow_run(changed.state_details.flow_run_id)).tags == ["board:storyboard"]
    assert len(simulator.started) == 3


async def test_a_take_that_a_server_has_finished_is_joined_and_refresh_renders_it_again(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    place = {"farm": [url], "store": str(tmp_path), "board": "b"}
    await run(shots=shots(1), **place)
    shutil.rmtree(tmp_path / "takes")
    state = await run(shots=shots(1), **place)
    assert state.message == "1 shot: 0 takes rendered, 1 joined, 0 cached"
    [shot] = (await manifest_of(FolderFrameStore(folder=str(tmp_path)).open(), "b")).shots
    assert (shot.takes[0].outcome, len(simulator.started)) == ("joined", 1)
    refreshed = await run(shots=shots(1), refresh=True, **place)
    assert refreshed.message == "1 shot: 1 take rendered, 0 cached"
    # Not only run again: sampled again, although the server remembered the result.
    assert len(simulator.sampled) == 2


async def test_takes_differ_and_equal_takes_are_rendered_once(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    same = [{"shot_id": name, "prompt": "城市", "duration": 1, "seed": 7} for name in ("A", "B")]
    state = await run(shots=same, takes=2, farm=[url], store=str(tmp_path), board="b")
    assert state.message == "2 shots: 2 takes rendered, 2 cached"
    assert len(simulator.started) == 2
    manifest = await manifest_of(FolderFrameStore(folder=str(tmp_path)).open(), "b")
    seeds = [take.seed for shot in manifest.shots for take in shot.takes]
    assert seeds == [7, 8, 7, 8]


async def test_a_server_that_is_out_of_memory_is_freed_and_then_leaves_its_take_to_another(
    simulate: Serve, tmp_path: Path
) -> None:
    small, small_url = await simulate()
    large, large_url = await simulate()
    small.faults.out_of_memory_on = "城市"
    state = await run(shots=shots(1), farm=[small_url, large_url], store=str(tmp_path))
    assert state.is_completed(), state.message
    assert (len(small.started), small.freed) in {(2, 1), (0, 0)}
    assert len(large.started) == 1


async def test_a_render_over_its_time_is_timed_out_and_frees_the_server(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "retry_delay_seconds", [0.1] * len(take.retry_delay_seconds))
    simulator, url = await simulate(seconds=0.2)
    simulator.faults.stall_on = "坏"
    farm = ComfyUIFarm(servers=[url], silence_seconds=5)
    state = await run(shots=shots(3, SH02="坏"), farm=farm, store=str(tmp_path), render_seconds=0.6)
    assert (state.message or "").startswith("1 of 3 shots failed: SH02\n")
    assert "was not done after 0.6 s" in (state.message or "")
    states = await task_states_of(state.state_details.flow_run_id, 8)
    assert states["SH02 · take 1"][0] == "TimedOut"
    assert len(set(simulator.interrupted)) == 4
    assert simulator.queue.remaining == 0


async def test_a_render_may_take_ten_times_what_it_took_before(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "retry_delay_seconds", [0.1] * len(take.retry_delay_seconds))
    _, url = await simulate(seconds=0.3)
    once = {"shots": shots(1), "farm": [url], "store": str(tmp_path), "board": "b"}
    assert (await run(**once)).is_completed()
    monkeypatch.setattr(deadlines, "IMAGE_SECONDS", 0.01)
    assert (await run(**once, refresh=True)).is_completed()
    assert "was not done after 0.01 s" in ((await run(**once | {"board": "new"}, refresh=True)).message or "")


async def test_what_is_not_done_when_the_runs_time_is_over_is_given_up_and_the_rest_published(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate(seconds=0.2)
    simulator.faults.stall_on = "坏"
    # With two places the prompts of both would be posted at once, and the one that stalls may come first.
    farm = ComfyUIFarm(servers=[url], places=1, run_seconds=6)
    state = await run(shots=shots(2, SH02="坏"), farm=farm, store=str(tmp_path))
    assert (state.message or "").startswith("1 of 2 shots failed: SH02\nSH02: given up: the 6 s of the run were over")
    assert len(simulator.interrupted) == 1
    assert list((tmp_path / "boards").rglob("index.html"))


async def test_with_no_server_the_run_fails_after_the_time_allowed_and_says_so(tmp_path: Path) -> None:
    farm = ComfyUIFarm(servers=["http://127.0.0.1:1"], patience_seconds=0.5)
    state = await run(shots=shots(2), farm=farm, store=str(tmp_path))
    assert (state.message or "").startswith("2 of 2 shots failed: SH01, SH02\n")
    assert "no server could be reached for 0.5 s: http://127.0.0.1:1" in (state.message or "")


async def test_no_secret_comes_out_anywhere(
    simulate: Serve, settings: S3Settings, s3_store: S3Store, caplog: pytest.LogCaptureFixture
) -> None:
    simulator, url = await simulate()
    simulator.faults.header = ("Authorization", "Bearer tok-4711-secret")
    simulator.faults.fail_on = "坏"
    farm = ComfyUIFarm(
        servers=[url], token=SecretStr("tok-4711-secret"), headers={"X-Key": SecretStr("key-0815-secret")}
    )
    await farm.asave("with-secrets", overwrite=True)
    with caplog.at_level("DEBUG"):
        state = await run(shots=shots(2, SH02="坏"), farm=farm, store=s3_block(settings), board="b")
    assert state.is_failed()
    said = [
        caplog.text,
        str(state),
        repr(await outcome(state)),
        str(await artifacts_of(state.state_details.flow_run_id)),
    ]
    said += [(await s3_store.get(key) or b"").decode("latin-1") for key in await s3_store.entries("")]
    assert settings.secret_access_key is not None
    assert settings.access_key_id is not None
    secrets = {"tok-4711-secret", "key-0815-secret", settings.secret_access_key.get_secret_value()}
    # The id is no secret: signed links have it. s3rver's key is the same text.
    for secret in secrets - {settings.access_key_id.get_secret_value()}:
        assert not [text[:300] for text in said if secret in text]
    loaded = await ComfyUIFarm.aload("with-secrets")
    assert "secret" not in repr(loaded)
