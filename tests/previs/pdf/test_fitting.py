"""Texts are broken where their language allows it, and shortened where they have no room."""

from hypothesis import given
from hypothesis import strategies as st

from previs.pdf.fitting import Field, Line, fit, lines_of, one_line


def measure(text: str) -> float:
    return sum(1.0 if ord(each) > 0x2E80 else 0.5 for each in text)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_words_stay_whole_and_chinese_breaks_anywhere_but_before_its_punctuation() -> None:
    assert texts(lines_of(Field("the old fisherman waits"), 6, measure)) == ["the old", "fisherman", "waits"]
    assert texts(lines_of(Field("老渔夫收网，海鸥掠过"), 5, measure)) == ["老渔夫收网，", "海鸥掠过"]
    assert texts(lines_of(Field("他说（小声）好"), 3, measure)) == ["他说", "（小声）", "好"]


def test_a_word_wider_than_a_line_is_broken() -> None:
    assert texts(lines_of(Field("a" * 9), 2, measure)) == ["aaaa", "aaaa", "a"]


def test_lines_of_a_dialogue_stay_apart_and_its_label_is_grey() -> None:
    lines = lines_of(Field("MEI: Wait!\nBO: No.", "Dialogue"), 20, measure)
    assert lines == [Line("Dialogue  MEI: Wait!", 8), Line("BO: No.")]
    assert lines_of(Field("WS · low", is_grey=True), 20, measure) == [Line("WS · low", 8)]
    assert lines_of(Field("  \n "), 20, measure) == []


def test_long_texts_are_shortened_before_short_ones() -> None:
    lines, short = fit([Field("a " * 40), Field("b"), Field("c " * 40)], 5, 5, measure)
    assert texts(lines) == ["a a a a a", "a a a a a…", "b", "c c c c c", "c c c c c…"]
    assert short


def test_what_fits_is_not_shortened() -> None:
    assert fit([Field("a"), Field(""), Field("b")], 5, 2, measure) == ([Line("a"), Line("b")], False)


def test_without_room_nothing_is_left_and_that_counts_as_shortened() -> None:
    assert fit([Field("a")], 5, 0, measure) == ([], True)


def test_one_line_ends_with_an_ellipsis() -> None:
    assert one_line("a title that is long", 6, measure) == "a title tha…"
    assert one_line("a\n title", 6, measure) == "a title"


ANY = st.text(st.characters(codec="utf-8"), max_size=120)


@given(st.lists(st.tuples(ANY, st.sampled_from(["", "Action", "画面内容"]))), st.floats(2, 60), st.integers(0, 12))
def test_no_line_is_much_too_wide_and_none_too_many(given: list[tuple[str, str]], width: float, most: int) -> None:
    lines, short = fit([Field(*each) for each in given], width, most, measure)
    assert len(lines) <= most
    # Closing punctuation may hang out by one character.
    assert all(measure(line.text) <= width + 1 for line in lines)
    assert all(line.grey <= len(line.text) for line in lines)
    if not short:
        kept = "".join("".join(line.text.split()) for line in lines)
        assert kept == "".join("".join((label + text).split()) for text, label in given if text.strip())
