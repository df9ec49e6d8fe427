"""What was published once is planned never again, and what a person changed in Kitsu is never overwritten."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from previs.kitsu.answers import is_private
from previs.kitsu.plan import MARK, BoardShot, Found, Step, board_shots, frame_mark, make_plan, shot_data
from previs.records.manifest import Manifest
from tests.previs.records.published import frame, manifest, shot, take

BOARD = "b"
IN_DATA = ("frame_in", "frame_out", "fps")


def board_of(rows: Sequence[tuple[str, str, float, bytes]]) -> Manifest:
    entries = [
        shot(
            name,
            take(1, frames=(frame(content),) if content else ()),
            duration=duration,
            sequence=sequence or None,
            shot={"description": f"{name} {duration}"},
        )
        for name, sequence, duration, content in rows
    ]
    return manifest(*entries, board=BOARD)


class Kitsu:
    """Do in memory what Kitsu does with a plan."""

    def __init__(self) -> None:
        self.sequences: dict[str, dict[str, Any]] = {}
        self.shots: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}

    def found(self) -> Found:
        rows = (list(each.values()) for each in (self.sequences, self.shots, self.tasks))
        return Found(*map(copy.deepcopy, rows))

    def do(self, step: Step) -> None:
        if step.is_idle:
            return
        parent = self.sequences.setdefault(
            step.shot.sequence, {"id": f"sequence {step.shot.sequence}", "name": step.shot.sequence}
        )["id"]
        row = self._shot(step, parent)
        if step.uploads:
            mark = frame_mark(step.shot, "p", board=BOARD, run="r")
            self.tasks[row["id"]] = {"entity_id": row["id"], "data": {MARK: mark}}

    def _shot(self, step: Step, parent: str) -> dict[str, Any]:
        if step.existing is None:
            row = {name: value for name, value in step.shot.fields.items() if name not in IN_DATA}
            row |= {"id": f"shot {len(self.shots)}", "name": step.shot.name, "parent_id": parent, "canceled": False}
            self.shots[row["id"]] = row | {"data": shot_data(step.shot.fields, BOARD)}
            return self.shots[row["id"]]
        row, changes = self.shots[step.existing["id"]], dict(step.changes)
        row["data"] |= changes.pop("data", {})
        row |= changes | ({"parent_id": parent} if "parent_id" in changes else {})
        return row


def publish(kitsu: Kitsu, rows: Sequence[tuple[str, str, float, bytes]]) -> list[Step]:
    steps = make_plan(board_shots(board_of(rows), {}), kitsu.found(), BOARD)
    for step in steps:
        kitsu.do(step)
    return steps


names = st.sampled_from(["SH010", "SH020", "SH030", "SH040"])
rows = st.lists(
    st.tuples(
        names, st.sampled_from(["", "SQ1", "SQ2"]), st.sampled_from([0.5, 1, 2.5]), st.sampled_from([b"", b"x", b"y"])
    ),
    max_size=4,
    unique_by=lambda row: row[0],
)


@given(st.lists(rows, min_size=1, max_size=4))
def test_an_equal_board_changes_nothing(boards: list[list[tuple[str, str, float, bytes]]]) -> None:
    kitsu = Kitsu()
    for each in boards:
        publish(kitsu, each)
        before = copy.deepcopy((kitsu.sequences, kitsu.shots, kitsu.tasks))
        assert all(step.is_idle for step in publish(kitsu, each))
        assert (kitsu.sequences, kitsu.shots, kitsu.tasks) == before
        shown = {row["name"]: kitsu.sequences for row in kitsu.shots.values()}
        assert {name for name, *_ in each} <= shown.keys()
        assert len({row["name"] for row in kitsu.shots.values()}) == len(kitsu.shots)


edits = st.dictionaries(st.sampled_from(["nb_frames", "description", "fps", "frame_out"]), st.just("by a person"))


@given(rows, rows, edits)
def test_what_a_person_changed_stays_whatever_the_board_says(
    first: list[tuple[str, str, float, bytes]], second: list[tuple[str, str, float, bytes]], changed: Mapping[str, str]
) -> None:
    kitsu = Kitsu()
    publish(kitsu, first)
    for row in kitsu.shots.values():
        for name, value in changed.items():
            (row["data"] if name in IN_DATA else row)[name] = value
    touched = set(kitsu.shots)
    publish(kitsu, second)
    for identity in touched:
        row = kitsu.shots[identity]
        assert all((row["data"] if name in IN_DATA else row)[name] == value for name, value in changed.items())


def test_long_names_are_left_out() -> None:
    long = BoardShot("x" * 161, "SQ1", {}, None, None)
    [step] = make_plan([long], Found([], [], []), BOARD)
    assert step.is_idle
    assert "longer than 160 characters" in step.skipped


def test_only_tls_and_this_machine_are_private() -> None:
    assert [is_private(each) for each in ("https://a/api", "http://127.0.0.1:1/api", "http://a/api")] == [
        True,
        True,
        False,
    ]
