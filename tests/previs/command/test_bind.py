"""Bindings are shown before anything is rendered, and can be written to a file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from previs.command.bind import SCHEMA, BindOrder, show_bindings
from previs.command.output import with_faults
from previs.errors import SourceNotFound, WorkflowFaults
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.comfyui.graphs import graph

EXAMPLES = Path(__file__).parents[3] / "examples"
SAVED = EXAMPLES / "workflows" / "saved-in-editor.json"
LIST = str(EXAMPLES / "upstream.json")

Show = Callable[..., Any]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Show:
    """Runs the command and gives what it wrote."""
    monkeypatch.setenv("COLUMNS", "80")

    async def shown(place: Path | str, *farm: str, **options: Any) -> Any:
        assert await show_bindings(BindOrder(str(place), farm=farm, **options)) == 0
        text = capsys.readouterr().out
        return json.loads(text) if options.get("as_json") else text

    return shown


@pytest.fixture
def nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"


def saved(content: Any, folder: Path) -> Path:
    place = folder / "graph.json"
    place.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return place


async def test_each_binding_is_a_block_with_its_node_rule_and_value(simulate: Serve, show: Show) -> None:
    _, url = await simulate()
    lines = (await show(SAVED, url)).splitlines()
    prompt, seed = (
        lines.index('prompt: node 2 (CLIPTextEncode "Positive"), text'),
        lines.index("seed: node 6 (KSampler), seed"),
    )
    assert lines[prompt + 1].split() == ["rule", "bindings", "file"]
    assert [part.strip() for part in lines[prompt + 2].split("  ") if part] == ["now", "a harbour at dawn, wide shot"]
    assert lines[seed + 1].split() == ["rule", "noise", "of", "KSampler", "6"]
    assert not [line for line in lines if "to come" in line]


async def test_no_line_of_a_block_is_wider_than_80_columns(show: Show, tmp_path: Path, nobody: str) -> None:
    made = graph(text="夜景" * 40)
    made["6"]["_meta"] = {"title": "the words that describe the picture of the shot, in the language of the model"}
    blocks = (await show(saved(made, tmp_path), nobody)).partition("note: ")[0].splitlines()
    assert max(cell_len(line) for line in blocks) == 80
    assert "夜景" * 29 in "".join(line.strip() for line in blocks)


async def test_a_shot_adds_the_value_to_come_to_each_block(show: Show, nobody: str) -> None:
    text = await show(EXAMPLES / "workflows" / "text-to-image.json", nobody, shot=LIST)
    blocks = [line.split()[0] for line in text.splitlines() if line.startswith("    ")]
    assert blocks.count("rule") == blocks.count("now") == blocks.count("to") > 5


async def test_a_graph_of_which_nothing_is_kept_is_a_note(show: Show, tmp_path: Path, nobody: str) -> None:
    made = graph()
    made["9"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["8", 0]}}
    output = await show(saved(made, tmp_path), nobody, as_json=True)
    assert [text for text in output["notices"] if text.startswith("nothing would be kept: node 9 (SaveImageWebsocket)")]


async def test_a_shot_gives_the_values_to_come(simulate: Serve, show: Show) -> None:
    _, url = await simulate()
    output = await show(SAVED, url, shot=LIST, as_json=True, overrides={"6.steps": 9})
    assert output["schema"] == "previs.bind/1"
    assert output["shot_id"] == "1"
    to_come = {row["what"]: row.get("to_come") for row in output["bindings"]}
    assert to_come["prompt"] == "电影风格，广角镜头，城市夜景，雨后的街道倒映霓虹"
    assert isinstance(to_come["seed"], int)
    assert to_come["negative_prompt"] is None
    assert to_come["override"] == 9
    assert any("ref_1 is not used" in notice for notice in output["notices"])


async def test_a_graph_in_api_format_needs_no_server(show: Show, tmp_path: Path, nobody: str) -> None:
    output = await show(saved(graph(text="夜"), tmp_path), nobody, as_json=True)
    [prompt] = [row for row in output["bindings"] if row["what"] == "prompt"]
    assert (prompt["node_id"], prompt["input"], prompt["now"]) == ("6", "text", "夜")
    assert "to_come" not in prompt


async def test_a_workflow_of_the_editor_names_the_server_that_does_not_answer(show: Show, nobody: str) -> None:
    with pytest.raises(Exception, match=nobody) as caught:
        await show(SAVED, nobody)
    assert type(caught.value).__name__ == "ServerUnreachable"
    assert "is in the format of ComfyUI's editor" in caught.value.__notes__[0]


async def test_faults_are_json_on_request(capsys: pytest.CaptureFixture[str], tmp_path: Path, nobody: str) -> None:
    order = BindOrder(str(saved({"1": {"class_type": 5, "inputs": {}}}, tmp_path)), farm=(nobody,), as_json=True)
    assert await with_faults(show_bindings(order), SCHEMA, as_json=True) == 2
    output = json.loads(capsys.readouterr().out)
    assert (output["schema"], output["source"]) == ("previs.bind/1", order.graph)
    assert output["faults"][0]["place"] == "node 1"
    with pytest.raises(WorkflowFaults):
        await with_faults(show_bindings(order), SCHEMA, as_json=False)


async def test_a_named_server_that_does_not_answer_is_reported(show: Show, tmp_path: Path, nobody: str) -> None:
    output = await show(saved(graph(), tmp_path), nobody, as_json=True)
    assert [notice for notice in output["notices"] if nobody in notice]


async def test_the_bindings_file_has_the_bindings_and_is_never_overwritten(
    simulate: Serve, show: Show, tmp_path: Path
) -> None:
    _, url = await simulate()
    place = Path(shutil.copy(SAVED, tmp_path / "夜.json"))
    before = await show(place, url, as_json=True, write=True)
    written = (tmp_path / "夜.bindings.yaml").read_text("utf-8")
    assert written.splitlines()[:2] == ["schema: previs.bindings/1", 'prompt: "2.text"']
    after = await show(place, url, as_json=True)
    inputs = [[(row["what"], row["node_id"], row["input"]) for row in output["bindings"]] for output in (before, after)]
    assert inputs[0] == inputs[1]
    with pytest.raises(WorkflowFaults, match="already exists"):
        await show(place, url, write=True)
    assert (tmp_path / "夜.bindings.yaml").read_text("utf-8") == written


@pytest.mark.parametrize("place", [EXAMPLES / "workflows" / "text-to-image.json"])
async def test_settings_are_shown_and_have_no_bindings_file(show: Show, place: Path, nobody: str) -> None:
    output = await show(place, nobody, as_json=True)
    assert {"prompt", "negative_prompt", "seed", "width", "height", "checkpoint"} <= {
        row["what"] for row in output["bindings"]
    }
    with pytest.raises(WorkflowFaults, match="settings have no bindings"):
        await show(place, nobody, write=True)


async def test_an_ambiguity_is_reported_with_the_lines_that_resolve_it(show: Show, tmp_path: Path, nobody: str) -> None:
    made = graph()
    made["30"] = {"class_type": "CLIPTextEncode", "inputs": {"text": "another", "clip": ["4", 1]}}
    made["31"] = {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": made["3"]["inputs"]["positive"], "conditioning_2": ["30", 0]},
    }
    made["3"]["inputs"]["positive"] = ["31", 0]
    place = saved(made, tmp_path)
    with pytest.raises(WorkflowFaults) as caught:
        await show(place, nobody)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    start = lines.index("schema: previs.bindings/1")
    (tmp_path / "graph.bindings.yaml").write_text("\n".join(lines[start:]), encoding="utf-8")
    output = await show(place, nobody, as_json=True)
    assert {row["rule"] for row in output["bindings"] if row["what"] == "prompt"} == {"bindings file"}


async def test_a_title_cannot_control_a_terminal(show: Show, tmp_path: Path, nobody: str) -> None:
    made = graph()
    made["6"]["_meta"] = {"title": "\x1b[2J[bold]x"}
    text = await show(saved(made, tmp_path), nobody)
    assert "\x1b" not in text
    assert "[bold]x" in text


async def test_a_missing_graph_is_reported(show: Show, tmp_path: Path, nobody: str) -> None:
    with pytest.raises(SourceNotFound):
        await show(tmp_path / "no.json", nobody)
