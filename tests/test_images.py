"""The image holds all that a run needs, where Prefect looks for it, and nothing else."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tasks.prefect_yaml import IN_IMAGE

HOME = Path(__file__).parents[1]
LOAD = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
import previs
flows = [load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False) for entrypoint in sys.argv[1:]]
modules = {name: sys.modules[name].__file__ for name in ("previs", "blocks", "tasks")}
print(json.dumps({"flows": [flow.name for flow in flows], "modules": modules}))
"""


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (HOME / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines if line.strip()]


def of(kind: str) -> list[str]:
    return [what for instruction, what in instructions() if instruction == kind]


def copied() -> list[tuple[list[str], str]]:
    """The sources and the target of each COPY."""
    return [(words[:-1], words[-1]) for what in of("COPY") if (words := what.split())]


def is_sent(path: PurePosixPath) -> bool:
    """Whether a file of the checkout is part of what an image is built from: the last rule that fits counts."""
    rules = (HOME / ".dockerignore").read_text("utf-8").splitlines()
    sent = True
    for rule in (line.strip() for line in rules if line.strip() and not line.startswith("#")):
        pattern = rule.removeprefix("!")
        if any(_fits(str(place), pattern) for place in (path, *path.parents)):
            sent = rule.startswith("!")
    return sent


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(PurePosixPath(path).name, pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as the last COPY leaves it."""
    folder = tmp_path_factory.mktemp("image") / "previs"
    for top in HOME.iterdir():
        for path in [top, *top.rglob("*")] if is_sent(PurePosixPath(top.name)) else ():
            name = path.relative_to(HOME)
            if path.is_file() and is_sent(PurePosixPath(name)):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)
    return folder


def test_the_flows_load_from_what_is_in_the_image(image: Path, tmp_path: Path) -> None:
    written: dict[str, Any] = yaml.safe_load((image / "prefect.yaml").read_text("utf-8"))
    entrypoints = sorted({f"{image}/{deployment['entrypoint']}" for deployment in written["deployments"]})
    # What an editable install does there: the folder is on the path, before that of these tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": str(image), "PREFECT_HOME": str(tmp_path / "prefect")}
    environment |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", LOAD, *entrypoints],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sorted(found["flows"]) == ["lost-runs", "nightly", "script-to-shots", "storyboard"]
    assert found["modules"] == {name: str(image / name / "__init__.py") for name in found["modules"]}


def test_the_image_holds_what_a_run_needs_and_nothing_of_the_tests(image: Path) -> None:
    assert {path.name for path in image.iterdir()} == {
        *("LICENSE", "README.md", "prefect.yaml", "pyproject.toml", "requirements.txt", "requirements-build.txt"),
        *("blocks", "examples", "flows", "previs", "tasks"),
    }
    assert list(image.rglob("__pycache__")) == []


@pytest.mark.parametrize("path", ["previs/__pycache__/errors.pyc", ".git/config", ".venv/ready", "storyboards/a.png"])
def test_what_is_no_part_of_the_checkout_is_not_sent(path: str) -> None:
    assert not is_sent(PurePosixPath(path))


def test_everything_copied_is_there() -> None:
    sources = [source for several, _ in copied() for source in several if source != "."]
    assert sources
    assert [name for name in sources if not (HOME / name).exists() or not is_sent(PurePosixPath(name))] == []
    assert {target for _, target in copied()} <= {".", "./"}


def test_all_that_is_needed_to_install_is_copied_before_it() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]
    order = [kind for kind, what in instructions() if kind == "COPY" or "pip install" in what]
    assert order == ["COPY", "RUN", "COPY"]
    assert {"pyproject.toml", project["readme"], *project["license-files"]} <= {*copied()[0][0]}


def test_only_locked_files_are_installed_and_no_tools_of_the_tests() -> None:
    [install] = [what for what in of("RUN") if "pip install" in what]
    *locked, own = re.findall(r"pip install ([^&]*[^&\s])", install)
    assert [re.findall(r"--requirement (\S+)", each) for each in locked] == [
        ["requirements.txt"],
        ["requirements-build.txt"],
    ]
    assert all("--require-hashes --only-binary :all:" in each for each in locked)
    assert {"requirements.txt", "requirements-build.txt"} <= {*copied()[0][0]}
    assert own == "--no-build-isolation --editable ."
    assert "PIP_NO_DEPS=1" in install
    assert install.endswith("pip check")


def test_the_checkout_is_where_deployments_look_for_it() -> None:
    assert of("WORKDIR") == [IN_IMAGE]


def test_the_python_is_one_that_previs_runs_on() -> None:
    [base] = of("FROM")
    match = re.fullmatch(r"python:(3\.\d+)-slim@sha256:[0-9a-f]{64}", base)
    assert match
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{match[1]}.0")


def test_runs_are_of_a_user_who_is_not_root_and_has_a_place_for_prefect() -> None:
    [user] = of("USER")
    [made] = [what for what in of("RUN") if "useradd" in what]
    assert "--create-home" in made
    assert made.endswith(f" {user}")
    assert f"PREFECT_HOME=/home/{user}/" in " ".join(of("ENV"))


def test_prefects_command_is_the_first_process() -> None:
    # As any other than process 1 it dies of the SIGTERM of a container that is stopped, before its flow has cleaned up.
    assert of("ENTRYPOINT") == []
