"""Test that every word of the page, the contact sheet and the PDF has a Chinese twin with the same values."""

import re
from pathlib import Path

import pytest

import previs.publishing.views
from previs.publishing.views.film import Film
from previs.publishing.views.labels import CHINESE, counted, labels, language_of
from previs.records.manifest import TakeEntry

VIEWS = Path(previs.publishing.views.__file__).parent
SOURCES = [(VIEWS / name).read_text("utf-8") for name in ("cards.py", "strips.py", "sheet.py", "page.py")]
SOURCES += [(VIEWS.parents[1] / "pdf" / name).read_text("utf-8") for name in ("layout.py", "panels.py", "make.py")]
SOURCES.append((VIEWS / "template" / "index.html").read_text("utf-8"))
LABELLED = re.compile(r"label\(\s*([\"'])(.+?)\1")
COUNTED = re.compile(r"counted\([^()]*(?:\([^()]*\))?[^()]*, ([\"'])([a-z ]+?)\1")


def used() -> set[str]:
    found = {words for source in SOURCES for _, words in LABELLED.findall(source)}
    found |= {field.capitalize() for field in Film._fields}
    outcomes = TakeEntry.model_fields["outcome"].annotation
    return found | set(outcomes.__args__)  # type: ignore[union-attr]


def test_every_label_has_a_chinese_twin() -> None:
    assert len(used()) > 40
    assert used() - CHINESE.keys() == set()


def test_every_counted_noun_has_a_chinese_twin_in_both_numbers() -> None:
    nouns = {noun for source in SOURCES for _, noun in COUNTED.findall(source)}
    assert len(nouns) > 4
    assert {noun for noun in nouns if not any(words.startswith(f"1 {noun}") for words in CHINESE)} == set()
    assert {noun for noun in nouns if not any(words.startswith(f"{{count}} {noun}s") for words in CHINESE)} == set()


@pytest.mark.parametrize("english", CHINESE)
def test_both_languages_have_the_same_values(english: str) -> None:
    names = r"\{(\w+)\}"
    assert set(re.findall(names, english)) == set(re.findall(names, CHINESE[english]))


def test_words_are_filled_and_an_unknown_language_is_english() -> None:
    assert counted(labels("zh"), 3, "shot") == "3 个镜头"
    assert counted(labels("en"), 1, "shot") == "1 shot"
    assert labels("fr")("seed {seed}", seed="{x}") == "seed {x}"


@pytest.mark.parametrize(
    ("texts", "lang"),
    [(["雨夜", "霓虹", "rain"], "zh"), (["雨夜", "rain"], "en"), (["雨の夜"], "en"), ([], "en"), (["", "雨夜"], "zh")],
)
def test_the_language_is_that_of_most_texts(texts: list[str], lang: str) -> None:
    assert language_of(texts) == lang
