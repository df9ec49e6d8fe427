"""A take of a manifest is rendered again, and the result is reported to people and to programs."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from previs.command.output import with_faults
from previs.command.rerender import SCHEMA, RerenderOrder, rerender_take
from previs.errors import NotInStore, PlanRefused, RecordUnreadable, SourceNotFound, StoreRefused, WorkflowFaults
from previs.publishing.pull import pull
from previs.store import FolderStore, S3Store
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.rendering.rendered import BOARD, Rendered, board_of, from_picture, picture, shot


@pytest.fixture
async def board(simulate: Serve, folder_store: FolderStore, tmp_path: Path) -> Rendered:
    """Of two shots, the second of which has two takes and builds on the first; on a server that draws."""
    _, url = await simulate(draw=True)
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("镜头 2", "shot:SH01", takes=2)
    return await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())


def root(store: FolderStore | S3Store) -> str:
    return store.uri("x").removesuffix("/x")


def order(board: Rendered, shot_id: str = "镜头 2", **changes: Any) -> RerenderOrder:
    known: dict[str, Any] = {"manifest": board.uri, "farm": (board.url,)}
    return RerenderOrder(**(known | {"shot": shot_id} | changes))


def rewritten(board: Rendered, change: Callable[[Any], None]) -> RerenderOrder:
    """To render SH01 of the board's manifest again, after its first take was changed there."""
    content = json.loads(Path(board.uri).read_text("utf-8"))
    change(content["shots"][0]["takes"][0])
    Path(board.uri).write_text(json.dumps(content), "utf-8")
    return order(board, "SH01")


async def test_it_reports_where_the_frame_is_and_whether_it_is_the_same(
    board: Rendered, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await rerender_take(order(board)) == 0
    output = capsys.readouterr()
    head, line = output.out.splitlines()
    assert head.startswith(f"镜头 2 · take 1: rendered again on {board.url} in ")
    place, _, like = line.partition(": ")
    assert await board.store.get(place.removeprefix(root(board.store) + "/"))
    assert like in {"the same bytes as in the manifest", "the same pixels as in the manifest, in other bytes"}
    assert f"running on {board.url}" in output.err


async def test_it_first_removes_what_a_killed_run_left(board: Rendered, abandoned: Path) -> None:
    assert await rerender_take(order(board)) == 0
    assert not list(abandoned.parent.glob(abandoned.name))


async def test_programs_get_it_as_json_alone_on_standard_output(
    board: Rendered, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert await rerender_take(order(board, take=2, as_json=True)) == 0
    output = json.loads(capsysbinary.readouterr().out)
    wanted = board.manifest.shots[1].takes[1]
    assert {name: output[name] for name in ("schema", "manifest", "shot_id", "take", "fingerprint", "seed")} == {
        "schema": SCHEMA,
        "manifest": board.uri,
        "shot_id": "镜头 2",
        "take": 2,
        "fingerprint": wanted.fingerprint,
        "seed": wanted.seed,
    }
    [frame] = output["frames"]
    assert frame["likeness"] in {"same bytes", "same pixels"}
    assert (Path(root(board.store)) / frame["key"]).samefile(frame["place"])
    assert output["server"] == board.url
    assert output["frames_before"] == 1


async def test_another_picture_is_reported_as_such(board: Rendered, capsys: pytest.CaptureFixture[str]) -> None:

    def other_words(take: Any) -> None:
        take["graph"]["6"]["inputs"]["text"] = "an empty beach at noon, wide shot"

    assert await rerender_take(rewritten(board, other_words)) == 0
    *_, like, counted = capsys.readouterr().out.splitlines()
    assert like.endswith(": other pixels than in the manifest")
    assert counted == "this version of previs gives its graph another fingerprint than the manifest"


async def test_a_render_that_fails_ends_with_1_and_its_reason(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    simulator.faults.fail_on = "镜头"
    assert await rerender_take(order(board, "SH01")) == 1
    assert "SH01 · take 1 failed: node 3 (KSampler) failed on" in capsysbinary.readouterr().err.decode()
    assert await rerender_take(order(board, "SH01", as_json=True)) == 1
    output = json.loads(capsysbinary.readouterr().out)
    assert (output["schema"], output["take"]) == (SCHEMA, 1)
    assert output["error"].startswith("node 3 (KSampler) failed on")


async def test_a_render_over_its_limit_fails_and_is_interrupted(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    simulator.faults.stall_on = "镜头"
    assert await rerender_take(order(board, "SH01", render_seconds=0.3)) == 1
    assert "0.3 s" in capsys.readouterr().err
    assert set(simulator.interrupted) == {simulator.posted[-1]}


async def test_without_a_server_it_fails_and_says_so(
    board: Rendered, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.command.rerender._PATIENCE_SECONDS", 0.1)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert await rerender_take(order(board, farm=(nobody,))) == 1
    assert f"镜头 2 · take 1 failed: no server could be reached for 0.1 s: {nobody}" in capsys.readouterr().err


async def test_a_take_that_failed_without_pictures_is_rendered_and_its_frame_is_new(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    failed = rewritten(board, lambda take: take.update(frames=[], outcome="failed", server=None, error="lost"))
    assert await rerender_take(failed) == 0
    assert capsys.readouterr().out.endswith(": not in the manifest\n")


async def test_a_pulled_board_is_rendered_again_into_the_store_that_is_named(
    board: Rendered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await pull(board.store, BOARD, tmp_path / "pulled")
    here = str(tmp_path / "pulled")
    with pytest.raises(StoreRefused, match="the manifest is not inside a store: give --store"):
        await rerender_take(order(board, manifest=here))
    assert await rerender_take(order(board, manifest=here, store=root(board.store))) == 0
    assert "as in the manifest" in capsys.readouterr().out


async def test_a_manifest_on_the_web_is_rendered_again_into_the_store_that_is_named(
    board: Rendered, capsys: pytest.CaptureFixture[str]
) -> None:
    content = board.manifest.model_dump_json(by_alias=True).encode()
    async with answering(lambda _: response(200, content)) as (url, _):
        address = f"{url}/boards/a/b/manifest.json?X-Amz-Signature=secret"
        with pytest.raises(StoreRefused, match="give --store") as caught:
            await rerender_take(order(board, manifest=address))
        assert await rerender_take(order(board, manifest=address, store=root(board.store))) == 0
    output = capsys.readouterr()
    assert "as in the manifest" in output.out
    assert "secret" not in output.out + output.err + str(caught.value)


async def test_a_store_without_the_pictures_is_refused_and_nothing_is_posted(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    board = await board_of(folder_store, url, tmp_path, shot("SH01", "ref.jpg"), workflow=from_picture())
    with pytest.raises(NotInStore, match="run the shot list again"):
        await rerender_take(order(board, "SH01", store=str(tmp_path / "empty")))
    assert len(simulator.posted) == 1


async def test_a_board_in_s3_needs_its_manifests_address_alone(
    simulate: Serve,
    s3_store: S3Store,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    board = await board_of(s3_store, url, tmp_path, shot("SH01", "ref.jpg"), workflow=from_picture())
    settings = s3_store.settings
    assert settings.access_key_id is not None
    assert settings.secret_access_key is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings.access_key_id.get_secret_value())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.secret_access_key.get_secret_value())
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(settings.endpoint_url))
    monkeypatch.setenv("AWS_DEFAULT_REGION", str(settings.region))
    assert await rerender_take(order(board, "SH01", as_json=True)) == 0
    output = json.loads(capsysbinary.readouterr().out)
    assert output["frames"][0]["place"].startswith(f"{s3_store.name}/frames/")


async def test_a_manifest_of_version_1_is_rendered_again_unless_it_needs_pictures(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    golden = Path(__file__).parents[1] / "records" / "golden" / "manifest-1.json"
    place = tmp_path / "old" / "manifest.json"
    place.parent.mkdir()
    shutil.copy(golden, place)
    known = {"manifest": str(place), "farm": (url,), "store": str(tmp_path / "new")}
    assert await rerender_take(RerenderOrder(shot="1", **known)) == 0  # type: ignore[arg-type]
    assert "gives its graph another fingerprint" in capsys.readouterr().out
    with pytest.raises(WorkflowFaults) as caught:
        await rerender_take(RerenderOrder(shot="SQ010_SH020", **known))  # type: ignore[arg-type]
    assert caught.value.source == f"SQ010_SH020 · take 1 in {place}"
    assert "only version 2 and later do: run the shot list again" in str(caught.value)


async def test_faults_of_the_take_are_json_for_programs(
    board: Rendered, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    changed = rewritten(board, lambda take: take.update(inputs=[]))
    work = rerender_take(replace(changed, as_json=True))
    assert await with_faults(work, SCHEMA, as_json=True) == 2
    output = json.loads(capsysbinary.readouterr().out)
    assert (output["schema"], len(output["faults"])) == (SCHEMA, 1)


async def test_a_model_that_no_server_has_is_a_fault_of_the_input(board: Rendered) -> None:
    def other_model(take: Any) -> None:
        take["graph"]["4"]["inputs"]["ckpt_name"] = "gone.safetensors"

    with pytest.raises(PlanRefused, match=r"gone\.safetensors"):
        await rerender_take(rewritten(board, other_model))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": "previs.manifest/3"}', b"\xff\xfe"])
async def test_a_file_that_is_no_manifest_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "manifest.json"
    place.write_bytes(content)
    with pytest.raises(RecordUnreadable, match=r"manifest\.json cannot be used"):
        await rerender_take(RerenderOrder(str(place), "SH01"))


async def test_the_signature_of_a_manifests_url_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"http://127.0.0.1:{free_port()}/manifest.json?X-Amz-Signature=secret"
    with pytest.raises(Exception, match=r"manifest\.json") as caught:
        await rerender_take(RerenderOrder(address, "SH01"))
    assert "secret" not in str(caught.value) + "".join(capsys.readouterr())


async def test_a_missing_manifest_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="there is no such file"):
        await rerender_take(RerenderOrder(str(tmp_path / "manifest.json"), "SH01"))
