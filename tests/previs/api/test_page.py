"""The page on the API is true: its programs run, and its tables name what there is."""

import asyncio
import dataclasses
import inspect
import re
import runpy
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import previs
from tests.conftest import Serve
from tests.previs.api.sessions import EXAMPLES

HOME = EXAMPLES.parent
PAGE = (HOME / "docs" / "python.md").read_text("utf-8")
PROGRAMS = [each.content for each in MarkdownIt().parse(PAGE) if (each.type, each.info) == ("fence", "python")]


def first_cells(heading: str, table: int = 0) -> list[str]:
    """Return the code in the first column of a table below a heading."""
    below = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [block for block in re.split(r"\n\n", below) if block.lstrip().startswith("|")][table]
    return [re.split(r"[`(]", row.split("`")[1])[0] for row in rows.splitlines() if row.startswith("| `")]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_its_programs_run(
    simulate: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
) -> None:
    for port in (8188, 8189):
        _, url = await simulate()
        program = program.replace(f"http://127.0.0.1:{port}", url)
    # Examples are named as in the checkout; what is rendered goes elsewhere.
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "program.py").write_text(program, "utf-8")
    monkeypatch.chdir(tmp_path)
    await asyncio.to_thread(runpy.run_path, "program.py", run_name="__main__")
    assert f"file://{tmp_path}/storyboards/frames/" in capsys.readouterr().out


def test_every_argument_method_and_field_is_on_the_page_and_no_other() -> None:
    assert first_cells("Connect and check") == list(inspect.signature(previs.connect).parameters)
    assert first_cells("What was made") == [each.name for each in dataclasses.fields(previs.Outputs)]
    methods = {f"session.{name}" for name in dir(previs.Session) if not name.startswith("_")}
    named = set(re.findall(r"`(?:await )?(session\.\w+)", PAGE))
    assert named == methods


def test_every_name_of_previs_on_the_page_exists_and_no_name_is_missing() -> None:
    assert set(re.findall(r"\bprevis\.([A-Z]\w+|connect)\b", PAGE)) <= set(previs.__all__)
    assert [name for name in previs.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []
