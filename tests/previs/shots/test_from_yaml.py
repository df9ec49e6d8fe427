from itertools import pairwise

import pytest
import yaml

from previs.errors import ShotListFaults
from previs.shots import from_yaml, read_shot_list
from previs.shots.from_yaml import read_yaml


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_yaml, "_PARSER", getattr(yaml, request.param))


def refused(text: str) -> str:
    with pytest.raises(ShotListFaults) as caught:
        read_yaml(text, "a.yaml")
    return str(caught.value.faults[0])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("010", "010"),
        ("on", "on"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("1e3", "1e3"),
        ("=", "="),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("2.50", 2.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_values_have_the_type_that_a_person_expects(written: str, meant: object) -> None:
    value = read_yaml(f"a: {written}", "a.yaml")["a"]
    assert (value, type(value)) == (meant, type(meant))


def test_a_shot_id_with_leading_zeros_stays_text() -> None:
    made = read_shot_list("- {shot_id: 010, prompt: on, duration: 2}")
    assert (made.shots[0].shot_id, made.shots[0].prompt) == ("010", "on")


def test_keys_are_text() -> None:
    assert read_yaml("1: a\non: b\n2026-01-31: c", "a.yaml") == {"1": "a", "on": "b", "2026-01-31": "c"}


def test_a_field_given_twice_is_a_fault() -> None:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list("- {shot_id: 1, prompt: a, duration: 1, prompt: b}")
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [("shot 1 (shot_id 1)", "prompt")]


def test_aliases_and_merge_keys_save_writing() -> None:
    text = """
    usual: &usual {duration: 2.0, prompt: a street, takes: 2}
    night: &night {prompt: a street at night}
    shots:
      - {shot_id: 1, <<: *usual}
      - {<<: [*night, *usual], shot_id: 2, takes: 3}
    """
    first, second = read_shot_list(text).shots
    assert (first.prompt, first.duration, first.takes) == ("a street", 2.0, 2)
    assert (second.prompt, second.duration, second.takes) == ("a street at night", 2.0, 3)


def test_aliases_that_expand_without_limit_are_refused() -> None:
    names = "abcdefghijklm"
    rows = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)]
    assert "aliases expand to more" in refused("a: &a [x]\n" + "\n".join(rows))
    long = "a: &a " + "x" * 1_000_000 + "\nb: [" + ", ".join(["*a"] * 200) + "]"
    assert "aliases expand to more" in refused(long)
    merges = "a: &a {" + ", ".join(f"k{number}: 1" for number in range(5000)) + "}\n"
    assert "aliases expand to more" in refused(merges + "\n".join(f"b{n}: {{<<: *a}}" for n in range(2000)))


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("&a [*a]", "line 1, column 5", "this alias has no complete anchor"),
        ("a: *b", "line 1, column 4", ""),
        ("a: !!python/object:os.system x", "line 1, column 4", "without tags"),
        ("a: !!binary eA==", "line 1, column 4", "without tags"),
        ("a: !!set {x}", "line 1, column 4", "without tags"),
        ("a: 1\n---\nb: 2", "line 2, column 1", "second document"),
        ("? [x]\n: y", "line 1, column 3", "a field's name"),
        ("a: {<<: 3}", "line 1, column 9", "takes a mapping"),
        ("a:\n\t- b", "line 2, column 1", "not valid YAML"),
        ("a: b\nc: \x07", "line 2", "control character"),
    ],
)
def test_yaml_features_that_a_shot_list_does_not_need_are_refused_with_their_position(
    text: str, place: str, says: str
) -> None:
    found = refused(text)
    assert found.startswith(place)
    assert says in found


def test_endless_nesting_is_refused() -> None:
    assert "nested too deeply" in refused("[" * 100_000)
    assert "nested too deeply" in refused("- " * 100_000)
