import gc
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.shots import Notation, Shot, ShotList, read_shot_list
from tests.previs.shots.drawn import UPSTREAM, json_values, lists, texts

Source = bytes | str | Mapping[str, Any] | Sequence[Any]
NOTATIONS: tuple[Notation | None, ...] = ("json", "yaml", "csv", None)

REPORT = """
the list, fps: 0: frames per second, a number above 0 and at most 1000, such as 24
shot 1 (shot_id SH010), prompt: " ": what the camera sees, as text that is not blank; or a description
shot 1 (shot_id SH010), duration: NaN: seconds, a number above 0 and at most 86400, such as 3.0
shot 1 (shot_id SH010), seed: -2: a whole number from 0 to 18446744073709551615, or -1 or empty to derive it
shot 1 (shot_id SH010), takes: 0: a whole number from 1 to 1000
shot 1 (shot_id SH010), colour: Infinity: a JSON value: text, finite numbers, booleans, null, lists and objects
shot 2 (shot_id 1), prompt: missing; give what the camera sees, as text that is not blank; or a description
shot 2 (shot_id 1), duration: true: seconds, a number above 0 and at most 86400, such as 3.0
shot 3 (shot_id 1), shot_id: "1": shot 2 (shot_id 1) has the same: each shot needs its own (1 and "1" are the same)
shot 3 (shot_id 1), reference 2, url: "": a path or URL on one line, not blank, such as references/a.jpg
shot 3 (shot_id 1), reference 2, reference_id: "r": reference 1 has the same: each reference of a shot needs its own
shot 3 (shot_id 1), reference 2, strength: 11: a number from 0 to 10, such as 0.8
shot 3 (shot_id 1), reference 3, url: missing; give a path or URL on one line, not blank, such as references/a.jpg
shot 3 (shot_id 1), reference 3, reference_id: missing; give text on one line, not blank, such as ref_1
shot 3 (shot_id 1), duration: "soon": seconds, a number above 0 and at most 86400, such as 3.0
shot 4: 5: an object with shot_id, prompt and duration
"""


def faults(source: Source, name: str = "the shot list") -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(source, name=name)
    assert all(fault.remedy for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("around", [lambda shot: shot, lambda shot: [shot], lambda shot: {"shots": [shot]}])
@pytest.mark.parametrize(
    "written",
    [
        lambda values: values,
        json.dumps,
        lambda values: json.dumps(values, ensure_ascii=False).encode("utf-8-sig"),
        lambda values: json.dumps(values, ensure_ascii=False).encode("utf-16"),
        lambda values: json.dumps(values, ensure_ascii=False).encode("utf-32"),
        lambda values: yaml.safe_dump(values, allow_unicode=True).encode(),
        str,
    ],
)
def test_an_upstream_shot_is_accepted_in_every_notation(
    around: Callable[[Any], Any], written: Callable[[Any], Any]
) -> None:
    made = read_shot_list(written(around(UPSTREAM)))
    assert [shot.given() for shot in made.shots] == [UPSTREAM]


@given(lists)
def test_any_valid_list_survives_json_and_yaml(values: dict[str, Any]) -> None:
    made = read_shot_list(values)
    assert read_shot_list(made.model_dump_json(), name="a.json") == made
    assert read_shot_list(json.dumps(values), name="a.json") == made
    assert read_shot_list(made.given()) == made
    assert read_shot_list(yaml.safe_dump(made.model_dump(mode="json")), name="a.yml") == made


@given(st.binary(max_size=200) | st.text(max_size=100), st.sampled_from(NOTATIONS))
@example(b"\xff\xfe\x00", None)
@example("\ud800", "yaml")
@example("[" * 100_000, "json")
@example("[" * 100_000, "yaml")
@example("- " * 100_000, "yaml")
@example('{"shots": ' + "9" * 5000 + "}", "json")
@example("shots: " + "9" * 5000, "yaml")
@example("? {a: b}\n: c", "yaml")
@example("&a [*a]", "yaml")
@example("{<<: 3}", "yaml")
@example("!!int x", "yaml")
@example('"' + "x" * 200_000 + '"', "csv")
@example(b"a\x00b,prompt\n\x00", "csv")
def test_any_input_gives_a_list_or_faults(source: bytes | str, media: Notation | None) -> None:
    # In the midst of deep nesting, what other tests left to the collector could not be ended.
    gc.disable()
    try:
        made = read_shot_list(source, media=media)
    except ShotListFaults as error:
        assert str(error).encode()  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(made, ShotList)
    finally:
        gc.enable()


@given(st.dictionaries(st.sampled_from(["shots", "title", "fps", "shot_id", "prompt"]) | texts, json_values))
def test_any_json_gives_a_list_or_faults(values: dict[str, Any]) -> None:
    try:
        read_shot_list(json.dumps(values), media="json")
    except ShotListFaults as error:
        str(error).encode()


def test_every_fault_is_reported_with_place_field_value_and_remedy() -> None:
    source = """{"fps": 0, "shots": [
      {"shot_id": "SH010", "prompt": " ", "duration": NaN, "seed": -2, "takes": 0, "colour": 1e999},
      {"shot_id": 1, "duration": true},
      {"shot_id": "1", "prompt": "x", "duration": "soon", "references": [
        {"url": "a.jpg", "reference_id": "r"}, {"url": "", "reference_id": "r", "strength": 11}, {}]},
      5]}"""
    assert faults(source, name="night.json") == REPORT.strip().splitlines()


def test_repeated_names_are_reported_even_without_other_faults() -> None:
    found = faults([{**UPSTREAM, "shot_id": shot_id} for shot_id in (7, "x", "7", 7)])
    assert [fault.split(":")[0] for fault in found] == ["shot 3 (shot_id 7), shot_id", "shot 4 (shot_id 7), shot_id"]


@pytest.mark.parametrize("source", [[], {"shots": []}, "[]", "shots: []"])
def test_an_empty_list_is_a_fault(source: Source) -> None:
    assert faults(source)[0].startswith("the list, shots: a list of 0: a list of at least one shot")


@pytest.mark.parametrize("source", ["", "   \n", "shots.yaml", "5", "null", b"\xef\xbb\xbf"])
def test_input_that_is_no_list_is_one_fault(source: Source) -> None:
    (found,) = faults(source)
    assert "a list of shots, or an object with shots, is needed" in found


def test_an_object_without_shots_is_a_fault() -> None:
    assert faults({"title": "x"})[0].startswith("the list, shots: missing; give a list")


def test_a_repeated_key_is_a_fault_of_its_shot() -> None:
    source = '[{"shot_id": 1, "prompt": "a", "prompt": "b", "duration": 1, "rig": {"dolly": 1, "dolly": 2}}]'
    assert faults(source) == [
        "shot 1 (shot_id 1), prompt: given more than once: give each field once",
        "shot 1 (shot_id 1), rig: given more than once: give each field once",
    ]


def test_parse_errors_give_line_and_column() -> None:
    assert faults('[\n  {"shot_id": 1,}\n]', name="a.json")[0].startswith("line 2, column 1")
    assert faults("a: b\n  c: d", name="a.yaml")[0].startswith("line 2, column 4")
    assert faults('{"a": "b\n"}')[0].startswith("line 1, column 9")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a: 城".encode("gb18030"), "line 1, byte 4 of the file: not UTF-8"),
        (b'{"a":\n"\xe9"}', "line 2, byte 8 of the file: not UTF-8"),
        (b"\xff\xfea", "line 1, byte 1 of the file: not UTF-16-LE"),
    ],
)
def test_invalid_unicode_is_reported_with_its_position(source: bytes, place: str) -> None:
    assert faults(source, name="a.yaml")[0].startswith(place)


@pytest.mark.parametrize("source", [b" " * 50_000_001, " " * 50_000_001])
def test_a_file_that_is_too_large_is_refused_before_parsing(source: Source) -> None:
    assert faults(source) == ["the file: too large: at most 50 MB are read: split the list"]


def test_the_suffix_of_a_path_or_url_decides_the_notation() -> None:
    sheet = "shot_id,prompt,duration\n1,x,2\n"
    assert read_shot_list(sheet, name="https://example.com/a.CSV?token=x.json#p").shots[0].shot_id == 1
    assert faults(sheet, name="a.json")[0].startswith("line 1, column 1")


def test_the_fault_report_names_its_source() -> None:
    with pytest.raises(ShotListFaults, match=r"^s3://films/night\.json has 1 fault:") as caught:
        read_shot_list("[1", name="s3://films/night.json")
    assert caught.value.source == "s3://films/night.json"


def test_python_values_of_any_mapping_and_sequence_are_read() -> None:
    made = read_shot_list((MappingProxyType({**UPSTREAM, "references": tuple(UPSTREAM["references"])}),))
    assert made.shots[0].given() == UPSTREAM
    assert read_shot_list(made.shots) == made


def test_python_values_that_json_cannot_hold_are_faults() -> None:
    assert faults([{**UPSTREAM, "filter": {1, 2}}])[0].startswith("shot 1 (shot_id 1), filter: a set: a JSON value")
    assert faults([{**UPSTREAM, 3: "x"}])[0].startswith("shot 1 (shot_id 1), 3:")
    endless: list[Any] = []
    endless.append(endless)
    assert "nested too deeply" in faults([{**UPSTREAM, "lens": endless}])[0]
    assert "more than 40 digits" in faults([{**UPSTREAM, "shot_id": 10**5000}])[0]


def test_long_values_are_shown_short() -> None:
    (found,) = faults([{**UPSTREAM, "shot_id": "x" * 5000}])
    assert len(found) < 250


@pytest.mark.parametrize("field", ["url", "reference_id", "strength", "role"])
def test_every_field_of_a_reference_has_a_remedy_of_its_own(field: str) -> None:
    found = faults([{**UPSTREAM, "references": [{"url": "a", "reference_id": "r", field: []}]}])[0]
    assert found.startswith(f"shot 1 (shot_id 1), reference 1, {field}: a list of 0: ")
    assert "a JSON value" not in found


@pytest.mark.parametrize("field", sorted(Shot.model_fields))
def test_every_field_of_a_shot_has_a_remedy_of_its_own(field: str) -> None:
    objects = {"overrides", "camera", "style", "characters", "locations"}
    wrong, shown = ([], "a list of 0") if field in objects else ({}, "an object")
    wrong, shown = (3, "3") if field == "passes" else (wrong, shown)
    found = faults([{**UPSTREAM, field: wrong}])[0]
    assert found.partition(", ")[2].startswith(f"{field}: {shown}: ")
    assert "a JSON value" not in found


def test_a_pdf_is_recognized() -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(b"%PDF-1.7\n%\xe2\xe3", name="script.pdf")
    assert str(caught.value.faults[0]) == "the file: a PDF: export the list as CSV, JSON or YAML and use that"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"INT. PIER - NIGHT\n\nFog.\n", "film.fountain"),
        (b"INT. PIER - NIGHT\n\nFog.\n", "https://studio.example/film.FOUNTAIN?version=2"),
        (b'<?xml version="1.0"?>\n<FinalDraft Version="5"><Content/></FinalDraft>', "film.fdx"),
        (b'<?xml version="1.0"?>\n<FinalDraft Version="5"><Content/></FinalDraft>', "film"),
    ],
)
def test_a_screenplay_is_no_list_and_the_error_says_how_to_use_it(source: bytes, name: str) -> None:
    with pytest.raises(ShotListFaults, match="this is a screenplay and no shot list: the flow script-to-shots"):
        read_shot_list(source, name=name)
