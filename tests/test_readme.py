"""The papers say what is so: commands, options, paths and examples."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from previs.shots import read_shot_list
from previs.workflow import WorkflowSettings, read_workflow

HOME = Path(__file__).parents[1]
README = HOME / "README.md"
PAPERS = [README, HOME / "CHANGELOG.md", *sorted((HOME / "docs").rglob("*.md"))]
COMMANDS = (
    "run",
    "plan",
    "bind",
    "check",
    "pick",
    "rerender",
    "boards",
    "pull",
    "prune",
    "schema",
    "nightly",
    "deploy",
    "demo",
    "simulate",
)
OF_NIGHTLY = ("nightly add", "nightly list", "nightly remove")
WITHOUT_OPTIONS = {"schema", "nightly"}
FOLDERS = ("previs", "tasks", "blocks", "flows", "examples", "docs", "tests")

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# The first name of a row of options; what comes after it on the row are negations that cyclopts makes.
_ROW = re.compile(r"^│ +(?:\* +)?(--[a-z-]+)", re.MULTILINE)
_PATH = re.compile(rf"(?<![\w./$-])(?:{'|'.join(FOLDERS)})/[\w./-]*")


def tokens(paper: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(paper.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def fences(*languages: str) -> list[str]:
    return [token.content for token in tokens(README) if token.type == "fence" and token.info in languages]


def inline_code(paper: Path) -> list[str]:
    return [token.content for token in tokens(paper) if token.type == "code_inline"]


def command_lines() -> list[list[str]]:
    """What README has people type after ``previs``, in blocks and in running text, as words."""
    lines = [line for block in fences("sh") for line in block.replace("\\\n", " ").splitlines()]
    found = (re.match(r"previs (.*)", line) for line in [*lines, *inline_code(README)])
    return [match[1].split() for match in found if match]


def help_of(command: str) -> str:
    program = [sys.executable, "-c", "from previs.command import main; main()", *command.split(), "--help"]
    environment = os.environ | {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(program, env=environment, check=True, capture_output=True, encoding="utf-8").stdout  # noqa: S603 - our own command


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    with ThreadPoolExecutor() as threads:
        every = ("", *COMMANDS, *OF_NIGHTLY)
        return dict(zip(every, threads.map(help_of, every), strict=True))


def test_the_readme_knows_every_command(helps: dict[str, str]) -> None:
    assert set(re.findall(r"^│ ([a-z]+) ", helps[""], re.MULTILINE)) == set(COMMANDS)
    assert {words[0] for words in command_lines() if words[0].isalpha()} == set(COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, *OF_NIGHTLY])
def test_every_option_in_the_help_is_in_the_readme(helps: dict[str, str], command: str) -> None:
    options = set(_ROW.findall(helps[command]))
    assert bool(options) is (command not in WITHOUT_OPTIONS)
    assert options <= set(inline_code(README))


def test_every_option_in_the_readme_is_in_the_help(helps: dict[str, str]) -> None:
    everywhere = set(_OPTION.findall(" ".join(helps.values())))
    for words in command_lines():
        command = next((each for each in OF_NIGHTLY if words[:2] == each.split()), words[0])
        known = everywhere if command not in helps else set(_OPTION.findall(helps[command])) | {"--help"}
        assert set(_OPTION.findall(" ".join(words))) <= known, words
    alone = {option for code in inline_code(README) if code.startswith("--") for option in _OPTION.findall(code)}
    assert alone <= everywhere


def test_every_make_target_in_the_readme_exists() -> None:
    rules = (HOME / "Makefile").read_text(encoding="utf-8")
    lines = [*inline_code(README), *(line for block in fences("sh") for line in block.splitlines())]
    targets = {match[1] for line in lines if (match := re.fullmatch(r"make ([a-z]+)", line))}
    assert {"demo", "test", "check"} <= targets
    assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_every_link_leads_somewhere(paper: Path) -> None:
    for token in tokens(paper):
        target = unquote(str(token.attrGet("href") or token.attrGet("src") or ""))
        if "://" in target or not target:
            continue
        path, _, anchor = target.partition("#")
        assert (paper.parent / path).exists(), target
        linked = paper.parent / path if path else paper
        headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_every_path_exists(paper: Path) -> None:
    text = [token.content for token in tokens(paper) if token.type in {"code_inline", "fence"} and token.info != "json"]
    paths = {path.rstrip("/.") for content in text for path in _PATH.findall(content)}
    missing = [path for path in sorted(paths) if not (HOME / path).exists()]
    assert not missing


@pytest.mark.parametrize("content", fences("json", "yaml"))
def test_every_example_is_one_that_is_accepted(content: str) -> None:
    example = yaml.safe_load(content) if content in fences("yaml") else json.loads(content)
    if "checkpoint" in example:
        read_workflow(example, name="README.md")
    elif not (isinstance(example, list) and "success" in example[0]):
        assert read_shot_list(content).shots


def test_the_upstream_form_is_read_as_it_is() -> None:
    [first, *_] = fences("json")
    [shot] = read_shot_list(first).shots
    assert shot.given() == json.loads(first)[0]
    assert read_shot_list(str(json.loads(first))).shots == (shot,)


@pytest.mark.parametrize("content", fences("csv"))
def test_every_sheet_can_be_read(content: str) -> None:
    assert read_shot_list(content, media="csv").shots


@pytest.mark.parametrize("content", fences("python"))
def test_every_program_is_python(content: str) -> None:
    compile(content, "README.md", "exec")


def test_every_setting_of_a_workflow_is_in_the_readme() -> None:
    assert set(WorkflowSettings.model_fields) <= set(inline_code(README))


def test_every_field_of_a_shot_is_in_the_readme() -> None:
    [shot, *_] = read_shot_list([{"shot_id": 1, "prompt": "a", "duration": 1}]).shots
    assert set(type(shot).model_fields) <= set(inline_code(README))


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 380
