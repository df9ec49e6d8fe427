"""Every error keeps its values and its sentence wherever it goes, and leaves its catcher one choice."""

import copy
import dataclasses
import inspect
import pickle
import re
from typing import Any, get_type_hints

import pytest

from previs import errors
from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.history import Failure, read_entry
from previs.comfyui.protocol.validation_errors import faults_of
from previs.errors import (
    BoardIncomplete,
    Fault,
    FixTheInput,
    NodeFailed,
    PlanRefused,
    PrevisError,
    PromptRefused,
    RenderTimedOut,
    ServerError,
    ServerUnavailable,
    ShotListFaults,
    TryAgain,
    WorkflowFaults,
)
from previs.workflow.binding.overrides import with_overrides
from previs.workflow.binding.traversal import place_of
from previs.workflow.settings.reading import read_settings

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
RAISED = [each for each in CLASSES if each.sentence]
FAULTS = (
    Fault("shot 3 (shot_id SH030)", "duration", "0", "seconds, a number above 0"),
    Fault("the list", "", "", "a list of shots is needed"),
)
COPIES = [
    *(lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6)),  # noqa: S301 - our own
    copy.copy,
    copy.deepcopy,
]


def sample(name: str, kind: object) -> Any:
    samples: dict[object, Any] = {
        str: f"{name} 夜景",
        int: 403,
        float: 2.5,
        float | None: 2.5,
        tuple[str, ...]: ("http://a:8188", "http://b:8188"),
        tuple[Fault, ...]: FAULTS,
        list[dict[str, Any]]: [{"shot_id": "镜头 1", "success": False}],
    }
    return samples[kind]


def made(each: type[PrevisError]) -> PrevisError:
    kinds = get_type_hints(each)
    return each(*(sample(field.name, kinds[field.name]) for field in dataclasses.fields(each)))


def shown(value: object) -> list[str]:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


def tree() -> dict[str, str | None]:
    """Each error that the docstring names, with the one under which it stands."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for indent, name in re.findall(r"^( *)\* :exc:`(\w+)`", errors.__doc__ or "", re.MULTILINE):
        above = [(depth, parent) for depth, parent in above if depth < len(indent)]
        assert name not in parents
        parents[name] = above[-1][1] if above else None
        above.append((len(indent), name))
    return parents


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("each", CLASSES)
def test_an_error_survives_pickling_and_copying(each: type[PrevisError], copied: Any) -> None:
    error = made(each)
    twin = copied(error)
    assert type(twin) is each
    assert twin is not error
    assert (twin.args, vars(twin), str(twin)) == (error.args, vars(error), str(error))


@pytest.mark.parametrize("each", RAISED)
def test_an_errors_values_are_its_arguments_and_can_be_read_by_their_names(each: type[PrevisError]) -> None:
    error = made(each)
    names = list(inspect.signature(each).parameters)
    assert error.args == tuple(getattr(error, name) for name in names)


@pytest.mark.parametrize("each", [each for each in RAISED if each is not BoardIncomplete])
def test_a_sentence_says_every_value(each: type[PrevisError]) -> None:
    error = made(each)
    missing = [word for value in error.args for word in shown(value) if word not in str(error)]
    assert missing == []


@pytest.mark.parametrize("each", RAISED)
def test_no_value_of_an_error_controls_a_terminal_or_forges_a_line(each: type[PrevisError]) -> None:
    hostile = "\x1b[2J\x9b31m\u202e\u2028\nforged: all is well"
    error = made(each)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, hostile)
        elif value == FAULTS:
            setattr(error, name, (Fault(hostile, hostile, hostile, "a remedy,\nof two lines"),))
        elif isinstance(value, tuple):
            setattr(error, name, (hostile,))
    lines = str(error).split("\n")
    assert not [c for c in "".join(lines) if not c.isprintable()]
    if not each.of_lines:
        assert not [line for line in lines if line.startswith("forged")]
    if "server" in vars(error):
        assert r"\x1b[2J\x9b31m\u202e\u2028\nforged: all is well" in str(error)


@pytest.mark.parametrize("each", RAISED)
def test_an_error_is_in_one_branch_alone(each: type[PrevisError]) -> None:
    branches = {branch for branch in (BoardIncomplete, FixTheInput, TryAgain) if issubclass(each, branch)}
    assert len(branches) == 1


def test_the_docstring_is_the_tree() -> None:
    inherited = {
        each.__name__: next((base.__name__ for base in each.__bases__ if issubclass(base, PrevisError)), None)
        for each in CLASSES
        if each is not ServerError
    }
    assert tree() == inherited


def test_the_docstring_says_which_errors_name_their_server() -> None:
    names = list(tree())
    of_servers = [
        *names[names.index("PromptRefused") : names.index("TryAgain")],
        *names[names.index("ServerUnreachable") :],
    ]
    assert of_servers == [name for name in names if issubclass(getattr(errors, name), ServerError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert (ServerUnavailable.code, NodeFailed.code) == ("server_unavailable", "node_failed")


def test_a_cause_says_what_failed_and_not_where() -> None:
    failed = [NodeFailed(server, "3", "KSampler", "NaN") for server in ("http://a:8188", "http://b:8188")]
    refused = [PromptRefused(server, FAULTS[:count]) for server, count in (("http://a:8188", 2), ("http://b:8188", 1))]
    assert failed[0].cause == failed[1].cause
    assert refused[0].cause != refused[1].cause
    assert RenderTimedOut("http://a:8188", 3).cause is None


def test_every_error_of_a_deadline_is_a_timeout_error() -> None:
    assert [each for each in CLASSES if issubclass(each, TimeoutError)] == [RenderTimedOut]


def test_a_report_has_a_line_for_each_fault() -> None:
    assert str(ShotListFaults("shots.csv", FAULTS)) == (
        "shots.csv has 2 faults:\n"
        "  - shot 3 (shot_id SH030), duration: 0: seconds, a number above 0\n"
        "  - the list: a list of shots is needed"
    )
    assert str(ShotListFaults("shots.csv", FAULTS[1:])).startswith("shots.csv has 1 fault:\n")


@pytest.mark.parametrize(
    "made_of",
    [
        lambda faults: ShotListFaults("shots.csv", faults),
        lambda faults: WorkflowFaults("graph.json", faults),
        lambda faults: PlanRefused(3, faults),
        lambda faults: PromptRefused("http://a:8188", faults),
    ],
)
def test_a_report_of_very_many_faults_tells_the_first_fifty_and_how_many_more(made_of: Any) -> None:
    faults = tuple(Fault(f"shot {number}", "", "", "x" * 40) for number in range(1, 5_001))
    assert str(made_of(faults[:50])).endswith(f"  - {faults[49]}")
    assert str(made_of(faults[:51])).endswith(f"  - {faults[49]}\n  - and 1 more")
    assert str(made_of(faults)).endswith(f"  - {faults[49]}\n  - and 4,950 more")


@pytest.mark.parametrize("kind", [ShotListFaults, WorkflowFaults])
def test_an_error_holds_fifty_faults_and_counts_the_others_also_after_pickling(
    kind: type[ShotListFaults | WorkflowFaults],
) -> None:
    error = kind("shots.csv", tuple(Fault(f"shot {number}", "", "", "x") for number in range(60)), 1194)
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (len(copied.faults), copied.more) == (50, 1204)
    assert str(copied) == str(error)
    assert str(error).endswith("and 1,204 more")


def test_a_server_that_says_nothing_of_when_to_ask_again_is_not_quoted_on_it() -> None:
    silent = ServerUnavailable("http://a:8188", "GET /queue", "HTTP 502")
    assert str(silent) == "http://a:8188 answered GET /queue with HTTP 502"
    assert pickle.loads(pickle.dumps(silent)).retry_after is None  # noqa: S301 - our own


LONG = "x" * 1_000_000


def of_a_title() -> str:
    node = {"class_type": LONG, "inputs": {"name": LONG}, "_meta": {"title": LONG}}
    rules = {"input": {"required": {"name": [["a" + LONG, "b" + LONG]]}}, "output": [], "output_node": True}
    [found] = findings({"1": node}, {LONG: read_class(LONG, rules)})
    return f"{found.fault}{place_of({'1': node}, '1')}{found.remedy[:-3_000]}"


def of_settings() -> str:
    with pytest.raises(WorkflowFaults) as raised:
        read_settings({"checkpoint": "a", LONG: LONG, "steps": LONG}, name="the settings", known=())
    return str(raised.value)


def of_an_override() -> str:
    with pytest.raises(WorkflowFaults) as raised:
        with_overrides({"1": {"class_type": "A", "inputs": {}}}, {LONG: LONG, "1.": 1}, source=LONG, place="shot 1")
    return str(raised.value)


def of_a_refusal() -> str:
    kinds = ("value_not_in_list", "value_bigger_than_max", "invalid_input_type", "return_type_mismatch", "other")
    configs: tuple[Any, ...] = ([[LONG, LONG]], ["INT", {"min": LONG}], [LONG], [LONG], [])
    errors_ = [
        {
            "type": kind,
            "message": LONG,
            "details": LONG,
            "extra_info": {"input_name": LONG, "received_value": LONG, "input_config": config},
        }
        for kind, config in zip(kinds, configs, strict=True)
    ]
    of_inputs = faults_of({"node_errors": {LONG: {"class_type": LONG, "errors": errors_}}}, {})
    said = {"type": "invalid_prompt", "message": LONG, "details": f"Node ID '#{LONG}'"}
    of_graphs = [faults_of({"error": each}, {})[0] for each in (LONG, said, said | {"details": LONG})]
    return str(PromptRefused("http://a:8188", (*of_inputs, *of_graphs)))


def of_a_failed_node() -> str:
    data = {"exception_message": LONG, "node_id": LONG, "node_type": LONG, "exception_type": LONG}
    entry = {"status": {"status_str": "error", "messages": [["execution_error", data]]}}
    failure = read_entry(entry)
    assert isinstance(failure, Failure)
    return str(NodeFailed("http://a:8188", failure.node_id, failure.class_type, failure.message))


@pytest.mark.parametrize("sentence", [of_a_title, of_settings, of_an_override, of_a_refusal, of_a_failed_node])
def test_no_value_from_outside_makes_a_sentence_long(sentence: Any) -> None:
    assert 100 < len(sentence()) < 8_000


@pytest.mark.parametrize("each", RAISED)
def test_an_error_keeps_only_the_start_of_long_values(each: type[PrevisError]) -> None:
    kinds = get_type_hints(each)
    faults = (Fault(LONG, LONG, LONG, LONG),) * 60
    long = {str: LONG, tuple[str, ...]: (LONG,), tuple[Fault, ...]: faults}
    names = [field.name for field in dataclasses.fields(each)]
    error = each(*(long.get(kinds[name]) or sample(name, kinds[name]) for name in names))
    assert len(str(error)) < 200_000
    assert len(pickle.dumps(error)) < 250_000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own


def test_the_ordinary_parts_of_a_fault_are_whole() -> None:
    fault = Fault(f"shot 1 (shot_id {'S' * 200}), node 6 (CLIPTextEncode)", "f" * 60, "v" * 60, "r" * 1_000)
    assert fault == Fault(fault.place, "f" * 60, "v" * 60, "r" * 1_000)
    assert len(str(fault)) > 1_300
