"""Compare findings with the verdicts of ComfyUI 0.3.64 and 0.33.0: recorded ones, and the simulator's for any graph."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.check import Checker, Finding, findings
from previs.comfyui.protocol.classes import MATCH_TYPE, NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.simulator import VERSIONS, VersionName
from previs.simulator.validation import ValidationResult, validate
from tests.copies import copied
from tests.previs.comfyui.protocol.test_check import JSON, PATIENT, EveryClass, classes_of
from tests.previs.simulator.sessions import RECORDINGS, SCENARIOS, object_info, recorded

KINDS = {
    "required_input_missing": {"missing_input"},
    "value_smaller_than_min": {"value_out_of_range"},
    "value_bigger_than_max": {"value_out_of_range"},
    "value_not_in_list": {"value_not_in_list", "missing_model"},
    "invalid_input_type": {"wrong_value_type"},
    "return_type_mismatch": {"wrong_link_type"},
    "bad_linked_input": {"broken_link"},
    "custom_validation_failed": {"missing_file"},
    "prompt_no_outputs": {"no_output"},
    "invalid_prompt": {"unknown_class", "malformed_node"},
    "missing_node_type": {"unknown_class", "malformed_node"},
}
LEFT_TO_THE_NODE = {"missing_link", "not_checked"}
LOADERS = {
    "LoadImage": "image",
    "LoadImageMask": "image",
    "LoadImageOutput": "image",
    "LoadAudio": "audio",
    "LoadVideo": "file",
}
DESCRIBED_ELSEWHERE = {"image_upload", "file_upload", "audio_upload", "video_upload", "remote"}

Input = tuple[str, str, str]
"""Class, section and name of an input."""


@dataclass(frozen=True, slots=True)
class Host:
    """Represent a recorded server with all files that its graphs name.

    Attributes:
        posts: Answers to all recorded graphs.
        bases: Graphs that it accepts.
    """

    version: VersionName
    info: dict[str, Any]
    classes: dict[str, NodeClass | None]
    files: frozenset[str]
    posts: tuple[dict[str, Any], ...]
    bases: tuple[Graph, ...]

    def verdict(self, graph: Any) -> ValidationResult:
        names_missing = VERSIONS[self.version].names_missing_nodes
        return validate(graph, self.info, input_files=self.files, names_missing_nodes=names_missing)

    def accepts(self, graph: Any) -> bool:
        verdict = self.verdict(graph)
        return verdict.error is None and not verdict.node_errors

    def refusals(self, graph: Graph, found: Sequence[Finding] | None = None) -> list[Finding]:
        """Return the findings that make it refuse a graph; with others the node may fail when it runs."""
        found = findings(graph, self.classes) if found is None else found
        return [each for each in found if not self._is_of_the_run(graph, each)]

    def _is_of_the_run(self, graph: Graph, finding: Finding) -> bool:
        described = self.info.get(finding.class_type)
        if finding.kind in LEFT_TO_THE_NODE or described is None or not finding.input:
            return finding.kind in LEFT_TO_THE_NODE
        if finding.kind == "wrong_link_type":
            return finding.input in _match_types(described)
        rule = read_class("", described).rules(graph[finding.node_id].get("inputs", {})).get(finding.input)
        return rule is not None and bool(rule.options)


def _match_types(described: dict[str, Any]) -> set[str]:
    return {name for each in described["input"].values() for name, rule in each.items() if rule[0] == MATCH_TYPE}


@cache
def host(version: VersionName) -> Host:
    info = copied(object_info(version))
    info["LoadImage"]["input"]["required"]["image"][0] = ["broken.png"]
    files = frozenset({"broken.png", "storyboard/hero.png"})
    posts = tuple(
        event
        for each, scenario in SCENARIOS
        if each == version
        for event in recorded(scenario, version)
        if event.get("path") == "/prompt" and "prompt" in event.get("json", {}) and _judges_the_graph(event["response"])
    )
    bases = tuple(post["json"]["prompt"] for post in posts if not post["response"]["json"].get("error"))
    return Host(version, info, EveryClass(classes_of(info)), files, posts, bases)


def _judges_the_graph(response: dict[str, Any]) -> bool:
    return "json" in response and "invalid_prompt_id" not in str(response["json"].get("error"))


@cache
def furnished(version: VersionName) -> Host:
    """Return a server that has all models and files that the templates name, with those that it accepts as bases."""
    lines = gzip.decompress((RECORDINGS[version] / "exported.jsonl.gz").read_bytes()).splitlines()
    graphs = [json.loads(line)["graph"] for line in lines]
    bare, info, files = host(version), copied(host(version).info), set[str]()

    def offer(class_type: str, name: str, value: str) -> None:
        kind, *config = info[class_type]["input"]["required"][name]
        options = kind if isinstance(kind, list) else config[0].get("options")
        if options is not None and value not in options:
            options.append(value)

    for graph in graphs:
        for finding in findings(graph, bare.classes):
            if finding.kind in ("missing_model", "missing_file"):
                offer(finding.class_type, finding.input, graph[finding.node_id]["inputs"][finding.input])
        # No finding tells of the files of nodes that feed no output.
        for node in graph.values():
            if name := LOADERS.get(node["class_type"]):
                offer(node["class_type"], name, node["inputs"][name])
                files.add(node["inputs"][name])
    full = Host(version, info, EveryClass(classes_of(info)), frozenset(files), (), ())
    return replace(full, bases=tuple(graph for graph in graphs if full.accepts(graph)))


every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
def test_every_recorded_graph_gets_the_real_servers_verdict(version: VersionName) -> None:
    server = host(version)
    for post in server.posts:
        answer = post["response"]["json"]
        accepted = not answer.get("error") and not answer["node_errors"]
        assert (server.refusals(post["json"]["prompt"]) == []) is accepted
    assert len(server.posts) == {"0.3.64": 31, "0.33.0": 35}[version]


@every_version
def test_every_recorded_refusal_is_predicted_for_the_same_node_and_input(version: VersionName) -> None:
    server = host(version)
    refused = [post for post in server.posts if "error" in post["response"]["json"]]
    for post in refused:
        answer = post["response"]["json"]
        results = server.refusals(post["json"]["prompt"])
        named = {(each.kind, each.node_id, each.input) for each in results}
        for node_id, node in answer["node_errors"].items():
            for error in node["errors"]:
                assert {(kind, node_id, error["extra_info"]["input_name"]) for kind in KINDS[error["type"]]} & named
        if answer["node_errors"]:
            assert len(results) == sum(len(node["errors"]) for node in answer["node_errors"].values())
        else:
            assert results[0].kind in KINDS[answer["error"]["type"]]
            assert answer["error"]["details"] in ("", f"Node ID '#{results[0].node_id}'")
    assert len(refused) == {"0.3.64": 12, "0.33.0": 11}[version]


NODE_IDS = st.sampled_from([*(str(number) for number in range(1, 11)), "reference_1", "77", ""])
LIKELY = st.sampled_from(
    [
        "5",
        "5.5",
        "",
        "many",
        "euler",
        0,
        -1,
        8,
        2**64,
        0.5,
        "1e3",
        "inf",
        float("inf"),
        True,
        None,
        {"__value__": 7},
        {},
    ]
)


def only_the_server_can_check(made: Any, files: frozenset[str]) -> bool:
    """Return whether a loader names no file or one in a subfolder, which its class's choices cannot answer."""
    for node in made.values():
        if isinstance(node, dict) and node.get("class_type") in LOADERS and isinstance(node.get("inputs"), dict):
            file = node["inputs"].get(LOADERS[node["class_type"]], "")
            if not isinstance(file, str | list) or (isinstance(file, str) and set(file) & set("/\\[")):
                return not isinstance(file, str) or file not in files
    return False


def damage(made: Any, node_id: str, data: st.DataObject) -> None:
    node = made[node_id]
    inputs = node.get("inputs", {})
    names = [*inputs, "text", "image"] if isinstance(inputs, dict) else []
    match data.draw(st.sampled_from(["value", "link", "drop", "class", "node", "output", "inputs"])):
        case "value" if names:
            inputs[data.draw(st.sampled_from(names))] = data.draw(LIKELY | JSON)
        case "link" if names:
            ids = NODE_IDS | st.sampled_from(sorted(made))
            inputs[data.draw(st.sampled_from(names))] = [data.draw(ids), data.draw(st.integers(-4, 4))]
        case "drop" if inputs:
            del inputs[data.draw(st.sampled_from(sorted(inputs)))]
        case "class":
            node["class_type"] = data.draw(st.sampled_from(["VAEDecode", "SaveImage", "PreviewImage", "NoSuchNode"]))
        case "node":
            del made[node_id]
        case "output":
            made["end"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": [node_id, 0]}}
        case "inputs":
            node.pop("inputs", None)


@every_version
@pytest.mark.parametrize("served", [host, furnished], ids=["recorded graphs", "templates"])
@settings(PATIENT, max_examples=200)
@given(changes=st.integers(0, 3), data=st.data())
def test_a_graph_has_findings_if_and_only_if_it_would_be_refused(
    served: Callable[[VersionName], Host], version: VersionName, changes: int, data: st.DataObject
) -> None:
    server = served(version)
    made = copied(data.draw(st.sampled_from(server.bases)))
    for _ in range(changes):
        if made:
            damage(made, data.draw(st.sampled_from(sorted(made))), data)
    # No server looks at a link in place of a dynamic combo's value, nor at what lies behind it.
    found = findings(made, server.classes)
    judged = all(each.kind != "not_checked" for each in found)
    if judged and not only_the_server_can_check(made, server.files):
        assert (server.refusals(made, found) == []) is server.accepts(made)


def test_the_templates_that_a_furnished_server_accepts_are_many() -> None:
    assert {version: len(furnished(version).bases) for version in VERSIONS} == {"0.3.64": 101, "0.33.0": 359}


def values_for(rule: Any) -> st.SearchStrategy[Any]:
    kind, settings = rule[0], rule[1] if len(rule) > 1 else {}
    near = [each for each in (settings.get("min"), settings.get("max"), settings.get("default")) if each is not None]
    near += [each + step for each in near if isinstance(each, int | float) for step in (-1, 1, 0.5)]
    near += kind[:3] if isinstance(kind, list) else []
    near += [each["key"] if isinstance(each, dict) else each for each in list(settings.get("options") or [])[:3]]
    near += [f"{each}" for each in near]
    return st.sampled_from(near) | LIKELY if near else LIKELY


@cache
def inputs_of(version: VersionName) -> st.SearchStrategy[Input]:
    """Draw inputs whose choices the server describes; what an uploaded file is only the class can tell."""
    found = [
        (name, section, key)
        for name, described in host(version).info.items()
        for section in ("required", "optional")
        for key, rule in described["input"].get(section, {}).items()
        if name != "CustomCombo" and (len(rule) == 1 or not DESCRIBED_ELSEWHERE & rule[1].keys())
    ]
    return st.sampled_from(found)


@cache
def classes_named(version: VersionName) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(host(version).info))


def lone(info: dict[str, Any], chosen: Input, **more: Any) -> dict[str, Any]:
    """Return a class that has but one of its inputs."""
    name, section, key = chosen
    one = {"input": {section: {key: info[name]["input"][section][key]}}, "input_order": {section: [key]}}
    return copied(info[name]) | one | {"output_node": True} | more


def alone(server: Host, info: dict[str, Any]) -> Host:
    return replace(server, info=info, classes=EveryClass(classes_of(info)))


@every_version
@settings(PATIENT, max_examples=500)
@given(data=st.data())
def test_any_value_of_any_input_gets_the_servers_verdict(version: VersionName, data: st.DataObject) -> None:
    full = host(version)
    chosen = data.draw(inputs_of(version))
    name, section, key = chosen
    value = data.draw(values_for(full.info[name]["input"][section][key]))
    server = alone(full, {name: lone(full.info, chosen)})
    made: Graph = {"1": {"class_type": name, "inputs": {key: value}}}
    verdict, results = server.verdict(made), server.refusals(made)
    assert {each.node_id for each in results} == set(verdict.node_errors)
    if results:
        assert results[0].kind in KINDS[verdict.node_errors["1"]["errors"][0]["type"]]


@every_version
@settings(PATIENT, max_examples=500)
@given(data=st.data(), index=st.integers(-3, 3))
def test_any_link_between_two_classes_gets_the_servers_verdict(
    version: VersionName, data: st.DataObject, index: int
) -> None:
    full = host(version)
    source, chosen = data.draw(classes_named(version)), data.draw(inputs_of(version))
    made_by = full.info[source] | {"input": {}, "input_order": {}, "output_node": False}
    server = alone(full, {"Made": made_by, "Taken": lone(full.info, chosen)})
    made: Graph = {
        "1": {"class_type": "Made", "inputs": {}},
        "2": {"class_type": "Taken", "inputs": {chosen[2]: ["1", index]}},
    }
    assert {each.node_id for each in server.refusals(made)} == set(server.verdict(made).node_errors)


@every_version
@PATIENT
@given(data=st.data())
def test_a_checker_that_has_seen_other_graphs_finds_the_same(version: VersionName, data: st.DataObject) -> None:
    server = host(version)
    base = data.draw(st.sampled_from(server.bases))
    checker, made = Checker(server.classes), copied(base)
    for _ in range(4):
        assert checker.findings(made) == findings(made, server.classes)
        made = copied(data.draw(st.sampled_from([base, made])))
        if made:
            damage(made, data.draw(st.sampled_from(sorted(made))), data)


@every_version
def test_templates_lack_only_models_and_files_where_a_server_says_so(version: VersionName) -> None:
    server = host(version)
    for graph in furnished(version).bases:
        results = server.refusals(graph)
        assert {each.kind for each in results} <= {"missing_model", "missing_file"}
        wanted = {
            (node_id, error["extra_info"]["input_name"])
            for node_id, node in server.verdict(graph).node_errors.items()
            for error in node["errors"]
            if error["type"] != "custom_validation_failed" or not set(error["details"]) & set("/\\[")
        }
        assert {(each.node_id, each.input) for each in results} == wanted
