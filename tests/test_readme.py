"""README and docs are true: commands, options, paths, links, examples, fields and errors."""

import contextlib
import functools
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image

from previs.command import main
from previs.errors import FixTheInput, PrevisError, ServerError, TryAgain
from previs.shots import read_shot_list
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Reference
from previs.simulator import read_script
from previs.simulator.script import MOMENTS
from previs.workflow import WorkflowSettings, read_workflow

HOME = Path(__file__).parents[1]
README = HOME / "README.md"
GUIDES = sorted((HOME / "docs").glob("*.md"))
PAGES = [README, HOME / "CHANGELOG.md", *sorted((HOME / "docs").rglob("*.md"))]
COMMAND, SHOT_LIST, WORKFLOWS, DEPLOYING, ERRORS = (
    HOME / "docs" / f"{name}.md" for name in ("command", "shot-list", "workflows", "deploying", "errors")
)
WITH_EXAMPLES = [README, COMMAND, SHOT_LIST, WORKFLOWS, HOME / "docs" / "takes.md", HOME / "docs" / "chinese.md"]
PICTURE = HOME / "docs" / "images" / "board.webp"

COMMANDS = (
    "run",
    "plan",
    "bind",
    "check",
    "shots",
    "pick",
    "rerender",
    "boards",
    "pull",
    "sheet",
    "animatic",
    "timeline",
    "conform",
    "pdf",
    "serve",
    "review",
    "publish",
    "prune",
    "schema",
    "nightly",
    "notices",
    "deploy",
    "server",
    "demo",
    "simulate",
)
WITHIN = (
    "nightly add",
    "nightly list",
    "nightly remove",
    "publish kitsu",
    "serve invite",
    "serve guests",
    "serve revoke",
)
WITHOUT_OPTIONS = {"schema", "nightly", "notices", "publish", "server"}
OF_OTHER_PROGRAMS = {"--no-prompt", "--param", "--watch"}
FOLDERS = ("previs", "tasks", "blocks", "flows", "examples", "docs", "tests")

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# The first name in a row of options; the others in the row are negations that cyclopts adds.
_ROW = re.compile(r"^│ +(?:\* +)?(--[a-z-]+)", re.MULTILINE)
_PATH = re.compile(rf"(?<![\w./$-])(?:{'|'.join(FOLDERS)})/[\w./-]*")
_IN_FIRST_CELL = re.compile(r"^\|([^|]*)\|", re.MULTILINE)


def parsed(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


@functools.cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(parsed(page.read_text(encoding="utf-8")))


def fences(language: str, pages: list[Path] = WITH_EXAMPLES) -> list[str]:
    return [
        token.content for page in pages for token in tokens(page) if (token.type, token.info) == ("fence", language)
    ]


def inline_code(page: Path) -> list[str]:
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def typed_lines(page: Path) -> list[str]:
    """Return what a page has people type, in blocks and in running text."""
    blocks = fences("sh", [page])
    return [*(line for block in blocks for line in block.replace("\\\n", " ").splitlines()), *inline_code(page)]


def command_lines(page: Path) -> list[list[str]]:
    """Return the words after ``previs`` in each command that a page has people type."""
    found = (re.match(r"(?:docker run .* )?previs ([a-z].*)", line) for line in typed_lines(page))
    return [match[1].split() for match in found if match]


def section(page: Path, heading: str) -> str:
    """Return the text below a heading, up to the next heading."""
    text = page.read_text(encoding="utf-8")
    assert f"\n{heading}\n" in text, f"{page.name} has no {heading!r}"
    return re.split(r"^#+ ", text.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def in_first_cells(text: str) -> list[str]:
    return [code for cell in _IN_FIRST_CELL.findall(text) for code in re.findall(r"`([^`]+)`", cell)]


def help_of(command: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert not end.value.code
    return shown.getvalue()


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("COLUMNS", "160"), ("NO_COLOR", "1"), ("TERM", "dumb")):
            patch.setenv(name, value)
        return {command: help_of(command) for command in ("", *COMMANDS, *WITHIN)}


def test_the_page_of_the_command_knows_every_command(helps: dict[str, str]) -> None:
    assert set(re.findall(r"^│ ([a-z]+) ", helps[""], re.MULTILINE)) == set(COMMANDS)
    for group in {each.split()[0] for each in WITHIN}:
        own = {each.split()[1] for each in WITHIN if each.split()[0] == group}
        assert set(re.findall(r"^│ ([a-z]+) ", helps[group], re.MULTILINE)) == own
    assert {words[0] for words in command_lines(COMMAND)} == set(COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, *WITHIN])
def test_every_option_in_the_help_is_on_the_page_and_no_other(helps: dict[str, str], command: str) -> None:
    options = set(_ROW.findall(helps[command]))
    assert bool(options) is (command not in WITHOUT_OPTIONS)
    if options:
        described = in_first_cells(section(COMMAND, f"## previs {command}"))
        assert sorted(described) == sorted(options)


@pytest.mark.parametrize("page", [README, *GUIDES], ids=lambda page: page.name)
def test_every_command_and_option_on_a_page_exists(helps: dict[str, str], page: Path) -> None:
    everywhere = set(_OPTION.findall(" ".join(helps.values()))) | OF_OTHER_PROGRAMS
    for words in command_lines(page):
        command = next((each for each in WITHIN if words[:2] == each.split()), words[0])
        assert command in helps, words
        known = set(_OPTION.findall(helps[command])) | {"--help"}
        assert set(_OPTION.findall(" ".join(words))) <= known, words
    alone = {option for code in inline_code(page) if code.startswith("--") for option in _OPTION.findall(code)}
    assert alone <= everywhere


def test_every_make_target_on_a_page_exists() -> None:
    rules = (HOME / "Makefile").read_text(encoding="utf-8")
    targets = {
        (page.name, match[1])
        for page in PAGES
        for line in typed_lines(page)
        if (match := re.fullmatch(r"make ([a-z]+)", line))
    }
    assert {("README.md", each) for each in ("demo", "test", "check")} <= targets
    assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for _, target in targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for token in tokens(page):
        target = unquote(str(token.attrGet("href") or token.attrGet("src") or ""))
        if "://" in target or not target:
            continue
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists(), target
        linked = page.parent / path if path else page
        headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    text = [token.content for token in tokens(page) if token.type in {"code_inline", "fence"} and token.info != "json"]
    paths = {path.rstrip("/.") for content in text for path in _PATH.findall(content)}
    missing = [path for path in sorted(paths) if not (HOME / path).exists()]
    assert not missing


@pytest.mark.parametrize("content", [*fences("json"), *fences("yaml")])
def test_every_example_is_accepted(content: str) -> None:
    example = json.loads(content) if content in fences("json") else yaml.safe_load(content)
    first = example[0] if isinstance(example, list) else example
    if "checkpoint" in first:
        read_workflow(example, name="the page")
    elif any(moment in first for moment in MOMENTS):
        assert read_script(content.encode(), name="the page")
    elif "success" not in first and first.get("schema") != "previs.bindings/1":
        assert read_shot_list(content).shots


@pytest.mark.parametrize("page", [README, SHOT_LIST], ids=lambda page: page.name)
def test_the_upstream_form_is_accepted_unchanged(page: Path) -> None:
    [first, *_] = fences("json", [page])
    [shot] = read_shot_list(first).shots
    assert shot.given() == json.loads(first)[0]
    assert read_shot_list(str(json.loads(first))).shots == (shot,)


@pytest.mark.parametrize("content", fences("csv"))
def test_every_sheet_can_be_read(content: str) -> None:
    assert read_shot_list(content, media="csv").shots


@pytest.mark.parametrize("content", fences("python", PAGES))
def test_every_program_is_python(content: str) -> None:
    compile(content, "a page", "exec")


def test_every_setting_of_a_workflow_is_on_its_page() -> None:
    assert sorted(in_first_cells(section(WORKFLOWS, "## Settings"))) == sorted(WorkflowSettings.model_fields)


def test_every_field_of_a_shot_list_is_on_its_page() -> None:
    assert sorted(in_first_cells(section(SHOT_LIST, "## Fields of a shot"))) == sorted(Shot.model_fields)
    assert sorted(in_first_cells(section(SHOT_LIST, "## References"))) == sorted(Reference.model_fields)
    assert set(ShotList.model_fields) <= set(inline_code(SHOT_LIST))


def all_errors(root: type[PrevisError] = PrevisError) -> Iterator[type[PrevisError]]:
    for error in root.__subclasses__():
        yield error
        yield from all_errors(error)


def test_the_page_of_errors_has_each_with_its_code_and_branch() -> None:
    branches = (FixTheInput, TryAgain)
    expected = {
        (each.__name__, each.code, next((branch.__name__ for branch in branches if issubclass(each, branch)), ""))
        for each in all_errors()
        if each not in (*branches, ServerError) and each.__module__ == PrevisError.__module__
    }
    cells = [
        [cell.strip(" `") for cell in row.strip("|").split("|")]
        for row in section(ERRORS, "## The errors").splitlines()
        if row.startswith("| `")
    ]
    assert {tuple(row[:3]) for row in cells} == expected
    assert len(cells) == len(expected)
    assert all(len(row) == 5 and row[3] and row[4] for row in cells)


def test_every_field_of_a_block_is_on_the_page() -> None:
    from blocks import (  # noqa: PLC0415 - Prefect takes seconds
        AllowedSources,
        ComfyUIFarm,
        FolderFrameStore,
        S3FrameStore,
        Webhook,
    )

    code = set(inline_code(DEPLOYING))
    described = in_first_cells(section(DEPLOYING, "## Blocks and secrets"))
    kinds = (ComfyUIFarm, S3FrameStore, AllowedSources)
    sections = [about.annotation for about in S3FrameStore.model_fields.values()]
    in_sections = [name for each in sections for name in getattr(each, "model_fields", ())]
    own = [name for kind in kinds for name in (kind.__name__, *kind.model_fields)]
    assert sorted(described) == sorted([*own, *in_sections])
    assert {*FolderFrameStore.model_fields, *Webhook.model_fields} <= code


def test_the_readme_is_short_and_begins_with_a_small_picture() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.encode()) <= 9_000
    assert len(text.splitlines()) < 380
    assert text.splitlines()[2].endswith(f"]({PICTURE.relative_to(HOME)})")
    assert PICTURE.stat().st_size < 300_000
    with Image.open(PICTURE) as picture:
        assert picture.width >= 1_000
