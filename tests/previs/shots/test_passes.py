"""Check that passes are read in each form that people write, and that nothing of them is accepted in silence."""

from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_look, read_shot_list, unused_fields, with_looks
from previs.shots.to_sheet import write_csv, write_xlsx

SHOT = {"shot_id": "SH010", "prompt": "a lamp", "duration": 2}


def list_with(passes: Any, **fields: Any) -> ShotList:
    return read_shot_list({"shots": [SHOT | {"passes": passes}], **fields}, name="the list")


def names(shot_list: ShotList) -> list[list[tuple[str, str]]]:
    return [[(each.name, each.workflow) for each in shot.passes or ()] for shot in shot_list.shots]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("finish", [("finish", "finish")]),
        ("finish, cards/film.json", [("finish", "finish"), ("film", "cards/film.json")]),
        ("精修；成片", [("精修", "精修"), ("成片", "成片")]),
        (["s3://films/up.v2.json"], [("up", "s3://films/up.v2.json")]),
        (["https://example.com/a/film.json?part=1"], [("film", "https://example.com/a/film.json?part=1")]),
        ({"finish": "a.json", "film": {"workflow": "b.json"}}, [("finish", "a.json"), ("film", "b.json")]),
        ({"workflow": "a/b.json"}, [("b", "a/b.json")]),
        ([{"name": "film", "workflow": "b.json"}], [("film", "b.json")]),
        ([], []),
    ],
)
def test_passes_are_names_paths_or_objects(given: Any, read: list[tuple[str, str]]) -> None:
    assert names(list_with(given)) == [read]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([{"worklow": "a.json", "name": "a"}], "passes[0].worklow: not a field: did you mean workflow?"),
        ({"film": {"workflow": "a.json", "promt": "b"}}, "passes.film.promt: not a field: did you mean prompt?"),
        ([{"name": "a"}], "passes[0].workflow: missing; give a path or URL of a workflow"),
        (["a.json", "A.json"], "passes: a list of 2: up to 10 names"),
        ([{"name": "take 2", "workflow": "a.json"}], "passes: a list of 1: up to 10 names"),
        ([{"name": "x · take 1", "workflow": "a.json"}], "passes: a list of 1: up to 10 names"),
        ([f"{n}.json" for n in range(11)], "passes: a list of 11: up to 10 names"),
        ([{"workflow": "a.json", "with_references": "yes"}], 'passes[0].with_references: "yes": true or false'),
        ([{"workflow": "a.json", "strength": 11}], "passes[0].strength: 11: a number from 0 to 10"),
        (7, "passes: 7: up to 10 names"),
    ],
)
def test_a_wrong_pass_is_a_fault_with_its_path(given: Any, fault: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        list_with(given)
    assert f"shot 1 (shot_id SH010), {fault}" in str(caught.value)


def test_an_unknown_field_of_a_pass_is_said() -> None:
    made = list_with([{"workflow": "a.json", "colour": "red"}])
    assert unused_fields(made) == ("kept, not used: fields of shots: passes[0].colour",)


def test_the_nearest_passes_win_as_a_whole() -> None:
    given = {
        "passes": ["finish.json"],
        "sequences": {"SQ1": {"passes": ["film.json", "up.json"]}},
        "shots": [
            SHOT,
            SHOT | {"shot_id": 2, "sequence": "SQ1"},
            SHOT | {"shot_id": 3, "sequence": "SQ1", "passes": ["own.json"]},
            SHOT | {"shot_id": 4, "passes": []},
        ],
    }
    look, _ = read_look(b"passes: [look.json]\nsequences: {SQ2: {passes: [two.json]}}", name="a.look.yaml")
    made = with_looks(read_shot_list(given, name="the list"), "the list", [look])
    assert names(made) == [
        [("finish", "finish.json")],
        [("film", "film.json"), ("up", "up.json")],
        [("own", "own.json")],
        [],
    ]
    assert made.looks["sequence SQ1"]["passes"] == [
        {"name": "film", "workflow": "film.json"},
        {"name": "up", "workflow": "up.json"},
    ]
    without = with_looks(read_shot_list([SHOT], name="the list"), "the list", [look])
    assert names(without) == [[("look", "look.json")]]


def test_a_workflow_that_only_a_pass_uses_counts_as_used() -> None:
    given = {"workflows": {"finish": "a.json", "other": "b.json"}, "shots": [SHOT | {"passes": "finish"}]}
    assert read_shot_list(given, name="x").notices == ("no shot uses: workflow other",)


def test_passes_are_a_column_of_a_sheet_and_survive_ours() -> None:
    sheet = "镜号,提示词,时长,工序\nA,灯,2,finish、film.json\n".encode()
    assert names(read_shot_list(sheet, name="a.csv")) == [[("finish", "finish"), ("film", "film.json")]]
    made = list_with([{"workflow": "film.json", "role": "first frame", "overrides": {"3.steps": 4}}])
    assert read_shot_list(write_csv(made, "a.csv"), name="a.csv").given()["shots"] == made.given()["shots"]
    assert read_shot_list(write_xlsx(made, "a.xlsx"), name="a.xlsx").given() == made.given()


def test_the_prompt_of_a_pass_mentions_characters_as_a_shot_does() -> None:
    passes = [{"name": "film", "workflow": "film.json", "prompt": "push in on @mei"}]
    given = {"characters": {"MEI": "a girl in red"}, "style": "ink", "shots": [SHOT | {"passes": passes}]}
    [made] = read_shot_list(given, name="x").shots
    assert made.passes is not None
    assert (made.passes[0].prompt, made.uses[0]) == ("push in on a girl in red", "MEI")
    assert made.given()["passes"] == passes
    with pytest.raises(ShotListFaults, match=r"passes, film: @mie: no character .* did you mean @MEI\?"):
        read_shot_list(given | {"shots": [SHOT | {"passes": [passes[0] | {"prompt": "on @mie"}]}]}, name="x")
    alone = read_shot_list({"shots": [SHOT | {"passes": passes}]}, name="x")
    assert "the model gets these as words: @mei" in alone.notices[0]
