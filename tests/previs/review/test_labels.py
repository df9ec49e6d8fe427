"""Every word of the review has a Chinese twin with the same values, and none is without use."""

import re
from pathlib import Path

import pytest

import previs.review.web
from previs.review.web.labels import CHINESE, words

WEB = Path(previs.review.web.__file__).parent
SOURCES = [path.read_text("utf-8") for path in [*(WEB / "template").glob("*.html"), WEB / "static" / "review.js"]]
USED = re.compile(r'(?:label|say)\(\s*"([^"]+)"')


def test_every_word_has_a_twin() -> None:
    used = {found for source in SOURCES for found in USED.findall(source)}
    assert len(used) > 30
    assert used - CHINESE.keys() == set()


@pytest.mark.parametrize("english", CHINESE)
def test_every_twin_has_the_same_values_and_a_use(english: str) -> None:
    names = r"\{(\w+)\}"
    assert set(re.findall(names, english)) == set(re.findall(names, CHINESE[english]))
    assert any(f'"{english}"' in source for source in SOURCES)


def test_an_unknown_language_is_english() -> None:
    assert words("zh")["Approve"] == "通过"
    assert words("fr")["Approve"] == "Approve"
