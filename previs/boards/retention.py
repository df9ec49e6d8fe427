"""What a store can do without: decided from its listing, the manifests of its runs and the records of takes; pure.

Only keys that this program makes are ever part of it; ``references/`` is the users' own.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from previs.boards.runs import RunPlace
from previs.records.manifest import Manifest
from previs.records.takes import TakeRecord
from previs.store import StoredFile, keys

_FRAME: Final = re.compile(rf"{keys.FRAMES}[0-9a-f]{{2}}/[0-9a-f]{{64}}(\.[a-z0-9]{{1,8}})?")
_INPUT: Final = re.compile(rf"{keys.INPUTS}[0-9a-f]{{2}}/[0-9a-f]{{64}}(\.[a-z0-9]{{1,8}})?")
_RECORD: Final = re.compile(rf"{keys.TAKES}([0-9a-f]{{64}})\.json")
_LIST: Final = re.compile(rf"{keys.LISTS}[0-9a-f]{{64}}\.json")
_TAKE_CLAIM: Final = re.compile(rf"({keys.CLAIMS}takes/[0-9a-f]{{64}}/)[^/]+\.json")
_RUN_CLAIM: Final = re.compile(rf"{keys.CLAIMS}runs/[^/]+\.json")
_CONTENT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which runs are kept: with nothing said all, and the latest of each board always.

    With both said, a run goes that neither of them keeps.

    Attributes:
        keep: so many of each board, those that finished last.
        newer_than: those that finished at most so long ago.
        spare: what was written at most so long ago and is of no run stays: a run was killed before it published.
    """

    keep: int | None = None
    newer_than: timedelta | None = None
    spare: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Made:
    """Keys of a take's frames, and of the pictures that it was made from."""

    frames: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()

    def __or__(self, other: "Made") -> "Made":
        return Made(self.frames | other.frames, self.inputs | other.inputs)

    @property
    def files(self) -> frozenset[str]:
        """All of them."""
        return self.frames | self.inputs


@dataclass(frozen=True, slots=True)
class Run:
    """What a run's manifest refers to.

    Attributes:
        finished: aware.
        takes: by fingerprint; of one that failed, nothing was made.
    """

    place: RunPlace
    finished: datetime
    takes: Mapping[str, Made]


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be removed, by kind, with sizes in bytes by key.

    Attributes:
        runs: how many.
        pages: files of runs other than their manifests.
    """

    runs: int = 0
    pages: Mapping[str, int] = field(default_factory=dict)
    manifests: Mapping[str, int] = field(default_factory=dict)
    records: Mapping[str, int] = field(default_factory=dict)
    frames: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, int] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[Mapping[str, int], ...]:
        """What is removed one after the other, so that what can still be seen is whole at any moment.

        A run is there as long as its manifest is, and has its frames till then; a record goes before what it names.
        """
        return (self.pages, self.manifests, self.records, {**self.frames, **self.inputs}, {**self.lists, **self.claims})

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(sum(stage.values()) for stage in self.stages)


def run_of(place: RunPlace, manifest: Manifest) -> Run:
    """What a manifest refers to."""
    takes: dict[str, Made] = defaultdict(Made)
    for shot in manifest.shots:
        for take in shot.takes:
            takes[take.fingerprint] |= Made(
                frozenset(frame.key for frame in take.frames), frozenset(picture.key for picture in take.inputs)
            )
    return Run(place, manifest.finished, dict(takes))


def made_of(record: TakeRecord) -> Made:
    """What the record of a take names."""
    return Made(frozenset(frame.key for frame in record.frames), frozenset(picture.key for picture in record.inputs))


def kept_runs(runs: Iterable[Run], latest: Collection[RunPlace], rule: Rule, now: datetime) -> frozenset[RunPlace]:
    """Which runs a rule keeps.

    Args:
        runs: all that there are.
        latest: of each board.
        rule: what is wanted.
        now: aware.
    """
    ordered = sorted(runs, key=lambda run: (run.place.board, run.finished, run.place.run), reverse=True)
    kept = set(latest)
    for _, of_board in groupby(ordered, key=lambda run: run.place.board):
        for number, run in enumerate(of_board, 1):
            wishes = [
                rule.keep is None and rule.newer_than is None,
                rule.keep is not None and number <= rule.keep,
                rule.newer_than is not None and now - run.finished <= rule.newer_than,
                number == 1,
            ]
            if any(wishes):
                kept.add(run.place)
    return frozenset(kept)


def records_to_read(
    listing: Mapping[str, StoredFile], kept: Iterable[Run], picked: Collection[str], oldest: datetime
) -> list[str]:
    """Fingerprints of the records that may stay, so that what they name has to be known.

    Args:
        listing: of the store.
        kept: runs.
        picked: fingerprints of chosen takes.
        oldest: what was written later may be of a run that was killed.
    """
    wanted = {mark for run in kept for mark in run.takes} | set(picked)
    return [mark for mark, entry in _records(listing) if mark in wanted or entry.modified >= oldest]


def plan_removal(
    listing: Mapping[str, StoredFile],
    runs: Collection[Run],
    kept: Collection[RunPlace],
    picked: Collection[str],
    records: Mapping[str, Made],
    *,
    oldest: datetime,
    places: Iterable[str] = (),
) -> Removal:
    """What no kept run, no chosen take and no place refers to.

    Args:
        listing: of the store: every key with its size and age.
        runs: all that there are; every manifest of the listing is that of one of them.
        kept: those that stay.
        picked: fingerprints of chosen takes.
        records: what the records of :func:`records_to_read` name, by fingerprint; without those that are damaged.
        oldest: what was written later stays unless a run that goes refers to it.
        places: that runs to come read: paths or addresses, of which some may be files of the store.
    """
    staying = [run for run in runs if run.place in kept]
    going = [run for run in runs if run.place not in kept]
    wanted = {mark for run in staying for mark in run.takes} | set(picked)
    # Equal takes were made again since, if the record names other frames than the run that goes.
    made_by_going = {(mark, made.frames) for run in going for mark, made in run.takes.items() if made.frames}
    gone_records = {
        mark
        for mark, entry in _records(listing)
        if mark not in wanted
        and (entry.modified < oldest or (mark in records and (mark, records[mark].frames) in made_by_going))
    }
    needed = {key for run in staying for made in run.takes.values() for key in made.files}
    needed |= {key for mark, made in records.items() if mark not in gone_records for key in made.files}
    needed |= _named(listing, places)
    known = {key for run in going for made in run.takes.values() for key in made.files}

    def unneeded(pattern: re.Pattern[str]) -> dict[str, int]:
        return {
            key: entry.size
            for key, entry in listing.items()
            if pattern.fullmatch(key) and key not in needed and (key in known or entry.modified < oldest)
        }

    manifests = {run.place.manifest for run in going}
    of_runs = {key: listing[key].size for key in _of_runs(listing, {run.place for run in going})}
    return Removal(
        runs=len(going),
        pages={key: size for key, size in of_runs.items() if key not in manifests},
        manifests={key: size for key, size in of_runs.items() if key in manifests},
        records={keys.take_key(mark): listing[keys.take_key(mark)].size for mark in sorted(gone_records)},
        frames=unneeded(_FRAME),
        inputs=unneeded(_INPUT),
        lists=unneeded(_LIST),
        claims=_old_claims(listing, oldest),
    )


def _named(listing: Iterable[str], places: Iterable[str]) -> set[str]:
    """Files named by their content that places name, whatever kind of address or link leads there."""
    contents = {content for place in places for content in _CONTENT.findall(place)}
    return {key for key in listing if contents.intersection(_CONTENT.findall(key))}


def _records(listing: Mapping[str, StoredFile]) -> Iterator[tuple[str, StoredFile]]:
    for key, entry in listing.items():
        if found := _RECORD.fullmatch(key):
            yield found[1], entry


def _of_runs(listing: Iterable[str], places: Collection[RunPlace]) -> Iterator[str]:
    for key in listing:
        match key.split("/"):
            case ["boards", board, run, _, *_] if RunPlace(board, run) in places:
                yield key


def _old_claims(listing: Mapping[str, StoredFile], oldest: datetime) -> dict[str, int]:
    """Claims that nobody made or renewed lately; those of one take go together, as they are numbered."""
    ages: dict[str, datetime] = {}
    groups: dict[str, str] = {}
    for key, entry in listing.items():
        found = _TAKE_CLAIM.fullmatch(key)
        if found or _RUN_CLAIM.fullmatch(key):
            groups[key] = found[1] if found else key
            ages[groups[key]] = max(entry.modified, ages.get(groups[key], entry.modified))
    return {key: listing[key].size for key, group in groups.items() if ages[group] < oldest}
