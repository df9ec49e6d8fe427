"""What people said stays with the shot, and is stale once another picture shows it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from previs.publishing.review import ReviewAnswer
from previs.records.manifest import Manifest, PassEntry
from previs.records.reviews import ReviewEvent
from previs.review.outline import outlined
from previs.review.standing import Decision, ShotStanding, answer_of, known_pictures, picture_of, standings
from tests.previs.records.published import frame, manifest, shot, take

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ONE, TWO, THREE = take(1, b"one"), take(2, b"two"), take(1, b"three")


def event(kind: str, number: int = 1, **values: object) -> ReviewEvent:
    known = {"shot_id": "1", "at": NOW, "by": "Anna", "run": "r"}
    return ReviewEvent(**(known | {"kind": kind, "number": number} | values))  # type: ignore[arg-type]


def stands(made: Manifest, *events: ReviewEvent, **picks: int) -> ShotStanding:
    return standings(made, {name.removeprefix("s"): take for name, take in picks.items()}, {"1": events})[0]


def decided(made: Manifest, *events: ReviewEvent, **picks: int) -> Decision:
    """Return the decision on the shot; there is one."""
    decision = stands(made, *events, **picks).decision
    assert decision
    return decision


def test_an_approval_is_stale_when_another_picture_shows_the_shot() -> None:
    approved = event("approve", take=1, picture=picture_of(ONE))
    before, after = manifest(shot(1, ONE, TWO)), manifest(shot(1, THREE, TWO))
    assert not decided(before, approved).stale
    assert decided(after, approved).stale
    # Also when somebody circles another take of the same run, and no longer when that is undone.
    assert decided(before, approved, s1=2).stale
    assert not decided(before, approved, s1=1).stale


def test_an_approval_of_a_pass_is_stale_when_the_pass_is_made_again() -> None:
    def with_pass(content: bytes) -> Manifest:
        made = PassEntry(name="detail", take=1, outcome="rendered", fingerprint="f", frames=(frame(content),))
        return manifest(shot(1, ONE, passes=(made,)))

    approved = event("approve", take=1, pass_name="detail", picture=frame(b"pass").sha256)  # noqa: S106 - a name
    assert not decided(with_pass(b"pass"), approved).stale
    assert decided(with_pass(b"other"), approved).stale


def test_a_comment_is_stale_once_its_picture_is_on_no_take() -> None:
    on_two, on_none = event("comment", 1, take=2, picture=picture_of(TWO), text="x"), event("comment", 2, text="y")
    found = stands(manifest(shot(1, ONE, TWO)), on_two, on_none).comments
    assert [each.stale for each in found] == [False, False]
    assert [each.stale for each in stands(manifest(shot(1, ONE)), on_two, on_none).comments] == [True, False]


def test_a_wish_is_open_until_there_is_a_new_picture_whatever_other_runs_were_published() -> None:
    entry = shot(1, ONE)
    wish = event("again", text="more rain", known=known_pictures(entry))
    same_in_another_run = manifest(entry, shot(2, TWO), number=2)
    assert not decided(same_in_another_run, wish).stale
    one_more_take = manifest(shot(1, ONE, TWO), number=3)
    assert decided(one_more_take, wish).stale
    assert answer_of(one_more_take, [stands(one_more_take, wish)]) == ReviewAnswer()


def test_comments_are_resolved_and_reopened() -> None:
    said = (event("comment", 1, text="x"), event("comment", 2, text="y"), event("resolve", 3, about=1, by="Bo"))
    made = manifest(shot(1, ONE))
    assert [each.resolved for each in stands(made, *said).comments] == ["Bo", ""]
    assert stands(made, *said).open_comments == 1
    assert stands(made, *said, event("reopen", 4, about=1)).open_comments == 2


def test_the_last_decision_counts_and_can_be_withdrawn() -> None:
    made = manifest(shot(1, ONE))
    said = [event("approve", 1, picture=picture_of(ONE)), event("again", 2, by="Bo"), event("comment", 3, text="x")]
    found = decided(made, *said)
    assert (found.kind, found.by, stands(made, *said).last) == ("again", "Bo", 2)
    assert stands(made, *said, event("withdraw", 4)).decision is None


def test_the_answer_is_what_was_picked_since_the_run_and_what_is_wanted_again() -> None:
    made = manifest(shot(1, ONE, TWO, picked=1), shot("2", ONE, TWO), shot("3", take(1, error="x")))
    known = known_pictures(made.shots[1])
    wishes = {"2": [event("again", shot_id="2", text="new", known=known)], "3": [event("again", shot_id="3")]}
    found = standings(made, {"1": 1, "2": 2, "9": 4}, wishes)
    assert answer_of(made, found) == ReviewAnswer({"2": 2}, {"2": "new", "3": ""})


def test_shots_that_were_removed_keep_what_was_said() -> None:
    found = standings(manifest(shot(2, ONE)), {}, {"1": [event("comment", text="x")]})
    assert [(each.shot_id, each.on_board, len(each.comments)) for each in found] == [("2", True, 0), ("1", False, 1)]


def test_an_outline_stands_as_its_manifest_does() -> None:
    made = manifest(shot(1, ONE, TWO, prompt="long", shot={"prompt": "long"}))
    light = outlined(None, "v", made)  # type: ignore[arg-type]
    said = event("approve", picture=picture_of(ONE))
    assert stands(light.manifest, said) == stands(made, said)
    assert light.manifest.shots[0].prompt == ""
    assert light.media[ONE.frames[0].key] == ("image/png", len(b"one"))


@given(
    st.lists(st.sampled_from(["approve", "again", "withdraw", "circle", "comment", "resolve", "reopen"]), max_size=12)
)
def test_whatever_is_said_in_whatever_order_the_shot_stands_somehow(kinds: list[str]) -> None:
    said = [event(kind, number, about=1, text="x") for number, kind in enumerate(kinds, 1)]
    found = stands(manifest(shot(1, ONE)), *said)
    assert len(found.comments) == kinds.count("comment")
    deciding = [number for number, kind in enumerate(kinds, 1) if kind in {"approve", "again", "withdraw", "circle"}]
    assert found.last == (deciding[-1] if deciding else 0)
