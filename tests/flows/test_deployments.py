"""Check that every deployment loads in a fresh interpreter from any folder, and that its form explains itself."""

import ast
import fcntl
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
FLOWS = sorted(path for path in (CHECKOUT / "flows").glob("*.py"))
# Each flow is loaded by a process that has loaded no other; they share what Prefect itself takes to import.
LOAD = """
import json, os, sys
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
for entrypoint in sys.argv[1:]:
    child = os.fork()
    if not child:
        flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        found = {"name": flow.name, "async": flow.isasync, "schema": parameter_schema(flow).model_dump()}
        print(json.dumps([entrypoint, found]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{entrypoint} does not load")
"""


def deployments() -> list[dict[str, Any]]:
    written = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
    return list(written["deployments"])


ENTRYPOINTS = sorted({deployment["entrypoint"] for deployment in deployments()})


def python(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def all_loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Load every entrypoint in a fresh interpreter in another folder, once for all processes of these tests."""
    absolute = {f"{CHECKOUT}/{entrypoint}": entrypoint for entrypoint in ENTRYPOINTS}
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    shared = folder / "loaded.jsonl"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            shared.write_text(python(tmp_path_factory.mktemp("elsewhere"), "-c", LOAD, *absolute), "utf-8")
    return {absolute[name]: about for name, about in map(json.loads, shared.read_text("utf-8").splitlines())}


@pytest.fixture(params=ENTRYPOINTS)
def loaded(request: pytest.FixtureRequest, all_loaded: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is found at an entrypoint."""
    return all_loaded[request.param]


def test_there_is_a_deployment() -> None:
    names = [(deployment["entrypoint"], deployment["name"]) for deployment in deployments()]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_an_entrypoint_names_a_file_of_flows(entrypoint: str) -> None:
    file, _, name = entrypoint.rpartition(":")
    assert CHECKOUT / file in FLOWS
    assert name == Path(file).stem


def test_a_flow_loads_in_a_fresh_interpreter_from_any_folder(loaded: dict[str, Any]) -> None:
    assert loaded["name"]
    assert loaded["async"] is True


def test_every_parameter_of_a_flow_is_described(loaded: dict[str, Any]) -> None:
    properties = loaded["schema"]["properties"]
    assert properties
    assert [name for name, about in properties.items() if not about.get("description", "").strip()] == []
    assert sorted(about["position"] for about in properties.values()) == list(range(len(properties)))


def fields(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of a form, folded ones too, in their order."""
    folded = schema["definitions"].get("More", {"properties": {}})["properties"]
    return {name: about for name, about in schema["properties"].items() if name != "more"} | folded


def test_a_field_of_the_form_has_a_title_in_words_one_line_of_text_and_no_choice_of_none(
    loaded: dict[str, Any],
) -> None:
    for name, about in fields(loaded["schema"]).items():
        # Prefect makes no title of a block that is folded; it shows the name.
        title = about.get("title", name.title())
        assert title[0].isupper()
        assert "_" not in title
        assert len(about["description"]) <= 100
        assert "`" not in about["description"]
        assert {"type": "null"} not in about.get("anyOf", ())
        assert about.get("default", "") is not None


def test_the_form_begins_with_what_a_director_needs_and_folds_what_is_rarely_needed(
    all_loaded: dict[str, dict[str, Any]],
) -> None:
    schema = all_loaded["flows/storyboard.py:storyboard"]["schema"]
    assert list(schema["properties"]) == ["shots", "board", "takes", "review_minutes", "store", "farm", "more"]
    assert schema["properties"]["shots"]["anyOf"][0] == {"type": "string"}
    assert schema["properties"]["farm"]["$ref"] == "#/definitions/ComfyUIFarm"
    assert schema["properties"]["more"]["anyOf"][1] == {"type": "null"}
    folded = [
        *("workflow", "only", "passes", "picked_only", "overrides", "refresh", "max_age_days", "render_seconds"),
        *("animatic", "parts", "webhook", "notices"),
    ]
    assert list(schema["definitions"]["More"]["properties"]) == folded


def test_every_parameter_of_a_command_in_the_manual_is_one_that_prefects_command_knows(
    all_loaded: dict[str, dict[str, Any]],
) -> None:
    known = {about["name"]: set(about["schema"]["properties"]) for about in all_loaded.values()}
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", " ")
    commands = re.findall(r"^prefect deployment run ([\w-]+)/(.*)$", text, re.MULTILINE)
    assert len(commands) > 2
    for flow, rest in commands:
        assert set(re.findall(r"--param '?(\w+)=", rest)) <= known[flow]


def test_a_flow_can_be_started_with_its_input_alone(loaded: dict[str, Any]) -> None:
    inputs = {"storyboard": ["shots"], "script-to-shots": ["script"], "nightly": [], "lost-runs": []}
    assert loaded["schema"].get("required", []) == inputs[loaded["name"]]


def test_every_deployment_has_a_description_and_tags() -> None:
    assert [deployment["name"] for deployment in deployments() if not deployment.get("description")] == []
    assert [deployment["name"] for deployment in deployments() if "previs" not in deployment.get("tags", ())] == []


@pytest.mark.parametrize("flow", [path.stem for path in FLOWS if not path.stem.startswith("__")])
def test_no_flow_hides_a_module(flow: str, tmp_path: Path) -> None:
    # Prefect puts the folder of a flow's file first on the path and loads it under its bare name.
    find = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]))"
    assert python(tmp_path, "-c", find, flow).strip() == "None"
    assert flow not in sys.stdlib_module_names
    assert importlib.util.find_spec(f"flows.{flow}") is not None


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
def test_no_flow_file_defines_a_class(flow: Path) -> None:
    tree = ast.parse(flow.read_text("utf-8"))
    assert [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)] == []
