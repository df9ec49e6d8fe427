"""Test styles, casts, locations, sequences and look files."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.shots import Shot, ShotList, read_look, read_shot_list, unused_fields, with_looks
from previs.shots.mentions import Mentionable

MEI = {"prompt": "a girl of ten", "references": ["mei.jpg", {"url": "coat.jpg", "strength": 0.5}]}
TOM = {"prompt": "a tall man", "overrides": {"4.lora": "tom.safetensors"}}
CAST = {"MEI": MEI, "TOM": TOM, "小美": "红衣女孩"}
OTHERS = {"MIA": "Mia"}


def read(*shots: dict[str, Any], **fields: Any) -> ShotList:
    rain = {"prompt": "rain"}
    numbered = [
        {"shot_id": number, "duration": 1} | ({} if "description" in shot else rain) | shot
        for number, shot in enumerate(shots, 1)
    ]
    return read_shot_list(fields | {"shots": numbered})


def one(shot: dict[str, Any], **fields: Any) -> Shot:
    return read(shot, **fields).shots[0]


def faults(*shots: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read(*shots, **fields)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        ("@MEI runs", "a girl of ten runs"),
        ("@mei's coat", "a girl of ten's coat"),
        ("@tom and @mIa", "a tall man and Mia"),
        ("x@@MEI", "x@MEI"),
        ("@MEI looks at @TOM. @MEI smiles", "MEI (a girl of ten) looks at a tall man. MEI smiles"),
        ("@小美走过@pier", "红衣女孩走过a wooden pier"),
        ("小美和@MEI在雨里", "小美和a girl of ten在雨里"),
        ("mail mei@MEI.com, 24 @ 25, @@MEI", "mail mei@MEI.com, 24 @ 25, @MEI"),
    ],
)
def test_a_prompt_mentions_characters_and_locations(prompt: str, made: str) -> None:
    assert one({"prompt": prompt}, characters=CAST | OTHERS, locations={"pier": "a wooden pier"}).prompt == made


def test_a_cast_and_a_location_stand_behind_the_prompt_and_before_the_style() -> None:
    style = {"before": "film still", "after": "watercolour", "negative_prompt": "text"}
    fields = {"characters": CAST, "locations": {"Pier": "a wooden pier"}, "style": style}
    shot = one({"prompt": "@MEI runs.", "cast": "TOM, MEI", "location": "pier"}, **fields)
    assert shot.prompt == "film still, a girl of ten runs, TOM: a tall man, a wooden pier, watercolour"
    assert shot.negative_prompt == "text"
    assert [(each.reference_id, each.url) for each in shot.references] == [("MEI", "mei.jpg"), ("MEI 2", "coat.jpg")]
    assert shot.overrides == TOM["overrides"]
    assert shot.uses == ("MEI", "TOM", "Pier", "the style")
    chinese = one({"prompt": "雨夜。", "cast": ["小美"]}, characters=CAST, style="水墨")
    assert chinese.prompt == "雨夜，小美：红衣女孩，水墨"
    made = one({"description": "@MEI runs", "camera": "CU"}, characters=CAST)
    assert made.prompt == "close-up, a girl of ten runs"


def test_the_nearest_wins() -> None:
    shots = [{"sequence": "SQ1"}, {"sequence": "sq1", "width": 64, "style": {"after": "own"}, "overrides": {"a.b": 3}}]
    sequence = {
        "style": {"after": "oil"},
        "width": 512,
        "workflow": "b.json",
        "overrides": {"a.b": 2, "a.c": 2},
        "characters": {"MEI": {"prompt": "MEI in armour"}},
    }
    whole = read(
        *({"prompt": "@MEI"} | shot for shot in (*shots, {"workflow": "c.json", "negative_prompt": ""})),
        style={"before": "film", "after": "ink", "negative_prompt": "text"},
        characters=CAST,
        sequences={"SQ1": sequence},
        workflow="a.json",
        width=128,
        height=256,
        takes=2,
        overrides={"a.b": 1, "a.d": 1},
    )
    first, second, third = whole.shots
    assert [shot.prompt for shot in whole.shots] == [
        "film, MEI in armour, oil",
        "film, MEI in armour, own",
        "film, a girl of ten, ink",
    ]
    assert [(shot.width, shot.height, shot.takes) for shot in whole.shots] == [
        (512, 256, 2),
        (64, 256, 2),
        (128, 256, 2),
    ]
    assert [shot.workflow for shot in whole.shots] == ["b.json", "b.json", "c.json"]
    assert first.overrides == {"a.b": 2, "a.c": 2, "a.d": 1}
    assert second.overrides["a.b"] == 3
    assert [each.reference_id for each in first.references] == ["MEI", "MEI 2"]
    assert third.negative_prompt == ""
    assert first.uses == ("MEI", "the style", "sequence SQ1", "workflow b.json")


def test_an_unknown_name_is_a_fault_and_without_any_names_a_notice() -> None:
    slip, other = faults({"prompt": "@MIE and @nobody"}, characters=CAST)
    start, sign = "no character or location has this name", "@@ stands for the sign itself"
    assert slip == f"shot 1 (shot_id 1), prompt: @MIE: {start}; did you mean @MEI? {sign}"
    assert other == f"shot 1 (shot_id 1), prompt: @nobody: {start}; there are MEI, TOM, 小美. {sign}"
    alone = read({"prompt": "by @artist"})
    assert alone.shots[0].prompt == "by @artist"
    assert alone.notices == ("the list has no characters or locations, so the model gets these as words: @artist",)


def test_what_nothing_describes_or_uses_is_said() -> None:
    whole = read({"cast": ["MEI", "BOB"]}, characters=CAST, sequences={"SQ9": {"width": 8}}, workflows={"a": "a.json"})
    assert whole.notices == ("cast without a look: BOB", "no shot uses: TOM, 小美, sequence SQ9, workflow a")
    assert read({"cast": ["BOB"], "location": "pier"}).notices == ()
    places = {"pier": "a wooden pier"}
    assert read({"location": "pier"}, {"location": "roof"}, locations=places).notices == ()
    assert read({"location": "pier"}, {"location": "peir"}, locations=places).notices == (
        "location without a look: peir",
    )
    [said] = unused_fields(read({}, characters={"MEI": {"age": 10}}, style={"grain": 1}))
    assert said == "kept, not used: fields of the list: style.grain, characters.MEI.age"


def test_slips_and_wrong_values_in_looks_are_faults_with_their_path() -> None:
    found = faults(
        {"style": 5, "characters": {"MEI": {"promtp": "x"}}},
        styel="x",
        characters={"MEI": {"promt": "x", "references": [{"ur": "mei.jpg"}]}, "TOM": {"prompt": 3}},
        sequences={"SQ1": {"widht": 512, "style": {"aftr": "x"}}},
        workflows={"a": [1]},
    )
    assert [fault.partition(", ")[2].partition(": ")[0] for fault in found] == [
        *("characters.MEI.promt", "characters.MEI.references[0].ur", "characters.MEI.references[0].url"),
        *("characters.TOM.prompt", "sequences.SQ1.widht", "sequences.SQ1.style.aftr", "workflows.a"),
        *("styel", "style", "characters.MEI.promtp"),
    ]


def test_looks_that_contradict_each_other_are_faults() -> None:
    both = {"MEI": {"overrides": {"4.lora": "a"}, "references": [{"url": "a.png", "reference_id": "face"}]}, "TOM": TOM}
    both["TOM"] = TOM | {"references": [{"url": "b.png", "reference_id": "face"}]}
    assert faults({"prompt": "@MEI, @TOM"}, characters=both) == [
        "shot 1 (shot_id 1), reference_id: face: MEI and TOM both have it: give their references different ids",
        "shot 1 (shot_id 1), overrides: 4.lora: MEI and TOM set it to different values: set it in the shot",
    ]
    own = {"references": [{"url": "c.png", "reference_id": "face"}], "overrides": {"4.lora": "c"}}
    settled = one({"prompt": "@MEI, @TOM"} | own, characters=both)
    assert ([each.url for each in settled.references], settled.overrides) == (["c.png"], {"4.lora": "c"})
    same = {"characters": {"A": "x", "B": "y", "@b": "z"}, "locations": {"a": "y"}}
    assert faults({}, **same) == [
        "the looks, characters: A: a location has the same name: rename one of them",
        "the looks, characters: @b: B is the same name: give one of them another",
        "the looks, locations: a: a character has the same name: rename one of them",
    ]


def test_names_and_mentions_are_bounded() -> None:
    [fault] = faults({}, characters={"x" * 61: "y"})
    assert "an object of names of up to 60 characters" in fault
    [fault] = faults({"prompt": "@@" * 150_001}, characters=CAST)
    assert fault == "shot 1 (shot_id 1), prompt: 300,002 signs @: at most 300,000 in all prompts: split the list"


def test_what_looks_give_to_all_shots_is_bounded_and_shared() -> None:
    overrides = {f"4.input_{number}": number for number in range(3000)}
    shots = [{} for _ in range(1000)]
    whole = read(*shots, overrides=overrides)
    assert whole.shots[0].overrides is whole.shots[-1].overrides
    [fault] = faults(*({"cast": ["MEI"]} for _ in shots), characters={"MEI": {"overrides": overrides}})
    assert fault.startswith(
        "shot 667 (shot_id 667): references and overrides: all shots together get at most 2,000,000"
    )


def test_a_long_word_behind_a_sign_is_shown_shortened() -> None:
    [fault] = faults({"prompt": "@" + "x" * 1000}, characters=CAST)
    assert "@" + "x" * 58 + "…" in fault
    assert len(read({"prompt": "@" + "x" * 1000}).notices[0]) < 200


def test_a_list_is_written_as_given_and_read_again_with_the_same_looks() -> None:
    whole = read({"prompt": "@MEI runs", "cast": "TOM"}, characters=CAST, style="ink", sequences={"S": {"width": 8}})
    again = read_shot_list(whole.model_dump(mode="json", exclude_unset=True))
    assert again == whole
    assert again.shots[0].given()["prompt"] == "@MEI runs"


def test_a_look_file_is_farther_away_than_the_list() -> None:
    text = (
        b"style: {before: film, after: ink}\ncharacters: {MEI: an old woman, ANN: a nurse}\nworkflows: {a: look.json}\n"
    )
    look, notices = read_look(text + b"mood: calm\n", name="film.look.yaml")
    assert notices == ("film.look.yaml: kept, not used: fields of the look: mood",)
    whole = read({"prompt": "@MEI and @ANN"}, look="film.look.yaml", characters={"MEI": MEI}, style={"after": "oil"})
    assert whole.shots[0].prompt == "@MEI and @ANN"
    applied = with_looks(whole, "list", [look], notices)
    assert applied.shots[0].prompt == "film, a girl of ten and a nurse, oil"
    assert applied.named_workflows == {"a": "look.json"}
    assert applied.notices == (*notices, "no shot uses: workflow a")
    assert with_looks(applied, "list", [look]).shots == applied.shots


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[1]", "the look: a YAML or JSON object with style"),
        (b"a: 1", "the look: a YAML or JSON object with style"),
        (b'{"style": "x", "charakters": {}}', "the look, charakters: not a field: did you mean characters?"),
        (b"style: x\nwidth: 0", "the look, width: 0: a whole number of pixels"),
        (b"style: x\nstyle: y", "the look, style: given more than once"),
        (b"style: {aftr: x}", "the look, style.aftr: not a field: did you mean after?"),
    ],
)
def test_a_look_file_with_faults_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_look(content, name="a.yaml")
    assert str(caught.value.faults[0]).startswith(fault)


def test_the_documentation_shows_what_its_list_gives() -> None:
    page = (Path(__file__).parents[3] / "docs" / "looks.md").read_text("utf-8")
    text = page.partition("```yaml\n")[2].partition("```")[0]
    whole = with_looks(read_shot_list(text, name="list.yaml"), "list.yaml")
    assert not whole.notices
    for shot in whole.shots[:3]:
        assert f"| {shot.label} | `{shot.prompt}` |" in page


WORDS = st.text(st.sampled_from("ab@ .美丽"), max_size=12)


@given(WORDS, st.dictionaries(st.sampled_from(["a", "ab", "美", "美丽"]), st.sampled_from(["", "x", "y"]), min_size=1))
def test_any_text_is_filled_or_refused_and_every_known_name_is_replaced(text: str, characters: dict[str, str]) -> None:
    prompt = f"{text}."
    found = Mentionable(characters, map(len, characters)).read(prompt)
    if found.unknown:
        assert "no character or location" in faults({"prompt": prompt}, characters=characters)[0]
        return
    shot = one({"prompt": prompt}, characters=characters)
    assert shot.uses == tuple(dict.fromkeys(found.names))
    assert all(characters[name] in shot.prompt for name in shot.uses)
