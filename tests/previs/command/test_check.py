"""A whole shot list is checked against every server; what would be refused is reported, and nothing is posted."""

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.bodies import BodyLimits
from previs.command.check import CheckOrder, check_shots
from previs.command.inquiry import Inquiry
from previs.command.output import write_json
from previs.command.plan import PlanOrder, plan_shots
from previs.errors import (
    FarmRefused,
    ServerUnreachable,
    ShotListFaults,
    SourceNotFound,
    SourceUnavailable,
    WorkflowFaults,
)
from previs.ingest import reader
from previs.planning.preflight import check_plan
from previs.simulator import Faults
from previs.simulator.catalog import bundled
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.comfyui.client.bombs import OK, endless, sending
from tests.previs.comfyui.graphs import graph

CHECKPOINT = "sd_xl_base_1.0.safetensors"


def lacking(*checkpoints: str, classes: Iterable[str] = ()) -> dict[str, Any]:
    """What a server tells that has these checkpoints alone, and not these classes."""
    info = copy.deepcopy({name: node for name, node in bundled().items() if name not in classes})
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = list(checkpoints)
    return info


def shots(count: int = 3) -> list[dict[str, Any]]:
    return [{"shot_id": f"镜头 {number}", "prompt": "夜", "duration": 1.0} for number in range(1, count + 1)]


def written(folder: Path, workflow: object = None, asked: object = None) -> tuple[str, str]:
    """Paths of a shot list and a workflow."""
    places = folder / "shots.json", folder / "workflow.json"
    given = (shots() if asked is None else asked, {"checkpoint": CHECKPOINT} if workflow is None else workflow)
    for place, content in zip(places, given, strict=True):
        place.write_text(json.dumps(content), "utf-8")
    return str(places[0]), str(places[1])


async def test_a_plan_that_can_be_rendered_ends_with_0_and_posts_nothing(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator, url = await simulate()
    assert await check_shots(CheckOrder(*written(tmp_path), farm=(url,))) == 0
    assert capsys.readouterr().out == "3 shots, 3 takes, 1 server asked: 0 errors, 0 warnings\n"
    assert simulator.posted == []


async def test_a_model_that_no_server_has_ends_with_1_and_is_reported_once(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = tuple([(await simulate(object_info=lacking(CHECKPOINT)))[1] for _ in range(2)])
    order = CheckOrder(*written(tmp_path, {"checkpoint": "sd_xl_base.safetensors"}), farm=farm)
    assert await check_shots(order) == 1
    assert capsys.readouterr().out.splitlines() == [
        "3 shots, 3 takes, 2 servers asked: 1 error, 0 warnings",
        "error: no server can render 镜头 1, 镜头 2, 镜头 3; on all servers:",
        (
            '  - node checkpoint (CheckpointLoaderSimple), ckpt_name: "sd_xl_base.safetensors": the server does not '
            f"have it: install it there, or choose another: it has {CHECKPOINT}"
        ),
    ]


async def test_what_one_server_lacks_is_a_warning_that_names_the_server(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, whole = await simulate()
    _, lean = await simulate(object_info=lacking(CHECKPOINT, classes=["VAEDecode"]))
    assert await check_shots(CheckOrder(*written(tmp_path), farm=(whole, lean))) == 0
    out = capsys.readouterr().out
    assert f"warning: 镜头 1, 镜头 2, 镜头 3 cannot be rendered on {lean}, only on other servers:" in out
    assert "node decode (VAEDecode)" in out
    assert whole not in out


async def test_notices_are_in_both_outputs(simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, url = await simulate()
    place, workflow = written(tmp_path, asked=[{"shot_id": 1, "prompt": "x", "duration": 1, "colour": "red"}])
    notice = "kept, not used: fields of shots: colour"
    for as_json in (True, False):
        assert await check_shots(CheckOrder(place, workflow, farm=(url,), as_json=as_json)) == 0
        out = capsys.readouterr().out
        assert json.loads(out)["notices"] == [notice] if as_json else f"note: {notice}\n" in out


async def test_a_server_that_cannot_be_reached_is_a_warning(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    _, denying = await simulate(faults=Faults(refuse=10_000, refuse_status=401))
    down = f"http://127.0.0.1:{free_port()}"
    assert await check_shots(CheckOrder(*written(tmp_path), farm=(url, down, denying), as_json=True)) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["servers"], report["renderable"]) == ([url], True)
    assert report["unreachable"] == {
        down: f"{down} is unreachable: the connection was refused or not possible",
        denying: f"{denying} denies access (HTTP 401): check the headers or the token of the farm block",
    }


async def test_if_no_server_can_be_reached_the_reasons_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    down = tuple(f"http://127.0.0.1:{free_port()}" for _ in range(2))
    assert await check_shots(CheckOrder(*written(tmp_path), farm=down)) == 2
    reasons = [f"error: {url} is unreachable: the connection was refused or not possible" for url in down]
    assert capsys.readouterr().out.splitlines() == [
        "nothing was checked: no server answered (3 shots, 3 takes)",
        *reasons,
    ]


async def test_if_an_answer_is_needed_and_no_server_gives_one_the_first_reason_is_raised() -> None:
    async with Inquiry([Address(f"http://127.0.0.1:{free_port()}")]) as inquiry:
        assert await inquiry(["KSampler"], needed=False) == {}
        with pytest.raises(ServerUnreachable):
            await inquiry(["KSampler"], needed=True)


async def test_the_json_form_holds_every_finding_and_non_latin_text(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate(object_info=lacking("别的.safetensors"))
    made = graph()
    made["4"]["_meta"] = {"title": "主模型"}
    assert await check_shots(CheckOrder(*written(tmp_path, made, shots(40)), farm=(url,), as_json=True)) == 1
    out = capsys.readouterr().out
    assert "主模型" in out
    report = json.loads(out)
    [error] = report["errors"]
    assert report["schema"] == "previs.check/1"
    assert (error["kind"], error["node_id"], error["input"], len(error["shots"])) == (
        "missing_model",
        "4",
        "ckpt_name",
        40,
    )


def test_an_unpaired_surrogate_from_a_server_is_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(check_plan((), {}, unreachable={"http://a:8188": "夜 \ud800"}).as_json())
    out = capsys.readouterr().out
    assert "夜 \\ud800" in out
    assert json.loads(out)["unreachable"] == {"http://a:8188": "夜 \ud800"}


async def test_an_override_is_checked_like_the_rest(
    simulate: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    paths = written(tmp_path, graph())
    assert await check_shots(CheckOrder(*paths, farm=(url,), overrides={"3.scheduler": "karras"})) == 0
    assert await check_shots(CheckOrder(*paths, farm=(url,), overrides={"3.scheduler": "kerras"})) == 1
    assert 'scheduler: "kerras": choose one of' in capsys.readouterr().out


async def test_unreadable_input_is_reported_before_any_server_is_asked(tmp_path: Path) -> None:
    farm = (f"http://127.0.0.1:{free_port()}",)
    _, workflow = written(tmp_path)
    with pytest.raises(SourceNotFound):
        await check_shots(CheckOrder(str(tmp_path / "none.json"), workflow, farm=farm))
    with pytest.raises(WorkflowFaults):
        await check_shots(CheckOrder(*written(tmp_path, {}), farm=farm))
    with pytest.raises(ShotListFaults):
        await check_shots(CheckOrder(*written(tmp_path, asked=[{}]), farm=farm))


async def test_an_invalid_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FarmRefused, match="render-01"):
        await check_shots(CheckOrder(*written(tmp_path), farm=("render-01",)))


async def test_a_list_that_drips_ends_check_and_plan_after_a_set_time(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_LIMITS", BodyLimits(1000, headers_within=0.5, per_seconds=0.5))
    _, url = await simulate()
    async with sending(endless(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.02)) as slow:
        shots = f"{slow}/shots.json"
        with pytest.raises(SourceUnavailable, match="its server sends too slowly"):
            await check_shots(CheckOrder(shots, written(tmp_path)[1], farm=(url,)))
        with pytest.raises(SourceUnavailable, match="its server sends too slowly"):
            await plan_shots(PlanOrder(shots, None, (url,), str(tmp_path)))
