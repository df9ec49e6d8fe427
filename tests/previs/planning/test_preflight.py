"""Check that each finding on a plan is reported once, with its shots and servers."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import PlanRefused
from previs.planning.plan import PlannedTake
from previs.planning.preflight import Report, check_plan
from previs.shots import read_shot_list
from tests.previs.comfyui.graphs import graph
from tests.previs.comfyui.recordings import FOLDER
from tests.previs.workflow.detection.test_saves import CASES, case

INFO: dict[str, Any] = json.loads((FOLDER / "object_info.json").read_text("utf-8"))
USED = ("CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage", "KSampler", "SaveImage", "VAEDecode")
A, B, C = (f"http://render-0{number}:8188" for number in (1, 2, 3))
Server = dict[str, NodeClass | None]


def server(*checkpoints: str, lacks: Iterable[str] = ()) -> Server:
    loader = {"input": {"required": {"ckpt_name": [list(checkpoints), {}]}}, "output": ["MODEL", "CLIP", "VAE"]}
    classes = {name: read_class(name, INFO[name]) for name in USED} | dict.fromkeys(lacks)
    return {**classes, "CheckpointLoaderSimple": read_class("CheckpointLoaderSimple", loader)}


def take(label: str, checkpoint: str = "a.ckpt", number: int = 1, seed: int = 5, **values: Any) -> PlannedTake:
    made = graph(seed)
    made["4"]["inputs"]["ckpt_name"] = checkpoint
    made["5"]["inputs"] |= values
    return planned(label, made, number)


def planned(label: str, made: Graph, number: int = 1) -> PlannedTake:
    [shot] = read_shot_list([{"shot_id": label, "prompt": "夜", "duration": 1.0}]).shots
    return PlannedTake(shot=shot, number=number, graph=made, seed=5, fingerprint="f", pictures={}, checkpoint=None)


def reported(report: Report) -> tuple[list[Any], list[Any]]:
    errors, warnings = (
        [(entry.finding.kind, entry.shots, entry.servers) for entry in entries]
        for entries in (report.errors, report.warnings)
    )
    return errors, warnings


def test_a_plan_that_every_server_can_render_has_no_findings() -> None:
    report = check_plan([take("SH010"), take("SH020")], {A: server("a.ckpt"), B: server("a.ckpt", "b.ckpt")})
    assert reported(report) == ([], [])
    assert report.text() == "2 shots, 2 takes, 2 servers asked: 0 errors, 0 warnings"
    report.raise_for_errors()


def test_the_same_finding_of_many_shots_on_all_servers_is_one_error() -> None:
    labels = [f"SH{number:03d}" for number in range(200)]
    report = check_plan([take(label, "x.ckpt") for label in labels], {A: server("a.ckpt"), B: server("a.ckpt")})
    assert reported(report) == ([("missing_model", tuple(labels), (A, B))], [])
    assert report.text().splitlines() == [
        "200 shots, 200 takes, 2 servers asked: 1 error, 0 warnings",
        "error: no server can render SH000, SH001 and 198 more; on all servers:",
        (
            '  - node 4 (CheckpointLoaderSimple), ckpt_name: "x.ckpt": the server does not have it: install it there, '
            "or choose another: it has a.ckpt"
        ),
    ]


def test_a_model_that_only_some_servers_have_is_a_warning() -> None:
    report = check_plan(
        [take("SH010"), take("SH020", "b.ckpt")],
        {A: server("a.ckpt", "b.ckpt"), B: server("a.ckpt"), C: server("a.ckpt")},
    )
    assert reported(report) == ([], [("missing_model", ("SH020",), (B, C))])
    assert f"warning: SH020 cannot be rendered on {B}, {C}, only on other servers:" in report.text().splitlines()
    report.raise_for_errors()


def test_a_take_for_which_each_server_lacks_something_else_is_an_error_for_each() -> None:
    servers = {A: server("b.ckpt"), B: server("a.ckpt", lacks=["VAEDecode"])}
    report = check_plan([take("SH010")], servers)
    assert reported(report) == ([("missing_model", ("SH010",), (A,)), ("unknown_class", ("SH010",), (B,))], [])
    assert report.blocked == ("SH010 · take 1",)
    text = report.text().splitlines()
    assert f"error: no server can render SH010; on {A}:" in text
    assert f"error: no server can render SH010; on {B}:" in text


def test_the_same_finding_is_an_error_for_one_shot_and_a_warning_for_another() -> None:
    servers = {A: server("a.ckpt", lacks=["VAEDecode"]), B: server("b.ckpt")}
    report = check_plan([take("SH010", "a.ckpt"), take("SH020", "b.ckpt")], servers)
    assert [entry.shots for entry in report.errors] == [("SH010",), ("SH010",)]
    assert [(entry.finding.kind, entry.shots) for entry in report.warnings] == [
        ("unknown_class", ("SH020",)),
        ("missing_model", ("SH020",)),
    ]


def test_a_shot_of_several_takes_is_named_once() -> None:
    report = check_plan([take("SH010", "x.ckpt", number) for number in (1, 2, 3)], {A: server("a.ckpt")})
    assert reported(report)[0] == [("missing_model", ("SH010",), (A,))]
    assert len(report.blocked) == 3


def test_an_unreachable_server_is_reported_and_not_checked() -> None:
    report = check_plan([take("SH010")], {A: server("a.ckpt")}, unreachable={B: f"{B} is unreachable: timed out"})
    assert reported(report) == ([], [])
    assert f"warning: {B} is unreachable: timed out" in report.text().splitlines()


def test_without_a_reachable_server_there_are_no_errors_but_nothing_is_renderable() -> None:
    report = check_plan([take("SH010", "x.ckpt")], {}, unreachable={A: "down"})
    assert reported(report) == ([], [])
    assert report.blocked == ()
    assert report.as_json()["renderable"] is False


def test_packs_are_reported() -> None:
    made = graph()
    made["8"]["class_type"] = "FancyDecode"
    report = check_plan(
        [planned("SH010", made)],
        {A: server("sd_xl_base_1.0.safetensors", lacks=["FancyDecode"])},
        {"FancyDecode": "comfyui-fancy"},
    )
    assert "install the custom node pack comfyui-fancy, or replace the node" in report.text()


def test_an_error_raises_with_every_finding_shot_and_server() -> None:
    servers = {A: server("b.ckpt"), B: server("b.ckpt", "c.ckpt")}
    with pytest.raises(PlanRefused) as refused:
        check_plan([take("SH010", width=8), take("SH020", "b.ckpt", width=8)], servers).raise_for_errors()
    assert refused.value.takes == 2
    assert str(refused.value) == (
        "no server can render 2 takes:\n"
        '  - SH010, node 4 (CheckpointLoaderSimple), ckpt_name: "a.ckpt": the server does not have it: install it '
        f"there, or choose another: it has b.ckpt (on {A})\n"
        "  - SH010, SH020, node 5 (EmptyLatentImage), width: 8: give a whole number from 16 to 16384\n"
        '  - SH010, node 4 (CheckpointLoaderSimple), ckpt_name: "a.ckpt": the server does not have it: install it '
        f"there, or choose another: it has b.ckpt, c.ckpt (on {B})"
    )


def test_an_unreachable_server_may_have_what_the_others_lack() -> None:
    report = check_plan([take("SH010", "b.ckpt")], {A: server("a.ckpt")}, unreachable={B: f"{B} could not be asked"})
    with pytest.raises(PlanRefused, match=f"{B} could not be asked: it may have what is missing"):
        report.raise_for_errors()


def test_a_report_of_very_many_findings_stays_readable() -> None:
    takes = [take(f"SH{number:04d}", seed=-1 - number) for number in range(300)]
    report = check_plan(takes, {A: server("a.ckpt")})
    assert len(report.as_json()["errors"]) == 300
    lines = report.text().splitlines()
    assert len(lines) == 102
    assert lines[-1] == "and 250 findings more: the JSON form has all of them"
    with pytest.raises(PlanRefused) as refused:
        report.raise_for_errors()
    assert len(refused.value.faults) == 51
    assert refused.value.takes == 300


def test_errors_are_shown_before_warnings_and_both_count() -> None:
    takes = [
        *(take(f"SH{number:04d}", seed=-1 - number) for number in range(40)),
        *(take(f"SH{number:04d}", f"{number}.ckpt") for number in range(40, 80)),
    ]
    others = [f"{number}.ckpt" for number in range(40, 80)]
    lines = check_plan(takes, {A: server("a.ckpt"), B: server("a.ckpt", *others)}).text().splitlines()
    assert lines[0].endswith("40 errors, 40 warnings")
    assert [sum(line.startswith(word) for line in lines) for word in ("error:", "warning:")] == [40, 10]
    assert lines[-1] == "and 30 findings more: the JSON form has all of them"


def test_the_json_form_has_a_schema_and_all_findings() -> None:
    made = graph()
    made["3"]["_meta"] = {"title": "主采样器"}
    made["3"]["inputs"]["seed"] = -1
    written = json.loads(
        json.dumps(check_plan([planned("镜头 1", made)], {A: server("sd_xl_base_1.0.safetensors")}).as_json())
    )
    assert written == {
        "schema": "previs.check/1",
        "renderable": False,
        "shots": 1,
        "takes": 1,
        "servers": [A],
        "unreachable": {},
        "blocked": ["镜头 1 · take 1"],
        "errors": [
            {
                "kind": "value_out_of_range",
                "node_id": "3",
                "class_type": "KSampler",
                "title": "主采样器",
                "input": "seed",
                "value": "-1",
                "remedy": "give a whole number from 0 to 18446744073709551615",
                "certain": True,
                "shots": ["镜头 1"],
                "servers": [A],
            }
        ],
        "warnings": [],
    }


def test_a_value_that_a_custom_class_may_accept_in_its_code_is_only_a_warning() -> None:
    sampler = server("a.ckpt")["KSampler"]
    assert sampler is not None
    custom = {**server("a.ckpt"), "KSampler": replace(sampler, module="custom_nodes.pack")}
    report = check_plan([take("SH010", seed=-1)], {A: custom})
    assert (report.errors, report.blocked) == ((), ())
    assert f"warning: {A} may refuse SH010:\n  - node 3 (KSampler), seed: -1: " in report.text()
    refused = check_plan([take("SH010", "b.ckpt", seed=-1)], {A: custom})
    assert [entry.finding.input for entry in refused.errors] == ["ckpt_name"]
    assert [entry.finding.input for entry in refused.warnings] == ["seed"]


def test_a_title_cannot_send_control_characters_to_a_terminal() -> None:
    made = graph(seed=-1)
    made["3"]["_meta"] = {"title": "\x1b[2J\nnode 99 \ud800"}
    text = check_plan([planned("SH010", made)], {A: server("sd_xl_base_1.0.safetensors")}).text()
    assert '(KSampler "\\x1b[2J\\nnode 99 \\ud800")' in text
    assert len(text.splitlines()) == 3
    text.encode()


CHECKPOINTS = ("a.ckpt", "b.ckpt", "c.ckpt")
SERVERS = st.builds(
    lambda checkpoints, lacks: server(*checkpoints, lacks=lacks),
    st.lists(st.sampled_from(CHECKPOINTS), unique=True),
    st.sets(st.sampled_from(["VAEDecode", "CLIPTextEncode"]), max_size=1),
)
TAKES = st.builds(
    take, st.sampled_from(["SH010", "SH020", "SH030"]), st.sampled_from(CHECKPOINTS), seed=st.integers(-1, 3)
)


@settings(deadline=None)
@given(
    takes=st.lists(TAKES, max_size=8),
    servers=st.dictionaries(st.sampled_from([A, B, C]), SERVERS),
)
def test_a_report_has_the_findings_of_each_take_on_each_server(
    takes: list[PlannedTake], servers: dict[str, Server]
) -> None:
    wanted: dict[str, set[Any]] = {"errors": set(), "warnings": set()}
    for each in takes:
        found = {name: findings(each.graph, classes) for name, classes in servers.items()}
        level = "errors" if servers and all(found.values()) else "warnings"
        wanted[level] |= {(one, each.shot.label, name) for name, ones in found.items() for one in ones}
    report = check_plan(takes, servers)
    for level, entries in (("errors", report.errors), ("warnings", report.warnings)):
        triples = [(entry.finding, shot, name) for entry in entries for shot in entry.shots for name in entry.servers]
        assert len(triples) == len(set(triples))
        assert set(triples) == wanted[level]


SAVING: dict[str, Any] = json.loads((CASES / "object_info_saving.json").read_text("utf-8"))


def saving_server() -> Server:
    custom = {name: read_class(name, described) for name, described in SAVING.items()}
    return {**server("sd_xl_base_1.0.safetensors"), **custom, "PreviewImage": read_class("P", INFO["PreviewImage"])}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("save_websocket", 'node 9 (SaveImageWebsocket), class_type: "SaveImageWebsocket": it sends its picture'),
        ("vhs_nosave", "node 9 (VHS_VideoCombine), save_output: false: the file goes to the server's temporary folder"),
        ("was_nopreview", 'node 9 (Image Save), show_previews: "false": with this value the node does not name'),
        ("imagesaver", 'output_path: "/mnt/out/[time(%Y-%m-%d)]": it saves outside the server\'s output folder'),
    ],
)
def test_a_graph_of_which_no_file_can_be_fetched_is_refused_once_with_node_and_field(name: str, expected: str) -> None:
    report = check_plan([planned(label, case(name)) for label in ("SH010", "SH020")], {A: saving_server()})
    assert reported(report) == ([("not_saved", ("SH010", "SH020"), (A,))], [])
    with pytest.raises(PlanRefused) as refused:
        report.raise_for_errors()
    assert str(refused.value).count(expected) == 1


def test_an_output_that_is_not_kept_beside_one_that_is_stops_nothing() -> None:
    made = case("imagesaver")
    made["10"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    assert reported(check_plan([planned("SH010", made)], {A: saving_server()})) == ([], [])


def test_a_graph_of_previews_alone_is_refused() -> None:
    made = graph()
    made["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    assert reported(check_plan([planned("SH010", made)], {A: saving_server()}))[0] == [("not_saved", ("SH010",), (A,))]
