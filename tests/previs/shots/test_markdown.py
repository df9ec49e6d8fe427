"""Check that lists are read from Markdown: tables, and fenced blocks as language models write them; and JSON lines."""

import json
import time
from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import read_shot_list

SHOTS = [{"shot_id": number, "prompt": f"lamp {number}", "duration": 3.0} for number in (1, 2)]
JSON = json.dumps(SHOTS, indent=1)
LINES = "\n".join(map(json.dumps, SHOTS))
YAML = "- {shot_id: 1, prompt: lamp 1, duration: 3.0}\n- {shot_id: 2, prompt: lamp 2, duration: 3.0}\n"
CSV = "shot_id,prompt,duration\n1,lamp 1,3.0\n2,lamp 2,3.0\n"
TABLE = "| Shot # | Prompt | Duration |\n|---|:--|--:|\n| 1 | lamp 1 | 3.0 |\n| 2 | lamp 2 | 3.0 |\n"


def read(text: str, name: str = "list") -> list[dict[str, Any]]:
    return [shot.given() for shot in read_shot_list(text.encode(), name=name).shots]


def fault(text: str, name: str = "list") -> str:
    with pytest.raises(ShotListFaults) as raised:
        read_shot_list(text.encode(), name=name)
    [found] = raised.value.faults
    return str(found)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"```json\n{JSON}\n```", "list.json"),
        (f"Here is your list:\n\n```json\n{JSON}\n```\n\nTell me what to change.\n", "list"),
        (f"Sure!\r\n\r\n```JSON title=list\r\n{JSON}\r\n```\r\nDone.", "answer.txt"),
        (f"~~~\n{JSON}\n~~~\n", "list.json"),
        (f"````json\n{JSON}\n````", "list.md"),
        (f"```json\n{JSON}\n", "list"),
        (f"```bash\nprevis run\n```\n\n```jsonl\n{LINES}\n```\n", "list"),
        (f"Words:\n```yaml\n{YAML}```\n", "list.yaml"),
        (f"```csv\n{CSV}```\n", "list"),
        (f"```markdown\n{TABLE}```\n", "list"),
        (f"```\n{TABLE}```\n", "list"),
        (TABLE, "list.md"),
        (f"# Shot list\n\nAll in *one* night.\n\n{TABLE}\nThat is all | folks.\n", "list.md"),
        ("Shot # | Prompt | Duration\n---|---|---\n1 | **lamp 1** | 3.0\n2 | `lamp 2` | 3.0\n", "list"),
        (f"{TABLE.rpartition('| 2')[0]}\n## Scene 2\n\n{TABLE.replace('| 1 | lamp 1 | 3.0 |' + chr(10), '')}", "list"),
        (f"{TABLE}\n| Word | Meaning |\n|---|---|\n| CU | close-up |\n", "list"),
        (LINES, "list.jsonl"),
        (LINES, "list.ndjson"),
        (f"\n{LINES}\n\n", "list.json"),
        (LINES.replace("\n", "\r\n\r\n"), "list"),
    ],
    ids=range(20),
)
def test_a_list_is_read_from_what_is_around_it(text: str, name: str) -> None:
    assert read(text, name) == SHOTS


@pytest.mark.parametrize(
    ("text", "notices"),
    [
        (f"```json\n{JSON}\n```\n", ()),
        (f"Here is your list:\n\n```json\n{JSON}\n```\nDone.\n", ("2 lines around the list are not used",)),
        (f"Sure!\n```\n{TABLE}", ("1 line around the list is not used",)),
        (TABLE, ()),
        (
            f"# Shots\n\n{TABLE}\n| Word | Meaning |\n|---|---|\n| CU | close-up |\n",
            ("4 lines around the list are not used",),
        ),
    ],
    ids=range(5),
)
def test_what_is_around_a_list_is_said_to_be_left_out(text: str, notices: tuple[str, ...]) -> None:
    assert read_shot_list(text).notices == notices


def test_a_table_has_the_columns_of_sheets() -> None:
    text = (
        "| 镜号 | 画面内容 | 景别 | 时长 | 备注 |\n|---|---|---|---|---|\n| **1** | 灯 \\| 雾 | 特写 | 3秒 | a<br>b |\n"
        "||||||\n|3|门||4|\n"
    )
    first, last = read_shot_list(text.encode(), name="list").shots
    assert (first.shot_id, first.description, first.camera.size, first.notes) == (1, "灯 | 雾", "特写", "a\nb")
    assert (last.shot_id, last.prompt, last.duration) == (3, "门", 4.0)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (f"```json\n{JSON[:-2]},\n]\n```", "list.json", "line 13, column 1: Expecting value: this is not valid JSON"),
        (JSON.replace("\n]", ",\n]"), "list.json", "not valid JSON"),
        (f"{LINES},\n", "list.jsonl", "line 2, column 52: Extra data: this is not valid JSON"),
        (LINES.replace("\n", ",\n"), "list.jsonl", "line 1, column 52: Extra data: this is not valid JSON"),
        (f"{LINES}\n{{", "list.jsonl", "line 3, column 2"),
        (f"```json\n{JSON}\n```\n```json\n{JSON}\n```", "list", "line 1 and line 15: 2 blocks: several fenced blocks"),
        (f"{TABLE}\n```json\n{JSON}\n```", "list", "line 6: this fenced block and a table"),
        (f"{TABLE}\n{TABLE.replace('Prompt', 'Action')}", "list", "line 6: Shot # | Action | Duration: a second table"),
        (f"{TABLE}| 3 | a lamp | 3 | and | more |\n", "list", 'row 5: "and": 5 cells, but only 3 columns have names'),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "list.md", "the file: Markdown: no table here has two known columns"),
        (f"{TABLE}| 3 | a lamp | soon |\n", "list", 'row 5 (shot_id 3), Duration: "soon": seconds'),
    ],
)
def test_what_cannot_be_told_is_a_fault_with_its_line(text: str, name: str, expected: str) -> None:
    assert expected in fault(text, name)


def test_lists_that_hold_markdown_in_a_field_are_read_as_before() -> None:
    notes = "```json\n{}\n```\n| shot_id | prompt |\n|---|---|\n"
    shots = [{**SHOTS[0], "notes": notes}]
    assert read(json.dumps(shots), "list") == shots
    block = (
        "- shot_id: 1\n  prompt: lamp 1\n  duration: 3.0\n  notes: |\n    "
        + notes.replace("\n", "\n    ").rstrip()
        + "\n"
    )
    assert read(block, "list") == shots
    assert read(f'shot_id,prompt,duration,notes\n1,lamp 1,3.0,"{notes}"\n', "list")[0]["notes"] == notes.strip()


@pytest.mark.parametrize(
    "text",
    [
        "```" * 300_000,
        "```json\n" * 100_000,
        "``` " + "a" * 1_000_000 + "`",
        "|-" * 400_000 + "x",
        "| shot | prompt |\n|-" + " " * 1_000_000 + "x",
        "a|b\n-|-\n" * 100_000,
        "| shot | prompt |\n|--|--|\n" + ("| 1 " + "<br" * 20 + " " * 10_000 + "|\n") * 50,
        "{}\n" * 300_000,
        "| shot | prompt |\n|--|--|\n" + "|" * 1_000_000,
    ],
    ids=range(9),
)
def test_reading_is_linear(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ShotListFaults):
        read_shot_list(text.encode(), name="list")
    assert time.process_time() - started < 3
