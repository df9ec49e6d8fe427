"""Check that nothing is removed that a kept run or a pick refers to, and that the order of removal breaks nothing."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.boards.retention import (
    Removal,
    Rule,
    Run,
    TakeFiles,
    files_of,
    kept_runs,
    plan_removal,
    records_to_read,
    run_of,
)
from previs.boards.runs import RunLocation
from previs.store import StoredFile, keys
from tests.previs.records.published import manifest as made_manifest
from tests.previs.records.published import mark, picture, record, run_name, sha, shot, take

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SPARE = timedelta(days=7)
YOUNG, OLD = NOW - timedelta(days=1), NOW - timedelta(days=30)

FRAMES = [keys.frame_key(sha(b"frame %d" % number), ".png") for number in range(6)]
INPUTS = [keys.input_key(sha(b"input %d" % number), ".png") for number in range(3)]
MARKS = [mark(f"take {number}") for number in range(5)]
STRANGERS = ["references/a.png", "frames/readme.txt", "takes/notes.json", "boards/notes.txt", "x", "claims/prune.json"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shelf:
    """Represent any content of a store, as the planner sees it."""

    listing: Mapping[str, StoredFile]
    runs: tuple[Run, ...]
    latest: frozenset[RunLocation]
    picked: frozenset[str]
    on_record: Mapping[str, TakeFiles]

    @property
    def locations(self) -> dict[RunLocation, Run]:
        return {run.location: run for run in self.runs}

    def kept(self, rule: Rule) -> frozenset[RunLocation]:
        return kept_runs(self.runs, self.latest, rule, NOW)

    def removal(self, rule: Rule) -> Removal:
        kept, oldest = self.kept(rule), NOW - rule.spare
        staying = [run for run in self.runs if run.location in kept]
        read = records_to_read(self.listing, staying, self.picked, oldest)
        records = {each: self.on_record[each] for each in read if each in self.on_record}
        return plan_removal(self.listing, self.runs, kept, self.picked, records, oldest=oldest)

    def without(self, gone: Collection[str]) -> "Shelf":
        listing = {key: entry for key, entry in self.listing.items() if key not in gone}
        runs = tuple(run for run in self.runs if run.location.manifest in listing)
        return Shelf(listing, runs, self.latest, self.picked, self.on_record)


def subsets(items: Sequence[Item], most: int) -> list[frozenset[Item]]:
    return [frozenset(some) for size in range(most + 1) for some in itertools.combinations(items, size)]


made = st.builds(TakeFiles, st.sampled_from(subsets(FRAMES, 3)), st.sampled_from(subsets(INPUTS + FRAMES, 3)))


def chosen(draw: st.DrawFn, items: Sequence[Item]) -> list[Item]:
    """Draw any of the items at once; a draw for each takes several times as long."""
    size = -(-len(items) // 8)
    bits = int.from_bytes(draw(st.binary(min_size=size, max_size=size)))
    return [item for number, item in enumerate(items) if bits >> number & 1]


@st.composite
def shelves(draw: st.DrawFn) -> Shelf:
    locations = chosen(draw, [RunLocation(board, number) for board in "ab" for number in "1234"])
    takes = st.dictionaries(st.sampled_from(MARKS), made, max_size=3)
    young = chosen(draw, locations)
    runs = tuple(Run(location, YOUNG if location in young else OLD, draw(takes)) for location in locations)
    on_record = draw(st.dictionaries(st.sampled_from(MARKS), made, max_size=5))
    pages = [location.prefix + "index.html" for location in chosen(draw, locations)]
    claims = [
        keys.lease_key(MARKS[0], 0),
        keys.lease_key(MARKS[0], 1),
        keys.heartbeat_key("r"),
        keys.cancelled_key("p"),
        keys.shot_list_key("a" * 64),
    ]
    boards = {run.location.board for run in runs}
    steady = [keys.latest_key(each) for each in sorted(boards)] + [keys.pick_key(each, "1") for each in sorted(boards)]
    some = chosen(draw, FRAMES + INPUTS + [keys.take_key(each) for each in MARKS] + claims + STRANGERS)
    every = [run.location.manifest for run in runs] + pages + steady + some
    latest = frozenset(
        draw(st.sampled_from([run.location for run in runs if run.location.board == each])) for each in sorted(boards)
    )
    new = set(chosen(draw, every))
    listing = {key: StoredFile(1, YOUNG if key in new else OLD) for key in every}
    return Shelf(listing, runs, latest, draw(st.sampled_from(subsets(MARKS, 2))), on_record)


days = st.none() | st.sampled_from([timedelta(days=3), timedelta(days=60)])
rules = st.builds(
    Rule, keep=st.none() | st.integers(0, 3), newer_than=days, spare=st.sampled_from([timedelta(), SPARE])
)


def all_of(removal: Removal) -> set[str]:
    return {key for stage in removal.stages for key in stage}


LAWS: list[Callable[[Shelf, Rule, int], None]] = []
law = LAWS.append


@law
def nothing_is_removed_that_a_kept_run_or_a_picked_take_refers_to(shelf: Shelf, rule: Rule, _: int) -> None:
    gone = all_of(shelf.removal(rule))
    for location in shelf.kept(rule):
        run = shelf.locations[location]
        assert not gone & {location.manifest, location.prefix + "index.html"}
        assert not gone & {keys.take_key(each) for each in run.takes}
        assert not gone & {key for each in run.takes.values() for key in each.files}
    for each in shelf.picked:
        assert keys.take_key(each) not in gone
        if keys.take_key(each) in shelf.listing:
            assert not gone & shelf.on_record.get(each, TakeFiles()).files


@law
def the_latest_run_of_each_board_stays(shelf: Shelf, rule: Rule, _: int) -> None:
    assert shelf.latest <= shelf.kept(rule)
    for board in {run.location.board for run in shelf.runs}:
        last = max((run.finished, run.location.run) for run in shelf.runs if run.location.board == board)
        assert RunLocation(board, last[1]) in shelf.kept(rule)


@law
def only_files_that_previs_wrote_are_removed(shelf: Shelf, rule: Rule, _: int) -> None:
    gone = all_of(shelf.removal(rule))
    assert gone <= set(shelf.listing)
    assert not gone & set(STRANGERS)
    assert not [key for key in gone if key.endswith("latest.json") or "/picks/" in key]


@law
def an_interrupted_prune_leaves_everything_visible_complete(shelf: Shelf, rule: Rule, cut: int) -> None:
    order = [key for stage in shelf.removal(rule).stages for key in stage]
    gone = set(order[:cut])
    left = shelf.without(gone)
    for run in left.runs:
        assert not gone & {key for each in run.takes.values() for key in each.files}
    for key in left.listing:
        if key.endswith("index.html"):
            assert key.replace("index.html", "manifest.json") in left.listing
    read = set(records_to_read(shelf.listing, shelf.runs, shelf.picked, NOW - rule.spare))
    for each in read:
        if keys.take_key(each) in left.listing:
            assert not gone & shelf.on_record.get(each, TakeFiles()).files


@law
def a_second_prune_finds_nothing_more(shelf: Shelf, rule: Rule, _: int) -> None:
    assert all_of(shelf.without(all_of(shelf.removal(rule))).removal(rule)) == set()


@law
def an_interrupted_prune_is_completed_once_the_rest_is_old_enough(shelf: Shelf, rule: Rule, cut: int) -> None:
    removal = shelf.removal(rule)
    order = [key for stage in removal.stages for key in stage]
    aged = shelf.without(order[:cut])
    aged = Shelf({key: StoredFile(e.size, OLD) for key, e in aged.listing.items()}, aged.runs, *_rest(aged))
    assert set(order[cut:]) <= all_of(aged.removal(rule))


def _rest(shelf: Shelf) -> tuple[frozenset[RunLocation], frozenset[str], Mapping[str, TakeFiles]]:
    return shelf.latest, shelf.picked, shelf.on_record


@law
def young_files_of_no_run_stay(shelf: Shelf, rule: Rule, _: int) -> None:
    named = {key for run in shelf.runs for each in run.takes.values() for key in each.files}
    named |= {keys.take_key(each) for run in shelf.runs for each in run.takes}
    for key in all_of(shelf.removal(rule)):
        if key.startswith((keys.FRAMES, keys.TAKES, keys.INPUTS, keys.LISTS, keys.CLAIMS)):
            assert key in named or shelf.listing[key].modified < NOW - rule.spare


# Drawing a shelf takes several times as long as all laws.
@settings(max_examples=200)
@given(shelves(), rules, st.integers(0, 40))
def test_all_laws_hold_for_any_shelf(shelf: Shelf, rule: Rule, cut: int) -> None:
    for each in LAWS:
        each(shelf, rule, cut)


def listed(*names: str, modified: datetime = OLD) -> dict[str, StoredFile]:
    return {name: StoredFile(1, modified) for name in names}


def runs(*numbers: int, board: str = "b") -> list[Run]:
    """Return a run for each number of days since it finished."""
    return [Run(RunLocation(board, run_name(100 - days)), NOW - timedelta(days=days), {}) for days in numbers]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (Rule(), [1, 5, 40]),
        (Rule(keep=2), [1, 5]),
        (Rule(keep=9), [1, 5, 40]),
        (Rule(newer_than=timedelta(days=5)), [1, 5]),
        (Rule(newer_than=timedelta(hours=1)), [1]),
        (Rule(keep=1, newer_than=timedelta(days=10)), [1, 5]),
        (Rule(keep=2, newer_than=timedelta(days=1)), [1, 5]),
        (Rule(keep=0), [1]),
    ],
)
def test_rules_keep_the_runs_that_they_say(rule: Rule, kept: list[int]) -> None:
    assert kept_runs(runs(40, 1, 5), [], rule, NOW) == {run.location for run in runs(*kept)}


def test_runs_are_counted_board_by_board() -> None:
    found = kept_runs([*runs(1, 2, board="a"), *runs(3, 4, board="b")], [], Rule(keep=1), NOW)
    assert found == {runs(1, board="a")[0].location, runs(3, board="b")[0].location}


def test_old_files_of_no_run_are_removed() -> None:
    files = [FRAMES[0], INPUTS[0], keys.take_key(MARKS[0]), keys.shot_list_key("a" * 64), keys.heartbeat_key("r")]
    assert all_of(plan_removal(listed(*files), [], [], [], {}, oldest=NOW - SPARE)) == set(files)
    assert all_of(plan_removal(listed(*files, modified=YOUNG), [], [], [], {}, oldest=NOW - SPARE)) == set()


def test_young_files_of_only_a_removed_run_are_removed() -> None:
    first, last = runs(2, 1)
    shown = TakeFiles(frozenset(FRAMES[:1]), frozenset(INPUTS[:1]))
    first = Run(first.location, first.finished, {MARKS[0]: shown})
    files = [
        FRAMES[0],
        INPUTS[0],
        keys.take_key(MARKS[0]),
        first.location.manifest,
        first.location.prefix + "index.html",
    ]
    listing = listed(*files, last.location.manifest, modified=YOUNG)
    found = plan_removal(listing, [first, last], [last.location], [], {MARKS[0]: shown}, oldest=NOW - SPARE)
    assert all_of(found) == set(files)
    assert (found.runs, found.size) == (1, 5)


def test_a_take_made_again_since_by_a_run_that_was_killed_stays() -> None:
    """The removed run had another frame under the same fingerprint."""
    first, last = runs(2, 1)
    first = Run(first.location, first.finished, {MARKS[0]: TakeFiles(frozenset(FRAMES[:1]))})
    again = TakeFiles(frozenset(FRAMES[1:2]))
    files = listed(
        *FRAMES[:2], keys.take_key(MARKS[0]), first.location.manifest, last.location.manifest, modified=YOUNG
    )
    found = plan_removal(files, [first, last], [last.location], [], {MARKS[0]: again}, oldest=NOW - SPARE)
    assert all_of(found) == {FRAMES[0], first.location.manifest}


def test_frames_of_a_young_record_stay_even_if_they_are_old() -> None:
    """A frame with the same bytes was stored before the take was rendered."""
    listing = listed(FRAMES[0]) | listed(keys.take_key(MARKS[0]), modified=YOUNG)
    records = {MARKS[0]: TakeFiles(frozenset(FRAMES[:1]))}
    assert all_of(plan_removal(listing, [], [], [], records, oldest=NOW - SPARE)) == set()


@pytest.mark.parametrize("uri", ["s3://film/{}", "/boards/{}", "https://s3.example/film/{}?X-Amz-Signature=ab"])
def test_old_inputs_of_later_runs_stay(uri: str) -> None:
    files = [keys.shot_list_key("a" * 64), FRAMES[0], keys.shot_list_key("b" * 64), FRAMES[1]]
    uris = [uri.format(key) for key in files[:2]]
    removal = plan_removal(listed(*files, keys.nightly_key("b")), [], [], [], {}, oldest=NOW - SPARE, input_uris=uris)
    assert all_of(removal) == set(files[2:])


def test_old_marks_of_cancelled_prompts_are_removed() -> None:
    old, young = keys.cancelled_key("old"), keys.cancelled_key("young")
    mixed = listed(old) | listed(young, modified=YOUNG)
    assert set(plan_removal(mixed, [], [], [], {}, oldest=NOW - SPARE).claims) == {old}


def test_leases_of_one_take_are_removed_together() -> None:
    other = keys.lease_key(MARKS[1], 0)
    mixed = listed(keys.lease_key(MARKS[0], 0), other) | listed(keys.lease_key(MARKS[0], 1), modified=YOUNG)
    assert set(plan_removal(mixed, [], [], [], {}, oldest=NOW - SPARE).claims) == {other}


def test_a_manifest_refers_to_the_frames_and_pictures_of_all_its_takes() -> None:
    whole = take(1, b"one", b"two", inputs=(picture(b"three"),))
    again = take(1, b"four", fingerprint=whole.fingerprint)
    content = made_manifest(shot("A", whole, take(2)), shot("B", again))
    found = run_of(RunLocation("b", "r"), content)
    assert found.takes[whole.fingerprint].files == {
        *(frame.key for frame in (*whole.frames, *again.frames)), picture(b"three").key,
    }  # fmt: skip
    assert found.takes[take(2).fingerprint] == TakeFiles()
    assert files_of(record(whole)).files == {*(frame.key for frame in whole.frames), picture(b"three").key}
