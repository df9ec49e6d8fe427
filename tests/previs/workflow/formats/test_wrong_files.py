"""Check the full messages for files that people give as a workflow by mistake."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from previs.comfyui.protocol.classes import read_class
from previs.errors import WorkflowFaults
from previs.workflow import open_workflow, read_workflow

EXPORT = 'in ComfyUI export the whole graph with "Export (API)" or "Save (API Format)"'
WEB_PAGE = (
    "the file: a web page, such as a login or error page, not JSON: open the URL in a browser and download the file"
)
NEEDS_SERVER = (
    "the workflow: saved in the format of ComfyUI's editor, which can be read only with a server's node classes: "
    "name a farm whose servers can be reached (previs bind … --farm URL); or open this graph in ComfyUI, "
    'use "Export (API)" (in older versions, enable the developer mode, then "Save (API Format)") and give that file'
)
CYCLE = "the graph: a cycle of links: these nodes depend on each other, which no server runs: "
KINDS = 'settings, {"checkpoint": …}, or a graph that ComfyUI saved or exported'
FRAGMENT = {"3": {"inputs": {"sampler_name": "euler_a", "seed": -1, "steps": 30, "cfg": 7.5, "scheduler": "normal"}}}
SEED = 'seed: -1: ComfyUI accepts 0 to 2^64-1: write "seed": 0 (each shot\'s seed replaces it)'
PIECE = (
    f"the graph: a fragment of a graph, in which no node links to another: {EXPORT}, "
    'or give settings instead: {"checkpoint": …, "sampler": …, "steps": …}'
)


def messages(source: bytes | dict[str, Any]) -> list[str]:
    """Return every fault of a file as text."""
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(source, name="look.json")
    head, *faults = str(caught.value).split("\n  - ")
    assert head == "look.json cannot be used:"
    return faults


def test_a_sampler_fragment_lists_every_change_that_it_needs() -> None:
    assert messages(FRAGMENT) == [
        f'node 3, class_type: missing: add "class_type": "KSampler" beside "inputs"; better, {EXPORT}',
        'node 3, sampler_name: "euler_a": another tool\'s name: write "sampler_name": "euler_ancestral"',
        f"node 3, {SEED}",
        PIECE,
    ]


def test_the_corrected_fragment_lacks_only_its_graph() -> None:
    changed = {"3": {"class_type": "KSampler", "inputs": FRAGMENT["3"]["inputs"] | {"seed": 0}}}
    changed["3"]["inputs"]["sampler_name"] = "euler_ancestral"  # type: ignore[index]
    assert messages(changed) == [PIECE]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (b"", "the file: empty: save or export the workflow again"),
        (b"\xef\xbb\xbf \n", "the file: empty: save or export the workflow again"),
        (
            lambda: b'{"1": "' + b"x" * 50_000_000 + b'"}',
            "the file: 50.0 MB: a workflow's JSON has at most 16 MB: is this the right file?",
        ),
        (
            lambda: b"[" + b"[]," * 5_000_000 + b"0]",
            "the file: about 10,000,001 values: a workflow has at most 200,000: is this the right file?",
        ),
        (
            b"[" * 150_000,
            "the file: not the JSON of a workflow: export it again",
        ),
        (
            b'{"1": {"class_type": "A", "inputs": {"x": ' + b"[" * 200 + b"]" * 200 + b"}}}",
            "the workflow: objects are nested without end: a workflow is at most 100 levels deep",
        ),
        (
            lambda: json.dumps({number: {"inputs": {}} for number in range(20_000)}).encode(),
            "the workflow: 20,000 nodes: a graph has at most 10,000: is this the right file?",
        ),
        (
            lambda: json.dumps(dict.fromkeys(range(100_000), 0)).encode(),
            f"the workflow: 100,000 keys: neither settings nor a graph: give {KINDS}",
        ),
        (
            json.dumps(FRAGMENT).encode("utf-16"),
            "the file: UTF-16: save the file as UTF-8 (Windows' PowerShell writes UTF-16 with >)",
        ),
        (
            json.dumps(FRAGMENT).encode("utf-16-be"),
            "the file: UTF-16: save the file as UTF-8 (Windows' PowerShell writes UTF-16 with >)",
        ),
        ('{"checkpoint": "é"}'.encode("latin-1"), "the file: byte 16: not UTF-8: save the file as UTF-8"),
        (
            json.dumps(FRAGMENT, indent=1).encode()[:60],
            "the file: line 5, column 4: the file is truncated: save, copy or download it again",
        ),
        (
            json.dumps(FRAGMENT).encode()[:-1],
            "the file: line 1, column 106: the file is truncated: save, copy or download it again",
        ),
        (
            b'{"1": {"class_type": "A" "inputs": {}}}',
            "the file: line 1, column 26: not JSON from here on: look for a missing comma, quote or bracket",
        ),
        (
            b'{"1": {"class_type": "A", "inputs": {}}, "1": {"inputs": {}}}',
            'the file: "1": this key occurs twice in one object: keep one of them',
        ),
        (
            b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
            WEB_PAGE.replace("the file: ", "the file: HTML, 63 bytes: "),
        ),
        (
            b"shot_id,prompt,duration\n1,a city,3\n",
            "the file: text, 35 bytes: not JSON: a workflow is a JSON file, or a picture or video that ComfyUI saved",
        ),
        (
            b'{"shots": [{"shot_id": 1, "prompt": "a city", "duration": 3}]}',
            f"the workflow: this is a shot list: pass it as the shots, and as the workflow {KINDS}",
        ),
        (
            b'[{"shot_id": 1, "prompt": "a city", "duration": 3}]',
            f"the workflow: this is a shot list: pass it as the shots, and as the workflow {KINDS}",
        ),
        (
            b'{"Comfy.Queue.MaxHistoryItems": 64, "Comfy.DevMode": true}',
            f"the workflow: these are the settings of ComfyUI's own editor: give {KINDS}",
        ),
        (b'"storyboard"', f"the workflow: a text: give {KINDS}"),
    ],
)
def test_a_file_that_is_no_workflow_is_recognized(source: bytes | Callable[[], bytes], fault: str) -> None:
    assert messages(source() if callable(source) else source) == [fault]


def test_links_in_a_cycle_are_reported_with_their_nodes(saved: dict[str, Any]) -> None:
    saved["5"]["inputs"]["width"] = ["8", 0]
    assert messages(saved) == [CYCLE + "node 3 (KSampler), node 8 (VAEDecode), node 5 (EmptyLatentImage)"]


def test_a_long_cycle_is_reported_by_some_of_its_nodes() -> None:
    circle = {
        str(number): {"class_type": "A", "inputs": {"x": [str((number + 1) % 3000), 0]}} for number in range(3000)
    }
    (fault,) = messages(circle)
    assert fault.endswith("node 2992 (A), node 2991 (A) and 2,990 more")


def test_each_link_to_a_missing_node_is_reported(saved: dict[str, Any]) -> None:
    saved["3"]["inputs"]["model"] = ["99", 0]
    saved["8"]["inputs"]["samples"] = ["3", -1]
    saved["9"]["_meta"] = {"title": "The frame"}
    saved["9"]["inputs"]["images"] = ["98", 0]
    assert messages(saved) == [
        f'node 3 (KSampler), model: ["99", 0]: the graph has no node 99: {EXPORT}',
        'node 8 (VAEDecode), samples: ["3", -1]: the second part of a link is an output number, from 0',
        f'node 9 (SaveImage "The frame"), images: ["98", 0]: the graph has no node 98: {EXPORT}',
    ]


def test_numeric_ids_are_reported_with_the_right_form(saved: dict[str, Any]) -> None:
    saved["3"]["inputs"]["seed"] = 1
    written = copy.deepcopy(saved)
    for node in written.values():
        links = {name: [int(value[0]), value[1]] for name, value in node["inputs"].items() if isinstance(value, list)}
        node["inputs"] |= links
    faults = messages(written)
    assert len(faults) == sum(isinstance(value, list) for node in saved.values() for value in node["inputs"].values())
    assert faults[0] == 'node 3 (KSampler), model: [4, 0]: write the node id of a link as text: ["4", 0]'


def test_a_graph_with_wrong_links_is_no_fragment() -> None:
    graph = {"1": {"class_type": "A", "inputs": {}}, "2": {"class_type": "B", "inputs": {"x": [1, 0]}}}
    assert messages(graph) == ['node 2 (B), x: [1, 0]: write the node id of a link as text: ["1", 0]']


def test_a_value_that_is_no_number_is_reported_at_its_node(saved: dict[str, Any]) -> None:
    source = json.dumps(saved).replace("7.5", "NaN").replace('"seed": -1', '"seed": 1').encode()
    assert messages(source) == ["node 3, inputs, cfg: NaN: not a finite number: give a finite one"]


def test_an_editors_file_without_a_server_says_what_it_needs() -> None:
    source = {"nodes": [{"id": 3, "type": "KSampler"}], "links": [], "version": 0.4}
    assert messages(source) == [NEEDS_SERVER]


def test_a_class_that_no_server_has_is_reported_with_its_pack(object_info: dict[str, Any]) -> None:
    lacking = {"id": 4, "type": "IPAdapterAdvanced", "properties": {"cnr_id": "comfyui_ipadapter_plus"}}
    source = {"nodes": [lacking, {"id": 5, "type": "SaveImage"}], "links": [], "version": 0.4}
    classes = {"IPAdapterAdvanced": None, "SaveImage": read_class("SaveImage", object_info["SaveImage"])}
    with pytest.raises(WorkflowFaults) as caught:
        open_workflow(source, name="look.json").read(classes)
    (fault,) = (fault for fault in caught.value.faults if "IPAdapterAdvanced" in str(fault))
    assert "comfyui_ipadapter_plus" in str(fault)
