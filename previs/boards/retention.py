"""Decide from a store's listing, its manifests and its take records what retention removes; pure.

Only keys that previs writes are ever removed; ``references/`` belongs to the users.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from previs.boards.runs import RunLocation
from previs.records.manifest import Manifest
from previs.records.takes import TakeRecord
from previs.store import StoredFile, keys

_FRAME: Final = re.compile(rf"{keys.FRAMES}[0-9a-f]{{2}}/[0-9a-f]{{64}}(\.[a-z0-9]{{1,8}})?")
_INPUT: Final = re.compile(rf"{keys.INPUTS}[0-9a-f]{{2}}/[0-9a-f]{{64}}(\.[a-z0-9]{{1,8}})?")
_RECORD: Final = re.compile(rf"{keys.TAKES}([0-9a-f]{{64}})\.json")
_LIST: Final = re.compile(rf"{keys.LISTS}[0-9a-f]{{64}}\.json")
_LEASE: Final = re.compile(rf"({keys.CLAIMS}takes/[0-9a-f]{{64}}/)[^/]+\.json")
_HEARTBEAT_OR_MARK: Final = re.compile(rf"{keys.CLAIMS}(runs|cancelled)/[^/]+\.json")
_CONTENT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Define which runs are kept: all by default, and always the latest of each board.

    A run is removed if neither ``keep`` nor ``newer_than`` keeps it.

    Attributes:
        keep: Number of runs to keep per board, those that finished last.
        newer_than: Age of finished runs to keep.
        spare: Age up to which files of no run stay; a run that was killed may have left them.
    """

    keep: int | None = None
    newer_than: timedelta | None = None
    spare: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TakeFiles:
    """Hold the keys of a take's frames, and of the pictures that it was made from."""

    frames: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()

    def __or__(self, other: "TakeFiles") -> "TakeFiles":
        return TakeFiles(self.frames | other.frames, self.inputs | other.inputs)

    @property
    def files(self) -> frozenset[str]:
        """Return all keys."""
        return self.frames | self.inputs


@dataclass(frozen=True, slots=True)
class Run:
    """Hold what a run's manifest refers to.

    Attributes:
        finished: When the run ended; aware.
        takes: Files of takes by fingerprint; empty for takes that failed.
    """

    location: RunLocation
    finished: datetime
    takes: Mapping[str, TakeFiles]


@dataclass(frozen=True, slots=True)
class Removal:
    """Hold what is to be removed, by kind: sizes in bytes by key.

    Attributes:
        runs: Number of runs.
        pages: Files of runs other than their manifests.
        unfinished: Files that killed writers left.
    """

    runs: int = 0
    pages: Mapping[str, int] = field(default_factory=dict)
    manifests: Mapping[str, int] = field(default_factory=dict)
    records: Mapping[str, int] = field(default_factory=dict)
    frames: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, int] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[Mapping[str, int], ...]:
        """Return the files in the order of removal, in which nothing that is still visible is incomplete.

        A run's manifest goes before its frames, and a take's record before the files that it names.
        """
        rest = {**self.lists, **self.claims, **self.unfinished}
        return (self.pages, self.manifests, self.records, {**self.frames, **self.inputs}, rest)

    @property
    def size(self) -> int:
        """Return the total size in bytes."""
        return sum(sum(stage.values()) for stage in self.stages)


def run_of(location: RunLocation, manifest: Manifest) -> Run:
    """Return what a manifest refers to."""
    takes: dict[str, TakeFiles] = defaultdict(TakeFiles)
    for shot in manifest.shots:
        for take in shot.renders:
            inputs = frozenset(picture.key for picture in take.inputs)
            takes[take.fingerprint] |= TakeFiles(frozenset(frame.key for frame in take.frames), inputs)
            if other := take.retried:
                # Without its record, a later run would make it again, to find the same.
                takes[other.fingerprint] |= TakeFiles(frozenset(frame.key for frame in other.frames), inputs)
    return Run(location, manifest.finished, dict(takes))


def files_of(record: TakeRecord) -> TakeFiles:
    """Return the keys that the record of a take names."""
    return TakeFiles(
        frozenset(frame.key for frame in record.frames), frozenset(picture.key for picture in record.inputs)
    )


def kept_runs(
    runs: Iterable[Run], latest: Collection[RunLocation], rule: Rule, now: datetime
) -> frozenset[RunLocation]:
    """Return the runs that a rule keeps.

    Args:
        runs: All runs.
        latest: Latest runs of boards, which are always kept.
        rule: Rule to apply.
        now: Present time; aware.
    """
    ordered = sorted(runs, key=lambda run: (run.location.board, run.finished, run.location.run), reverse=True)
    kept = set(latest)
    for _, of_board in groupby(ordered, key=lambda run: run.location.board):
        for number, run in enumerate(of_board, 1):
            reasons = [
                rule.keep is None and rule.newer_than is None,
                rule.keep is not None and number <= rule.keep,
                rule.newer_than is not None and now - run.finished <= rule.newer_than,
                number == 1,
            ]
            if any(reasons):
                kept.add(run.location)
    return frozenset(kept)


def records_to_read(
    listing: Mapping[str, StoredFile], kept: Iterable[Run], picked: Collection[str], oldest: datetime
) -> list[str]:
    """Return the fingerprints of records that may stay, so that their content must be known.

    Args:
        listing: All files of the store.
        kept: Runs that stay.
        picked: Fingerprints of picked takes.
        oldest: Time after which files may belong to a run that was killed.
    """
    wanted = {each for run in kept for each in run.takes} | set(picked)
    return [each for each, entry in _records(listing) if each in wanted or entry.modified >= oldest]


def plan_removal(
    listing: Mapping[str, StoredFile],
    runs: Collection[Run],
    kept: Collection[RunLocation],
    picked: Collection[str],
    records: Mapping[str, TakeFiles],
    *,
    oldest: datetime,
    input_uris: Iterable[str] = (),
    unfinished: Mapping[str, StoredFile] | None = None,
) -> Removal:
    """Return what no kept run, picked take or input of later runs refers to.

    Args:
        listing: All files of the store.
        runs: All runs; every manifest of the listing belongs to one of them.
        kept: Runs that stay.
        picked: Fingerprints of picked takes.
        records: Files that the records of :func:`records_to_read` name, by fingerprint; without damaged records.
        oldest: Time after which a file stays, unless a removed run refers to it.
        input_uris: Paths or URLs that later runs read, some of which may be files of the store.
        unfinished: Files that writers have not finished; a writer at work may still have a young one.
    """
    staying = [run for run in runs if run.location in kept]
    going = [run for run in runs if run.location not in kept]
    wanted = {each for run in staying for each in run.takes} | set(picked)
    # A record that names other frames than the removed run was written when the take was rendered again.
    made_by_going = {(each, made.frames) for run in going for each, made in run.takes.items() if made.frames}
    gone_records = {
        each
        for each, entry in _records(listing)
        if each not in wanted
        and (entry.modified < oldest or (each in records and (each, records[each].frames) in made_by_going))
    }
    needed = {key for run in staying for made in run.takes.values() for key in made.files}
    needed |= {key for each, made in records.items() if each not in gone_records for key in made.files}
    needed |= _named(listing, input_uris)
    known = {key for run in going for made in run.takes.values() for key in made.files}

    def unneeded(pattern: re.Pattern[str]) -> dict[str, int]:
        return {
            key: entry.size
            for key, entry in listing.items()
            if pattern.fullmatch(key) and key not in needed and (key in known or entry.modified < oldest)
        }

    manifests = {run.location.manifest for run in going}
    of_runs = {key: listing[key].size for key in _of_runs(listing, {run.location for run in going})}
    return Removal(
        runs=len(going),
        pages={key: size for key, size in of_runs.items() if key not in manifests},
        manifests={key: size for key, size in of_runs.items() if key in manifests},
        records={key: listing[key].size for key in map(keys.take_key, sorted(gone_records))},
        frames=unneeded(_FRAME),
        inputs=unneeded(_INPUT),
        lists=unneeded(_LIST),
        claims=_old_leases(listing, oldest),
        unfinished={key: entry.size for key, entry in (unfinished or {}).items() if entry.modified < oldest},
    )


def _named(listing: Iterable[str], input_uris: Iterable[str]) -> set[str]:
    """Return the content-named files that paths or URLs lead to, recognised by the hash in both names."""
    contents = {content for uri in input_uris for content in _CONTENT.findall(uri)}
    return {key for key in listing if contents.intersection(_CONTENT.findall(key))}


def _records(listing: Mapping[str, StoredFile]) -> Iterator[tuple[str, StoredFile]]:
    for key, entry in listing.items():
        if found := _RECORD.fullmatch(key):
            yield found[1], entry


def _of_runs(listing: Iterable[str], locations: Collection[RunLocation]) -> Iterator[str]:
    for key in listing:
        match key.split("/"):
            case ["boards", board, run, _, *_] if RunLocation(board, run) in locations:
                yield key


def _old_leases(listing: Mapping[str, StoredFile], oldest: datetime) -> dict[str, int]:
    """Return old heartbeats, marks of cancelled prompts and leases; leases of one take, being numbered, go together."""
    ages: dict[str, datetime] = {}
    groups: dict[str, str] = {}
    for key, entry in listing.items():
        found = _LEASE.fullmatch(key)
        if found or _HEARTBEAT_OR_MARK.fullmatch(key):
            groups[key] = found[1] if found else key
            ages[groups[key]] = max(entry.modified, ages.get(groups[key], entry.modified))
    return {key: listing[key].size for key, group in groups.items() if ages[group] < oldest}
