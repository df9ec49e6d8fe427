"""A document that is no list, workflow, bindings file or script is told by its kind and length: nothing is quoted."""

import asyncio
import json
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from previs.comfyui.protocol.classes import read_class
from previs.errors import PrevisError, ShotListFaults
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.pictures import upright_png_or_jpeg
from previs.screenplay import read_screenplay
from previs.shots import read_shot_list
from previs.simulator.catalog import bundled
from previs.workflow import open_workflow, read_bindings

SECRET = "wJalrXUtnFEMI"  # noqa: S105 - opens nothing
PUBLIC = "AKIAIOSFODNN7"
KEYS = {"AccessKeyId": PUBLIC, "SecretAccessKey": SECRET, "Token": SECRET * 9}
DOCUMENTS = {
    "JSON of an object": json.dumps(KEYS),
    "JSON of a list": json.dumps([KEYS, KEYS]),
    "JSON of a text": json.dumps(SECRET),
    "JSON in JSON": json.dumps({"value": json.dumps(KEYS)}),
    "JSON that is cut": json.dumps(KEYS)[:-3],
    "JSON with a key twice": f'{{"{SECRET}": 1, "{SECRET}": 2}}',
    "JSON with more": json.dumps(KEYS) + SECRET,
    "JSON with inputs": json.dumps({"a": {"inputs": KEYS, "name": SECRET}}),
    "JSON with a prompt": json.dumps([{"prompt": SECRET, "user": PUBLIC}]),
    "JSON with a duration": json.dumps({"duration": PUBLIC, "Token": SECRET}),
    "JSON with a width": json.dumps({"width": PUBLIC, "Token": SECRET}),
    "JSON with a schema": json.dumps({"schema": SECRET, "seed": PUBLIC, SECRET: 1}),
    "JSON with nodes": json.dumps({"nodes": [{"type": SECRET, "id": PUBLIC}]}),
    "YAML": "".join(f"{key}: {value}\n" for key, value in KEYS.items()),
    "YAML that is not valid": f"a: [{SECRET}\nb: '{PUBLIC}\n",
    "YAML with a tag": f"a: !{SECRET} {PUBLIC}",
    "YAML with an alias": f"a: *{SECRET}",
    "YAML with an alias as key": f"{PUBLIC}: &{SECRET} x\n*{SECRET} : y",
    "YAML with a key twice": f"{SECRET}: 1\n{SECRET}: 2\n",
    "CSV": f"AccessKeyId,SecretAccessKey\n{PUBLIC},{SECRET},{SECRET}\n",
    "CSV with an id": f"id,SecretAccessKey\n{PUBLIC},{SECRET},{SECRET}\n",
    "CSV that is not valid": f'"AccessKeyId,{SECRET}\n{PUBLIC},"{SECRET}" {SECRET}\n',
    "accounts": f"root:{SECRET}:0:0:root:/root:/bin/bash\n{PUBLIC}:x:1:1:::\n",
    "HTML": f"<!DOCTYPE html><html><title>{SECRET}</title><p>{PUBLIC}: *x</p></html>",
    "XML": f"<?xml version='1.0'?><Error><Key>{SECRET}</Key><Id>{PUBLIC}</Id></Error>",
    "names alone": f"{SECRET}\n{PUBLIC}\n",
    "settings of a shell": f"export SECRET={SECRET}\nexport PUBLIC={PUBLIC}\n",
    "a script's title page": f"Title: {PUBLIC}\nfps: {SECRET}\nstyle: {SECRET * 300}\n",
    "a script's note": f"[[seed: {SECRET}]]\n{PUBLIC}\n",
}
CLASSES = {name: read_class(name, described) for name, described in bundled().items()}
READERS: dict[str, Callable[[bytes, str], object]] = {
    "list.json": lambda content, name: read_shot_list(content, name=name),
    "list.yaml": lambda content, name: read_shot_list(content, name=name),
    "list.csv": lambda content, name: read_shot_list(content, name=name),
    "list": lambda content, name: read_shot_list(content, name=name),
    "workflow.json": lambda content, name: open_workflow(content, name=name).read(CLASSES),
    "look.bindings.yaml": lambda content, name: read_bindings(content, name=name),
    "script.fountain": read_screenplay,
    "reference.png": lambda content, name: upright_png_or_jpeg(content, uri=name),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_was_not_asked_for_is_not_quoted(kind: str, reader: str) -> None:
    for content in (DOCUMENTS[kind].encode(), DOCUMENTS[kind].encode("latin-1") + b"\xff"):
        with pytest.raises(PrevisError) as caught:
            READERS[reader](content, reader)
        for text in (repr(caught.value.args), "".join(traceback.format_exception(caught.value))):
            assert SECRET not in text
            assert PUBLIC not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<html><body>Sign in</body></html>", "the file: HTML, 33 bytes: this is no shot list: "),
        ('{"a": 1, "b": 2, "c": 3}', "the file: JSON, 24 bytes, an object of 3 members: this is no shot list: "),
        ("[1, 2]", "the file: JSON, 6 bytes, a list of 2: this is no shot list: "),
        ("id,name\n1,x\n", "the file: text, 12 bytes"),
        ("", "the file: empty: this is no shot list: "),
    ],
)
def test_what_is_no_list_is_told_by_its_kind_and_length(content: str, told: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(content.encode(), name="list")
    assert told in str(caught.value)


def test_a_value_of_a_list_is_quoted_to_60_characters() -> None:
    content = [{"shot_id": 1, "prompt": "a", "duration": "x" * 500}]
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(json.dumps(content).encode(), name="list.json")
    assert "x" * 50 in str(caught.value)
    assert "x" * 60 not in str(caught.value)


async def test_what_the_names_of_a_list_lead_to_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(DOCUMENTS["JSON of an object"], "utf-8")
    shots = [
        {
            "shot_id": 1,
            "prompt": "a",
            "duration": 1,
            "references": [{"url": "credentials", "reference_id": "r"}],
        }
    ]
    (tmp_path / "list.json").write_text(json.dumps(shots), "utf-8")

    async def no_server(_: object, *, needed: bool) -> dict[str, object]:
        await asyncio.sleep(0)
        assert not needed
        return {}

    async with SourceReader() as reader:
        with pytest.raises(ShotListFaults, match="it is JSON, 198 bytes; a PNG or JPEG is needed") as caught:
            await load_inputs(str(tmp_path / "list.json"), {"checkpoint": "a"}, reader, None, no_server)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
