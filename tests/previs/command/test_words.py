"""The command answers before it starts anything: help, faults of options and of the input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.previs.comfyui.graphs import graph
from tests.previs.command.conftest import Call
from tests.previs.command.test_command import STANDARD_INPUT, shots, write

REFERENCES = [{"url": "a.png", "reference_id": "a"}]
HEAVY = ("PIL", "av", "boto3", "httpx", "jinja2", "prefect", "pydantic", "previs.simulator", "websockets", "yaml")
IMPORTED = f"""
import contextlib, sys
from previs.command import main
for words in (["--help"], ["run", "--help"], ["nightly", "add", "--help"], ["simulate", "--help"], ["run"],
              ["run", "a", "--takes", "0"], ["plan", "a", "--override", "x"], ["rnu"], ["pick", "A"]):
    with contextlib.suppress(SystemExit):
        main(words)
sys.exit(", ".join(name for name in {HEAVY} if name in sys.modules) or 0)
"""

LATER = ("av", "boto3", "botocore.parsers", "botocore.session")
WITHOUT_S3 = f"""
import sys
import previs.command.check, previs.command.run, previs.pictures, previs.store
sys.exit(", ".join(name for name in {LATER} if name in sys.modules) or 0)
"""


@pytest.fixture
def no_flow(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Has runs end where the flow's process would get its parameters; these."""
    started = []

    async def run_flow(_: object, parameters: dict[str, Any], **__: object) -> int:
        started.append(parameters)
        return 0

    monkeypatch.setattr("previs.command.flow_run.run_flow", run_flow)
    return started


def test_help_lists_the_commands(call: Call) -> None:
    ended = call("--help")
    assert (ended.code, ended.err) == (0, "")
    assert [word for word in ("run", "demo", "simulate") if word not in ended.out] == []


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", ["--workflow", "--farm", "--store", "--board", "--only", "--takes", "--refresh", "--verbose"]),
        ("demo", ["--folder", "--servers", "--seconds", "--verbose"]),
        ("simulate", ["--port", "--servers", "--seconds", "--script"]),
    ],
)
def test_help_of_a_command_lists_its_options(call: Call, command: str, options: list[str]) -> None:
    ended = call(command, "--help")
    assert ended.code == 0
    assert [option for option in options if option not in ended.out] == []


def test_help_and_faults_of_options_import_nothing_heavy() -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ended.returncode == 0, ended.stderr


def test_what_needs_neither_s3_nor_a_film_imports_neither_boto3_nor_ffmpeg() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_S3], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"],
        ["run"],
        ["run", "a.json", "--takse", "2"],
        ["run", "a.json", "--takes", "two"],
        ["run", "a.json", "--override", "x"],
        ["pick", "SH01"],
        ["pick"],
        ["pick", "SH01", "1", "--from", "a.xlsx"],
        ["sheet", "board"],
    ],
)
def test_faults_of_arguments_are_reported_without_a_traceback(call: Call, arguments: list[str]) -> None:
    ended = call(*arguments)
    assert ended.code not in (0, 130)
    assert ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err


def test_a_script_with_faults_ends_with_2_and_serves_nothing(call: Call, tmp_path: Path) -> None:
    script = write(tmp_path / "storm.json", [{"after_requests": 1, "set": {"refus": 1}}])
    ended = call("simulate", "--script", script)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "storm.json cannot be read: it is no script of cues:\n"
        "  - cue 1, set, refus: no such fault: did you mean refuse?\n"
    )


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_without_its_extra_the_simulator_says_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(("previs.simulator", "previs.command.simulate"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ended = call(command)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "The simulator needs uvicorn, which is not installed: pip install 'previs[simulator]'\n"


def test_standard_input_that_is_no_json_is_bad_input(call: Call, no_flow: list[dict[str, Any]]) -> None:
    ended = call("run", *STANDARD_INPUT, given="shots: []")
    assert ended.code == 2
    assert ended.err.startswith("standard input has 1 fault:\n")
    assert no_flow == []


def test_a_missing_list_ends_with_2_and_is_named(call: Call, tmp_path: Path, no_flow: list[dict[str, Any]]) -> None:
    ended = call("run", "none.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"{tmp_path / 'none.json'} cannot be read: there is no such file\n"
    assert no_flow == []


def test_faults_of_a_list_end_with_2_and_are_all_reported(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]]
) -> None:
    ended = call("run", write(tmp_path / "shots.json", shots("城市", "雨", duration=0)))
    assert ended.code == 2
    assert ended.err.startswith(f"{tmp_path / 'shots.json'} has 2 faults:\n")
    assert call("run", *STANDARD_INPUT, given="[{}]").err.startswith("the shot list has 3 faults:\n")
    assert no_flow == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--farm", "render-01"], "the farm cannot be used: 'render-01' is no server's address"),
        (["--farm", "http://a:b@render-01"], "the farm cannot be used: the address of render-01 holds a user"),
        (["--farm", "block:a", "--farm", "http://b:1"], "the farm cannot be used: give one block, or URLs, not both"),
        (["--store", "s3:///x"], "s3:// cannot be used: bucket"),
        (["--store", "file://there/x"], "file://there/x cannot be read: "),
        (["--store", "empty.json"], "empty.json cannot be used: "),
        (["--workflow", "none.json"], "none.json cannot be read: there is no such file"),
        (["--workflow", "empty.json"], "empty.json cannot be used:\n"),
        (["--only", "SH09"], "the choice of shots has 1 fault:\n  - only: 'SH09': no shot has this shot_id"),
        (
            ["--refresh-only", "SH09", "--workflow", "graph.json"],
            "the choice of shots has 1 fault:\n  - refresh: 'SH09'",
        ),
        (["--override", "steeps=4"], "the workflow settings cannot be used:\n  - shot SH01, override steeps"),
    ],
)
def test_faults_that_need_no_server_are_reported_before_prefect_starts(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]], options: list[str], sentence: str
) -> None:
    write(tmp_path / "shots.json", shots("城市"))
    write(tmp_path / "empty.json", {})
    write(tmp_path / "graph.json", graph())
    ended = call("run", "shots.json", *options)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err
    assert no_flow == []


def test_a_missing_reference_is_reported_before_prefect_starts_whatever_the_workflow(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]]
) -> None:
    write(tmp_path / "shots.json", shots("城市", references=[{"url": "none.png", "reference_id": "a"}]))
    for name, content in (("settings.json", {"checkpoint": "a.safetensors"}), ("graph.json", graph())):
        ended = call("run", "shots.json", "--workflow", write(tmp_path / name, content))
        assert ended.code == 2
        assert f"references[0].url: none.png: {tmp_path / 'none.png'}: there is no such file" in ended.err
    assert no_flow == []


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["s3://bucket/shots.json"], ""),
        (["https://pipeline.invalid/shots.json"], ""),
        (["shots.json", "--workflow", "https://pipeline.invalid/graph.json"], ""),
        (["shots.json", "--workflow", "graph.json", "--override", "nothing.there=1"], ""),
        (["web.json"], ""),
        (["lists/kept.json", "--store", "block:studio"], ""),
        (
            ["-", "--store", "block:studio"],
            json.dumps(shots("城市", references=REFERENCES)),
        ),
    ],
)
def test_what_needs_a_server_or_the_store_is_left_to_the_run(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]], words: list[str], given: str
) -> None:
    (tmp_path / "lists").mkdir()
    write(tmp_path / "shots.json", shots("城市"))
    write(tmp_path / "web.json", shots("城市", references=[{"url": "https://pipeline.invalid/a", "reference_id": "a"}]))
    write(tmp_path / "lists" / "kept.json", shots("城市", references=REFERENCES))
    write(tmp_path / "graph.json", graph())
    ended = call("run", *words, given=given)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert len(no_flow) == 1


def test_files_that_take_long_to_read_are_left_to_the_run(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.command.input_check.LIMIT_BYTES", 10)
    write(tmp_path / "shots.json", shots("城市", references=REFERENCES))
    assert call("run", "shots.json").code == 0
    assert len(no_flow) == 1


def test_options_become_the_flows_parameters_with_absolute_paths(
    call: Call, tmp_path: Path, no_flow: list[dict[str, Any]]
) -> None:
    write(tmp_path / "shots.json", shots("城市", "雨"))
    farm_and_store = ["--farm", "http://a:1", "--store", "boards"]
    wishes = ["--takes", "2", "--refresh-only", "SH02", "--max-age", "1.5", "--override", "width=64"]
    wishes += ["--render-seconds", "900", "--picked-only", "--animatic", "slates"]
    assert call("run", "shots.json", *farm_and_store, *wishes).code == 0
    assert no_flow == [
        {
            "shots": str(tmp_path / "shots.json"),
            "board": "",
            "only": [],
            "takes": 2,
            "refresh": ["SH02"],
            "overrides": {"width": 64},
            "max_age_days": 1.5,
            "render_seconds": 900,
            "passes": [],
            "picked_only": True,
            "animatic": "slates",
            "farm": ["http://a:1"],
            "store": str(tmp_path / "boards"),
        }
    ]
