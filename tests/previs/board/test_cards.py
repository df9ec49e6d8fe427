from types import SimpleNamespace

import pytest

from previs.board.cards import FrameLinks, Still, groups, usual_size

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def still_of(make: SimpleNamespace, src: str, href: str = "", **fields: object) -> Still:
    manifest = make.board(make.shot(takes=(make.take(frames=(make.frame(**fields),)),)))
    return groups(manifest, lambda _: FrameLinks(src, href))[0].cards[0].takes[0].stills[0]


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
