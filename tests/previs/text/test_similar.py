"""Check which names are suggested, and that any number of long names costs little."""

import random
from collections.abc import Callable
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

import pytest

from previs.boards.runs import list_names
from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.validation_errors import faults_of
from previs.errors import Fault
from previs.shots import read_chains, read_shot_list
from previs.text import similar
from previs.text.similar import LONGEST, MOST_CONSIDERED, Budget, closest, meant
from previs.workflow.binding.addresses import AddressFinder
from previs.workflow.binding.overrides import overridden
from previs.workflow.detection.titles import title_faults

MODELS = [f"{kind}_{version}_{size}.safetensors" for kind in ("sdxl", "flux", "wan", "qwen") for version in
          ("v1", "v2", "dev", "edit") for size in ("fp8", "fp16", "bf16", "Q4", "Q8")]  # fmt: skip


def shuffles(count: int, length: int) -> list[str]:
    chance = random.Random(1)
    return ["".join(chance.sample("ab" * (length // 2), length)) for _ in range(count)]


def test_the_best_name_is_the_one_that_a_comparison_with_all_finds() -> None:
    for wanted in ("sdxl_v1_fp18.safetensors", "flux-dev-fp8.safetensors", "wan2_v2_q8.gguf", "euler"):
        assert closest(wanted, MODELS)[:1] == get_close_matches(wanted, MODELS, n=1)


def test_a_name_that_is_cut_is_still_found_by_its_end() -> None:
    names = [f"{'folder/' * 30}model_{size}" for size in ("fp8", "fp16", "bf16")]
    assert closest(names[1][:-1], names, most=1) == [names[1]]


def test_a_key_says_what_counts() -> None:
    assert closest("HERO", ["b/hero", "a/hero", "villain"], key=lambda name: name.rpartition("/")[2].lower()) == [
        "a/hero",
        "b/hero",
    ]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many pairs of letters each exact comparison has."""
    counts: list[int] = []
    exactly = SequenceMatcher.ratio

    def ratio(self: Any) -> float:
        counts.append(len(self.a) * len(self.b))
        return exactly(self)

    monkeypatch.setattr(SequenceMatcher, "ratio", ratio)
    return counts


def of_shots() -> object:
    names = shuffles(300, 100)
    shots = [{"shot_id": name, "prompt": "a", "duration": 1.0} for name in names]
    urls = [{"url": f"shot:{name}", "reference_id": name} for name in shuffles(310, 100)[300:]]
    return read_chains(read_shot_list([shots[0] | {"references": urls}, *shots[1:]])).faults


def of_addresses() -> object:
    names = shuffles(310, 100)
    graph = {
        str(number): {"class_type": "A", "inputs": {"text": ""}, "_meta": {"title": name}}
        for number, name in enumerate(names[:300])
    }
    faults: list[Fault] = []
    overrides = {f"{name}.text": "" for name in names[300:]}
    overridden(AddressFinder(graph), overrides, place="a", bindings=(), faults=faults)
    return faults


def of_titles() -> object:
    graph = {
        str(number): {"class_type": "A", "inputs": {}, "_meta": {"title": f"shot.{name}"}}
        for number, name in enumerate(shuffles(300, 100))
    }
    return list(title_faults(graph))


def of_a_refusal() -> object:
    choices = shuffles(300, 100)
    errors = [
        {"type": "value_not_in_list", "extra_info": {"received_value": name, "input_config": [choices]}}
        for name in shuffles(310, 100)[300:]
    ]
    return faults_of({"node_errors": {"1": {"class_type": "A", "errors": errors}}}, {})


def of_a_check() -> object:
    names = shuffles(310, 100)
    rules = {"input": {"required": {"name": [names[:300]]}}, "output": [], "output_node": True}
    graph = {str(number): {"class_type": "A", "inputs": {"name": name}} for number, name in enumerate(names[300:])}
    return findings(graph, {"A": read_class("A", rules)})


def of_a_board() -> object:
    wanted, *names = shuffles(301, 100)
    return list_names(wanted, names)


@pytest.mark.parametrize("report", [of_shots, of_addresses, of_titles, of_a_refusal, of_a_check, of_a_board])
def test_the_suggestions_of_a_report_compare_few_letters(report: Callable[[], object], compared: list[int]) -> None:
    assert report()
    assert len(compared) <= 1_000
    assert max(compared, default=0) <= LONGEST**2


def test_names_are_compared_in_one_module_alone() -> None:
    """Only there the work is bounded; the simulator, which shares no code with previs, compares its own few words."""
    root = Path(similar.__file__).parents[2]
    files = [path for room in ("previs", "tasks", "flows", "blocks") for path in (root / room).rglob("*.py")]
    using = {path.relative_to(root).as_posix() for path in files if "difflib" in path.read_text()}
    assert using == {"previs/text/similar.py", "previs/simulator/script.py"}


def test_a_report_looks_at_a_bounded_number_of_names() -> None:
    budget = Budget(MOST_CONSIDERED + 3)
    names = [str(number) for number in range(2 * MOST_CONSIDERED)]
    assert closest("1", names, budget=budget)[0] == "1"
    assert budget.left == 3
    assert closest("1", names, budget=budget, cutoff=0.9) == ["1"]
    assert closest("1", names, budget=budget, cutoff=0.9) == []


_PARAMETERS = ["shots", "board", "takes", "max_age_days", "only"]


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("shotz", "shots"),
        ("shot", "shots"),
        ("Shot List", None),
        ("MAX-AGE-DAY", "max_age_days"),
        ("max age", None),
        ("tkaes", "takes"),
        ("bored", "board"),
        ("", None),
        ("镜头", None),
        ("takes" * 100_000, None),
    ],
)
def test_the_closest_name_within_two_edits_is_meant(name: str, closest: str | None) -> None:
    assert meant(name, _PARAMETERS) == closest
    assert meant(name, []) is None
