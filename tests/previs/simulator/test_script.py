"""Scripts are read in YAML and JSON, and every fault is reported with its location."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from previs.simulator import ALWAYS, Cue, ScriptFaults, read_script

YAML = """
- after_seconds: 0.5
  set: {refuse: always, refuse_status: 502, only_paths: [/view], header: [Authorization, word]}
  for_seconds: 2
- after_prompts: 3
  restart: true
  door: closed
  for_seconds: 1
- after_frames: 7
  cut: true
"""

CUES = (
    Cue(
        after_seconds=0.5,
        set={"refuse": ALWAYS, "refuse_status": 502, "only_paths": ("/view",), "header": ("Authorization", "word")},
        for_seconds=2,
    ),
    Cue(after_prompts=3, restart=True, door="closed", for_seconds=1),
    Cue(after_frames=7, cut=True),
)


def faults_of(content: object, name: str = "storm.json") -> tuple[str, ...]:
    with pytest.raises(ScriptFaults) as refused:
        read_script(json.dumps(content).encode(), name=name)
    return refused.value.faults


def test_a_script_is_the_same_in_yaml_and_in_json() -> None:
    written = [cue.model_dump(exclude_defaults=True) for cue in CUES]
    written[0]["set"]["refuse"] = "always"
    assert read_script(YAML.encode(), name="storm.yaml") == CUES
    assert read_script(json.dumps(written).encode(), name="storm.json") == CUES
    assert read_script(json.dumps(written).encode(), name="storm") == CUES


def test_every_fault_is_reported_with_its_location() -> None:
    script = [
        {"after_seconds": 1, "set": {"refus": 1}},
        {"after_seconds": -1, "set": {"refuse_status": 200, "drop_sockets": "many", "memory_full": "yes"}},
        {"after_prompt": 1, "set": {"header": ["a"]}},
    ]
    assert faults_of(script) == (
        "cue 1, set, refus: no such fault: did you mean refuse?",
        "cue 2, after_seconds: -1: input should be greater than or equal to 0",
        "cue 2, set, refuse_status: 200: input should be greater than or equal to 400",
        'cue 2, set, memory_full: "yes": input should be a valid boolean',
        'cue 2, set, drop_sockets: "many": input should be a valid number',
        "cue 3, set, header, 1: field required",
        "cue 3, after_prompt: no such key of a cue: did you mean after_prompts?",
    )


@pytest.mark.parametrize(
    ("cue", "fault"),
    [
        ({"cut": True}, "give exactly one of after_seconds, after_prompts, after_requests, after_frames"),
        ({"after_frames": 1, "after_seconds": 1, "cut": True}, "give exactly one of"),
        ({"after_frames": 1}, "does nothing: give set, restart, door or cut"),
        ({"after_frames": 1, "cut": True, "for_seconds": 1}, "for_seconds needs set, or door: closed"),
        ({"after_frames": 1, "restart": 1}, "restart: 1: input should be a valid boolean"),
        ({"after_frames": True, "cut": True}, "after_frames: true: input should be a valid integer"),
        ({"after_frames": 1, "door": "ajar"}, "door: \"ajar\": input should be 'open' or 'closed'"),
        ({"after_frames": 1, "set": {"qqq": 1}}, "set, qqq: no such fault: there are refuse, refuse_status"),
        ({"after_frames": 1, "set": {"refuse": float("nan")}}, "set, refuse: NaN: input should be greater"),
        ({"after_frames": 1, "set": {"answer_after": float("inf")}}, "set, answer_after: Infinity: input should be a"),
        ({"after_frames": 1, "set": {"refuse": "3"}}, 'set, refuse: "3": input should be a valid number'),
        ({"after_frames": 1, "set": {"refuse": True}}, "set, refuse: true: input should be a valid number"),
        ({"after_frames": 1, "set": {"frames": "status"}}, 'set, frames: "status": a list is needed'),
        ({"after_frames": 1, "set": {"frames": [1]}}, "set, frames, 0: 1: input should be a valid string"),
        ("soon", '"soon": an object is needed'),
    ],
)
def test_an_inconsistent_cue_is_reported(cue: object, fault: str) -> None:
    [told] = faults_of([cue])
    assert told.removeprefix("cue 1").lstrip(",: ").startswith(fault)


@pytest.mark.parametrize(
    ("source", "name", "fault"),
    [
        (b'[{"after_seconds": 1 2}]', "a.json", "line 1, column 22: not JSON from here on"),
        (b"- {a: 1\n- b", "a.yaml", "line 2, column 4: not YAML from here on"),
        (b"\xff\xfe", "a.yaml", "byte 0: not UTF-8: save the file as UTF-8"),
        (b"a: \x00", "a.yaml", "the file: neither JSON nor YAML"),
        (b"[" * 100_000, "a.json", "the file: neither JSON nor YAML"),
        (b"", "a.yaml", "the script: null: a list is needed"),
        (b"{}", "a.json", "the script: {}: a list is needed"),
    ],
)
def test_a_file_that_is_not_a_script_is_reported(source: bytes, name: str, fault: str) -> None:
    with pytest.raises(ScriptFaults) as refused:
        read_script(source, name=name)
    assert str(refused.value) == f"{name} has 1 fault:\n  - {fault}"


def test_a_cue_made_by_a_program_is_checked() -> None:
    with pytest.raises(ValidationError, match="refus"):
        Cue(after_seconds=1, set={"refus": 1})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["after_frames", "set", "refuse", "door", "header", "?"]), inner, max_size=3)
    ),
)


@given(_JSON)
def test_any_json_gives_cues_or_faults(content: object) -> None:
    told: tuple[str, ...] = ()
    cues: tuple[Cue, ...] = ()
    try:
        cues = read_script(json.dumps(content).encode(), name="any.json")
    except ScriptFaults as refused:
        told = refused.faults
    assert content == [] or bool(told) != bool(cues)
    assert all(": " in fault for fault in told)
