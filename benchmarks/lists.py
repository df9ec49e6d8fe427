"""Measure the seconds and the memory to read the worst files of the largest size, as multiples of a floor."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial

from benchmarks.conversion import peak_mb
from benchmarks.rows import Row
from previs.errors import PrevisError
from previs.records.manifest import read_manifest
from previs.screenplay import make_shot_list, read_screenplay
from previs.shots import read_chains, read_shot_list
from previs.workflow import read_bindings, read_workflow
from previs.workflow.formats.editor.dynamic_prompts import resolve
from previs.workflow.prompt_syntax import unread_syntax

Read = Callable[[bytes], object]
Make = Callable[[int], bytes]

# Readers refuse longer files of these kinds before they read them.
_LARGEST = {"script": 2_000_000, "workflow": 16_000_000, "bindings": 100_000, "prompt": 10_000_000}
_MOST_TIMES, _MOST_TIMES_OF_SCRIPTS = 50.0, 1_000.0
_MOST_MB = 1_500.0
# Marks below and above the line: a normal form has them in another order.
_ACCENTS = "\u0301\u0323"


def _repeated(part: str, start: str = "", end: str = "") -> Make:
    """Return a maker of files that consist of one part, again and again."""
    return lambda size: (start + part * ((size - len(start + end)) // len(part.encode())) + end).encode()


def _numbered(part: str, start: str = "", end: str = "") -> Make:
    """Return a maker of files whose parts have a number each, 7 digits long."""
    length = len(part.format("0" * 7).encode())

    def make(size: int) -> bytes:
        count = (size - len(start + end)) // length
        return (start + "".join(part.format(f"{number:07}") for number in range(count)) + end).encode()

    return make


def _shot(field: str) -> str:
    return f'[{{"shot_id": 1, "prompt": "x", "duration": 1, {field}'


def _list(name: str) -> Read:
    return lambda content: read_chains(read_shot_list(content, name=name))


def _script(content: bytes) -> object:
    return make_shot_list(read_screenplay(content, "script.fountain"))


def _workflow(content: bytes) -> object:
    return read_workflow(content, name="workflow.json")


def _bindings(content: bytes) -> object:
    return read_bindings(content, name="workflow.bindings.yaml")


def _prompt(content: bytes) -> object:
    text = content.decode()
    return resolve(text), list(unread_syntax(text, None, ()))


def _reroutes(size: int) -> bytes:
    """Return a graph whose prompt passes through a chain of nodes, and whose switches look at its end."""
    graph: dict[str, object] = {
        "p": {"class_type": "CLIPTextEncode", "inputs": {"text": "a"}},
        "0": {"class_type": "Reroute", "inputs": {"value": ["p", 0]}},
    }
    last = min(size // 170, 4_900)
    for number in range(1, last):
        graph[str(number)] = {"class_type": "Reroute", "inputs": {"value": [str(number - 1), 0]}}
        choice = {"on_true": ["p", 0], "on_false": ["p", 0], "switch": [str(number), 0]}
        graph[f"s{number}"] = {"class_type": "Switch", "inputs": choice}
    sampler = {"seed": 1, "positive": [str(last - 1), 0], "negative": ["s1", 0]}
    graph["k"] = {"class_type": "KSampler", "inputs": sampler}
    graph["o"] = {"class_type": "SaveImage", "inputs": {"images": ["k", 0], "filename_prefix": "a"}}
    return json.dumps(graph).encode()


def _manifest(content: bytes) -> object:
    return read_manifest(content, name="manifest.json")


_HEADER = "shot_id,prompt,duration,references\n"
FILES: Mapping[str, tuple[Read, Make]] = {
    "JSON, repeated keys": (_list("a.json"), _repeated('"a":1,', _shot(""), '"a":1}]')),
    "JSON, empty shots": (_list("a.json"), _repeated("{},", "[", "{}]")),
    "JSON, empty references": (_list("a.json"), _repeated("{},", _shot('"references": ['), "{}]}]")),
    "JSON, brackets": (_list("a.json"), _repeated("[", "[", "")),
    "JSON, empty lists": (_list("a.json"), _repeated("[],", "[", "[]]")),
    "JSON, shots": (_list("a.json"), _numbered('{{"shot_id":"{0}","prompt":"p","duration":1}},', "[", "{}]")),
    "JSON, long shots": (
        _list("a.json"),
        _numbered('{{"shot_id":"{0}","prompt":"' + "a, b " * 100 + '","duration":1}},', "[", "{}]"),
    ),
    "JSON, chains": (
        _list("a.json"),
        _numbered(
            '{{"shot_id":"{0}","prompt":"p","duration":1,"references":[{{"url":"shot:{0}","reference_id":"a"}}]}},',
            "[",
            '{"shot_id":1,"prompt":"p","duration":1}]',
        ),
    ),
    "JSON, unknown shots": (
        _list("a.json"),
        _numbered(
            '{{"shot_id":"{0}","prompt":"p","duration":1,"references":[{{"url":"shot:{0}?","reference_id":"a"}}]}},',
            "[",
            '{"shot_id":1,"prompt":"p","duration":1}]',
        ),
    ),
    "JSON, one long text": (_list("a.json"), _repeated("x", _shot('"notes": "'), '"}]')),
    "JSON, accents": (
        _list("a.json"),
        _repeated(_ACCENTS, _shot('"references": [{"url": "a", "reference_id": "e'), '"}]}]'),
    ),
    "JSON, one long number": (_list("a.json"), _repeated("9", _shot('"seed": '), "}]")),
    "YAML, empty shots": (_list("a.yaml"), _repeated("- {}\n")),
    "YAML, shots": (_list("a.yaml"), _numbered("- {{shot_id: '{0}', prompt: p, duration: 1}}\n")),
    "YAML, repeated keys": (_list("a.yaml"), _repeated("  a: 1\n", "- shot_id: 1\n")),
    "YAML, aliases": (_list("a.yaml"), _repeated("*a,", "a: &a {b: c}\nshots: [", "*a]\n")),
    "YAML, merge keys": (_list("a.yaml"), _repeated("- <<: *a\n", "a: &a {b: c, d: e}\nshots:\n")),
    "YAML, brackets": (_list("a.yaml"), _repeated("[")),
    "YAML, one long text": (_list("a.yaml"), _repeated("long words\n  ", "- shot_id: 1\n  prompt: ", "\n")),
    "YAML, documents": (_list("a.yaml"), _repeated("---\n")),
    "YAML, tag directives": (_list("a.yaml"), _numbered("%TAG !a{0}! tag:\n", "", "--- a\n")),
    "YAML, anchors": (_list("a.yaml"), _numbered("- &a{0} a\n")),
    "CSV, columns": (_list("a.csv"), _repeated("a,", "shot_id,prompt,duration,")),
    "CSV, empty columns": (_list("a.csv"), _repeated(",", "shot_id,prompt,duration")),
    "CSV, blank rows": (_list("a.csv"), _repeated("\n", _HEADER)),
    "CSV, rows": (_list("a.csv"), _numbered("{0},p,1,a.jpg\n", _HEADER)),
    "CSV, short rows": (_list("a.csv"), _repeated("a\n", _HEADER)),
    "CSV, one cell": (_list("a.csv"), _repeated("x", _HEADER + '1,"', '",1,\n')),
    "CSV, references": (_list("a.csv"), _repeated("1,p,1," + "a;" * 500 + "\n", _HEADER)),
    "CSV, brackets in names": (_list("a.csv"), _repeated("(" * 100_000 + ",", "shot_id,prompt,duration,", "\n1,p,1\n")),
    "CSV, spaces in numbers": (_list("a.csv"), _repeated("1,p,1" + " " * 100_000 + "x,\n", _HEADER)),
    "CSV, accents": (_list("a.csv"), _repeated("1,p,1" + _ACCENTS * 20_000 + ",\n", _HEADER)),
    "CSV, not UTF-8": (_list("a.csv"), lambda size: _HEADER.encode() + b"\xb0\xa1" * (size // 2)),
    "script, notes": (_script, _repeated("[[a]]\n", "INT. A - DAY\n\n")),
    "script, scenes": (_script, _repeated(".A\n\n")),
    "script, shots": (_script, _repeated("A.\n\n[[shot]]\n\n", ".A\n\n")),
    "script, manners": (_script, _numbered("BOB\n(a{0})\nHello.\n\n", ".A\n\n")),
    "script, characters": (_script, _numbered("[[character: A{0}=b]]\n\nA{0}.\n\n[[shot]]\n\n", ".A\n\n")),
    "script, accents": (_script, _repeated(_ACCENTS, ".A\n\n[[reference: a as e", "]]\n\nA.\n")),
    "script, open notes": (_script, _repeated("[[\n\n", ".A\n\n")),
    "workflow, long key": (
        _workflow,
        lambda size: json.dumps(
            {"1": {"class_type": "A", "inputs": {"k" * (size // 2): ["a"] * min(size // 40, 190_000)}}}
        ).encode(),
    ),
    "workflow, nodes": (_workflow, _numbered('"{0}":{{"class_type":"A","inputs":{{}}}},', "{", '"a":1}')),
    "workflow, brackets": (_workflow, _repeated("[")),
    "workflow, class name": (_workflow, _repeated("lora", '{"1": {"class_type": "', '", "inputs": {"text": "a"}}}')),
    "workflow, reroutes": (_workflow, _reroutes),
    "prompt, open choices": (_prompt, _repeated("{")),
    "prompt, escapes in open choices": (_prompt, lambda size: b"{" * (size // 2) + b"\\a" * (size // 4)),
    "prompt, open comments": (_prompt, _repeated("/*")),
    "prompt, wildcards": (_prompt, _repeated(" __a")),
    "bindings": (_bindings, _repeated("[", "schema: previs.bindings/1\nprompt: ")),
    "manifest, empty shots": (_manifest, _repeated("{},", '{"shots": [', "{}]}")),
    "manifest, brackets": (_manifest, _repeated("[")),
}


async def lists(name: str, size: int) -> Row:
    """Read a file of a kind in a process of its own; the floor is ``json.loads`` of as many bytes of shots.

    Args:
        name: Key in :data:`FILES`.
        size: Bytes.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        figures = await asyncio.get_running_loop().run_in_executor(fresh, partial(_in_fresh_process, name, size))
    most = _MOST_TIMES_OF_SCRIPTS if name.startswith("script") else _MOST_TIMES
    goal = f"at most {most:g} times the floor, and {_MOST_MB:g} MB"
    return Row(figures, goal, figures["times_floor"] <= most and figures["peak_mb"] <= _MOST_MB)


def _in_fresh_process(name: str, size: int) -> dict[str, float]:
    read, make = FILES[name]
    content = make(min(size, _LARGEST.get(name.partition(",")[0], size)))
    before, start = peak_mb(), time.process_time()
    with suppress(PrevisError):
        read(content)
    seconds, peak = time.process_time() - start, peak_mb()
    floor_size = max(len(content), 1_000_000)
    plain = _numbered('{{"shot_id":"{0}","prompt":"p","duration":1}},', "[", "{}]")(floor_size)
    start = time.process_time()
    json.loads(plain)
    floor = time.process_time() - start
    return {
        "mb": round(len(content) / 1e6, 1),
        "seconds": round(seconds, 2),
        "times_floor": round(seconds / floor, 1),
        "peak_mb": round(peak, 1),
        "peak_mb_before": round(before, 1),
    }
