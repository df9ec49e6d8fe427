from types import SimpleNamespace

import pytest

from previs.publishing.views.cards import Card, groups
from previs.publishing.views.stills import FrameLinks, Still, usual_size
from previs.records.manifest import ShotEntry

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def still_of(make: SimpleNamespace, src: str, href: str = "", **fields: object) -> Still:
    manifest = make.board(make.shot(takes=(make.take(frames=(make.frame(**fields),)),)))
    return groups(manifest, lambda _: FrameLinks(src, href))[0].cards[0].takes[0].stills[0]


def card_of(make: SimpleNamespace, shot: ShotEntry) -> Card:
    return groups(make.board(shot), lambda _: FrameLinks("a.png", "a.png"))[0].cards[0]


@pytest.mark.parametrize(
    ("media_type", "src", "kind"),
    [
        ("image/png", "a.png", "picture"),
        ("image/webp", PICTURE, "picture"),
        ("video/mp4", "a.mp4", "video"),
        ("video/mp4", PICTURE, "clip"),
        ("audio/flac", "a.flac", "sound"),
        ("model/gltf-binary", "a.glb", "file"),
        ("image/png", "javascript:x", "file"),
    ],
)
def test_a_frame_is_shown_by_what_it_is_and_where_it_is(
    make: SimpleNamespace, media_type: str, src: str, kind: str
) -> None:
    assert still_of(make, src, media_type=media_type).kind == kind


def test_a_thumbnail_takes_the_place_of_an_address_that_may_not_be_used(make: SimpleNamespace) -> None:
    still = still_of(make, "javascript:x", "javascript:y", thumbnail=PICTURE)
    assert (still.kind, still.src, still.href) == ("picture", PICTURE, None)


def test_a_picture_is_shown_small_and_a_frame_without_a_thumbnail_as_it_is(make: SimpleNamespace) -> None:
    small = still_of(make, "a.png", "a.png", thumbnail=PICTURE)
    assert (small.src, small.href) == (PICTURE, "a.png")
    whole = still_of(make, "a.png", "a.png")
    assert (whole.src, whole.href) == ("a.png", "a.png")


def test_a_film_shows_its_thumbnail_until_it_plays(make: SimpleNamespace) -> None:
    assert still_of(make, "a.mp4", media_type="video/mp4", thumbnail=PICTURE).poster == PICTURE
    assert still_of(make, "a.mp4", media_type="video/mp4", thumbnail="https://elsewhere/x.png").poster is None


def test_a_frame_of_unknown_size_takes_the_boards_usual_one(make: SimpleNamespace) -> None:
    sized = make.take(frames=(make.frame(width=800, height=600),))
    odd = make.take(2, frames=(make.frame(width=None, height=None), make.frame(width=-5, height=3)))
    manifest = make.board(make.shot(takes=(sized, odd)))
    takes = groups(manifest, lambda _: FrameLinks("a.png", "a.png"))[0].cards[0].takes
    assert {(still.width, still.height) for take in takes for still in take.stills} == {(800, 600)}


def test_a_boards_usual_size_is_that_of_most_frames(make: SimpleNamespace) -> None:
    frames = (make.frame(width=512, height=512), make.frame(), make.frame())
    assert usual_size(make.board(make.shot(takes=(make.take(frames=frames),)))) == (1024, 576)
    assert usual_size(make.board(make.shot(takes=()))) == (1024, 576)


def test_only_written_notes_are_shown(make: SimpleNamespace) -> None:
    shots = [make.shot(n, shot={"notes": notes}) for n, notes in enumerate(["更暗", "  ", 5, None])]
    cards = groups(make.board(*shots), lambda _: FrameLinks("a", "a"))[0].cards
    assert [card.notes.words if card.notes else None for card in cards] == ["更暗", None, None, None]


def test_a_take_without_error_and_without_frame_says_so(make: SimpleNamespace) -> None:
    manifest = make.board(make.shot(takes=(make.take(frames=()), make.failed("", 2))))
    takes = groups(manifest, lambda _: FrameLinks("a", "a"))[0].cards[0].takes
    assert [take.error for take in takes] == ["The take left no frame.", "It failed without a reason."]


def test_the_picked_take_stands_first_and_its_picture_says_so(make: SimpleNamespace) -> None:
    card = card_of(make, make.shot(picked=2, takes=(make.take(1), make.take(2))))
    assert [(take.take, take.picked) for take in card.shown] == [(2, True), (1, False)]
    assert [take.take for take in card.rejected] == [1]
    assert [take.stills[0].alt for take in card.shown] == [
        "Shot SH010, take 2, picked: a lamp",
        "Shot SH010, take 1: a lamp",
    ]


def test_known_details_of_a_render_are_shown(make: SimpleNamespace) -> None:
    known = {"comfyui": "0.3.64\nx", "waiting": 4.25, "uploading": 0.3}
    takes = (
        make.take(1, **known),
        make.take(2, outcome="cached", comfyui="0.3.64"),
        make.take(3),
        make.skipped(take=4),
        make.take(5, outcome="joined"),
    )
    card = card_of(make, make.shot(takes=takes))
    assert [take.details for take in card.takes] == [
        ("seed 7", "12.34 s on render-01:8188", "waited 4.25 s", "frames stored in 0.3 s", "ComfyUI 0.3.64 x"),
        ("seed 7", "rendered before: 12.34 s on render-01:8188", "ComfyUI 0.3.64"),
        ("seed 7", "12.34 s on render-01:8188"),
        ("seed 7",),
        ("seed 7", "12.34 s on render-01:8188", "found on the server: submitted before this run"),
    ]
    assert [take.state for take in card.takes] == ["rendered", "cached", "rendered", "skipped", "joined"]


def test_a_cached_take_of_an_old_record_shows_its_known_details(make: SimpleNamespace) -> None:
    takes = tuple(
        make.take(outcome="cached", server=server, seconds=seconds)
        for server, seconds in [(None, None), (None, 2), ("http://user:secret@a:1", None)]
    )
    details = [take.details for take in card_of(make, make.shot(takes=takes)).takes]
    before = [("rendered before: 2 s",), ("rendered before: on a:1",)]
    assert details == [("seed 7",), *(("seed 7", *words) for words in before)]


def test_failed_attempts_are_listed_with_time_and_server(make: SimpleNamespace) -> None:
    attempts = (make.attempt("out of\nmemory"), make.attempt("no room", server=None))
    takes = (make.take(attempts=attempts), make.failed("no room", 2).model_copy(update={"attempts": attempts[1:]}))
    first, second = (take.attempts for take in card_of(make, make.shot(takes=takes)).takes)
    assert first is not None
    assert second is not None
    assert first.summary == "2 failed attempts before"
    assert first.lines == (
        ("2026-10-31 17:41 UTC on render-02:8188", "out of\nmemory"),
        ("2026-10-31 17:41 UTC", "no room"),
    )
    assert second.summary == "1 failed attempt"


def test_of_many_attempts_the_last_are_listed_and_the_others_counted(make: SimpleNamespace) -> None:
    attempts = tuple(make.attempt(str(n)) for n in range(50))
    result = card_of(make, make.shot(takes=(make.take(attempts=attempts),))).takes[0].attempts
    assert result is not None
    assert (result.summary, result.left_out, len(result.lines)) == ("50 failed attempts before", 30, 20)
    assert result.lines[-1][1] == "49"
