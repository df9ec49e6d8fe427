"""Check that the house is what docs/architecture.md says: rooms, imports without circles, plain first lines."""

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PACKAGES = ("previs", "blocks", "tasks", "flows", "benchmarks")
FILES = sorted(path for package in PACKAGES for path in (HOME / package).rglob("*.py"))
ARCHITECTURE = (HOME / "docs" / "architecture.md").read_text("utf-8")
VERBS = frozenset((Path(__file__).parent / "imperative_verbs.txt").read_text("utf-8").split())


def module_name(path: Path) -> str:
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules() -> dict[str, ast.Module]:
    return {module_name(path): ast.parse(path.read_bytes()) for path in FILES}


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of this repository that a module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in modules() or node.module in modules():
                    yield submodule if submodule in modules() else node.module


def docstrings() -> Iterator[tuple[str, str]]:
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{name}:{getattr(node, 'name', '')}", text


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {name: set(imports(tree)) - {name} for name, tree in modules().items()}
    assert sum(map(len, graph.values())) > 1000
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules())


def test_every_module_of_previs_but_the_errors_lives_in_a_package() -> None:
    loose = {path.name for path in (HOME / "previs").iterdir() if path.is_file()}
    assert loose == {"errors.py", "__init__.py", "py.typed"}


def test_the_architecture_names_every_package() -> None:
    packages = [path.parent for path in FILES if path.name == "__init__.py" and path.parent.name != "previs"]
    assert [str(each) for each in packages if f"{each.name}/" not in ARCHITECTURE] == []


def test_every_file_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`((?:previs|tasks|flows|blocks|docs)/[\w/.]+\.(?:py|md))(?::\w+)?`", ARCHITECTURE))
    assert len(named) > 40
    assert [name for name in named if not (HOME / name).is_file()] == []


def test_the_architecture_draws_at_most_twelve_boxes_and_walks_ten_steps() -> None:
    first = ARCHITECTURE.partition("```mermaid")[2].partition("```")[0]
    assert 0 < len(re.findall(r"\w+\[", first)) <= 12
    walk = ARCHITECTURE.partition("## One shot, in ten steps")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", walk, re.MULTILINE) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize(
    ("page", "arrow", "bar"),
    [("docs/architecture.md", "→", "|"), ("docs/decisions/0031-rooms-and-layers.md", ";", ",")],
)
def test_the_pages_name_the_layers_that_are_checked(page: str, arrow: str, bar: str) -> None:
    settings = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["previs"])
    words = re.findall(r"[a-z]+|[→|;,]", (HOME / page).read_text("utf-8"))
    listed = f" {arrow} ".join(layer.replace("|", bar) for layer in layers)
    assert listed in " ".join(words)


def test_the_first_line_of_a_docstring_starts_with_an_imperative_verb_and_ends_with_a_full_stop() -> None:
    first = {where: text.partition("\n")[0] for where, text in docstrings()}
    assert len(first) > 1000
    assert [
        (where, line)
        for where, line in first.items()
        if line.split()[0].rstrip(",") not in VERBS or not line.endswith(".")
    ] == []
