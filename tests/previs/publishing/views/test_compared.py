import re
from types import SimpleNamespace

import pytest

from previs.publishing.views import FrameLinks, Since, page, since
from previs.records.manifest import Manifest, ShotEntry


def shot(make: SimpleNamespace, name: int | str, *hashes: str, **fields: object) -> ShotEntry:
    """A shot with one take for each hash of a frame; the empty hash is a take that failed."""
    takes = tuple(
        make.take(number, frames=(make.frame(f"{digest}.png", sha256=digest),)) if digest else make.failed("no", number)
        for number, digest in enumerate(hashes, 1)
    )
    return make.shot(name, takes=takes, success="" not in hashes, **fields)


def names(found: Since) -> tuple[set[str], dict[str, str | None], tuple[str, ...]]:
    return set(found.new), {name: frame and frame.sha256 for name, frame in found.changed.items()}, found.omitted


def test_shots_are_new_changed_omitted_or_the_same(make: SimpleNamespace) -> None:
    last = make.board(*(shot(make, name, digest) for name, digest in (("A", "a"), ("B", "b"), (3, "c"), ("D", "d"))))
    now = make.board(*(shot(make, name, digest) for name, digest in (("E", "e"), ("B", "x"), ("3", "c"), ("A", "a"))))
    assert names(since(now, last)) == ({"E"}, {"B": "b"}, ("D",))


@pytest.mark.parametrize(
    ("last", "now", "changed"),
    [
        (("a", "b"), ("b", "a"), {"S": "a"}),
        (("",), ("a",), {"S": None}),
        (("a",), ("",), {}),
        (("", "a"), ("a", "b"), {}),
        ((), (), {}),
    ],
)
def test_what_counts_is_the_frame_that_shows_a_shot(
    make: SimpleNamespace, last: tuple[str, ...], now: tuple[str, ...], changed: dict[str, str | None]
) -> None:
    found = since(make.board(shot(make, "S", *now)), make.board(shot(make, "S", *last)))
    assert names(found) == (set(), changed, ())


def test_another_pick_is_a_change(make: SimpleNamespace) -> None:
    last, now = (make.board(shot(make, "S", "a", "b", picked=picked)) for picked in (1, 2))
    assert names(since(now, last))[1] == {"S": "a"}


def html_of(manifest: Manifest, found: Since | None, src: str = "{}") -> str:
    def links(frame: object) -> FrameLinks:
        return FrameLinks(src.format(frame.key), src.format(frame.key))  # type: ignore[attr-defined]

    return page(manifest, links=links, since=found)


def test_changes_are_marked_counted_and_keep_the_frame_before(make: SimpleNamespace) -> None:
    last = make.board(shot(make, "A", "a"), shot(make, "B", "b"), shot(make, "<C>", "c"), run="r0")
    now = make.board(shot(make, "A", "a"), shot(make, "B", "x"), shot(make, "N", "n"))
    made = html_of(now, since(now, last))
    assert re.findall(r'data-shot="(\w)"(?: data-before="([^"]*)")?', made) == [
        ("A", ""),
        ("B", "frames/aa/b.png"),
        ("N", ""),
    ]
    text = " ".join(re.sub("<[^>]*>", " ", made.partition("</script>")[0]).split())
    assert "Since run r0 1 new N 1 changed B 1 omitted &lt;C&gt;" in text
    assert re.findall(r'<p class="change (\w+)">(\w+)</p>', made) == [("changed", "Changed"), ("new", "New")]


def test_a_board_that_did_not_change_says_so_and_a_first_one_says_nothing(make: SimpleNamespace) -> None:
    board = make.board(shot(make, "A", "a"))
    assert "Nothing changed." in html_of(board, since(board, board))
    assert 'class="since"' not in html_of(board, None)


def test_of_many_changes_the_first_are_named(make: SimpleNamespace) -> None:
    now = make.board(*(shot(make, n, "a") for n in range(100)))
    made = html_of(now, since(now, make.board()))
    assert "<b>100 new</b>" in made
    assert "and 60 more" in made
    assert made.count('class="change new"') == 100


def test_a_last_run_that_cannot_be_read_is_a_notice(make: SimpleNamespace) -> None:
    made = html_of(make.board(shot(make, "A", "a")), Since("r0", fault="it is <damaged>"))
    assert "What changed since run r0 is not marked: it is &lt;damaged&gt;" in made
    assert 'class="since"' not in made


@pytest.mark.parametrize(
    ("src", "before"),
    [("https://a/{}", "https://a/frames/aa/b.png"), ("", "data:image/png;base64,aa"), ("javascript:{}", None)],
)
def test_the_frame_before_is_at_an_address_that_may_be_used(
    make: SimpleNamespace, src: str, before: str | None
) -> None:
    frame = make.frame("b.png", sha256="b", thumbnail="data:image/png;base64,aa" if not src else None)
    last = make.board(make.shot("B", takes=(make.take(frames=(frame,)),)))
    now = make.board(shot(make, "B", "x"))
    made = html_of(now, since(now, last), src)
    assert re.findall('data-before="([^"]*)"', made) == ([before] if before else [])
    if before:
        assert re.search(rf"img-src [^;]*{before.partition(':')[0]}:", made)
