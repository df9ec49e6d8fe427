"""Decide which takes need no render: the store is the cache across runs, workers and machines; pure.

A take counts as cached if its record can be read and every frame that the record names is stored with the right size.
Anything else is a miss, never an error: the take is rendered again, and the record is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from previs.planning.frame_order import shown_first
from previs.planning.plan import PlannedTake
from previs.records.takes import TakeRecord
from previs.store import StoredFile, keys

Hashes = Mapping[str, Mapping[str, str]]
"""Hashes of model files as servers report them, by the file's text and then by the server's name."""


@dataclass(frozen=True, slots=True)
class Found:
    """Describe what the store has of a take.

    Attributes:
        record: The take's record; None if it is damaged.
        reason: Why the take must be rendered again; empty if the record is usable.
        outdated: Whether results that servers still hold are unusable too.
    """

    record: TakeRecord | None
    reason: str = ""
    outdated: bool = False

    @property
    def usable(self) -> TakeRecord | None:
        """Return the record if it is usable."""
        return None if self.reason else self.record


def parse_record(content: bytes | None, fingerprint: str) -> TakeRecord | str | None:
    """Return a take's record, or a sentence that says what is wrong with it, or None if there is none."""
    if content is None:
        return None
    key = keys.take_key(fingerprint)
    try:
        record = TakeRecord.model_validate_json(content)
    except ValidationError:
        return f"{key} is damaged"
    if record.fingerprint != fingerprint or not record.frames:
        return f"{key} is the record of another take"
    return record


def check_record(record: TakeRecord | str, frames: Mapping[str, StoredFile], not_before: datetime | None) -> Found:
    """Check a record against the stored frames.

    Args:
        record: The record, or what is wrong with it.
        frames: All stored frames, by key.
        not_before: When the oldest usable take was made; None for any age.
    """
    if isinstance(record, str):
        return Found(None, record)
    for frame in record.frames:
        if frame.key not in frames or frames[frame.key].size != frame.size:
            return Found(record, f"{frame.key} is missing or has another size")
    if not_before is not None and record.finished < not_before:
        made = f"{record.finished:%Y-%m-%d %H:%M} UTC"
        return Found(record, f"it was made at {made}, longer ago than the run allows", outdated=True)
    return Found(record)


def check_models(found: Found, hashes: Hashes) -> Found:
    """Mark a take as outdated if a model file was replaced under its name.

    Args:
        found: What the store has of the take.
        hashes: What servers report now; a file without any hash counts as unchanged.
    """
    for name, known in found.record.models.items() if found.record else ():
        current = hashes.get(name, {}).values()
        if current and known not in current:
            return replace(found, reason=f"{name} was replaced by another file", outdated=True)
    return found


def usable(take: PlannedTake, found: Mapping[str, Found]) -> TakeRecord | None:
    """Return the record of a take that needs no render.

    A take that is to be rendered again accepts only the record that this very run made before it was killed and
    started again. Its frames are sorted anew, because titles, which are not in the fingerprint, may have changed.
    """
    record = one.usable if (one := found.get(take.fingerprint)) else None
    if record is None or (take.render_nonce and record.render_nonce != take.render_nonce):
        return None
    frames = shown_first(take.graph, record.frames)
    return record if frames == record.frames else record.model_copy(update={"frames": frames})


def renewed(take: PlannedTake, found: Found | None) -> PlannedTake:
    """Return the take, with new prompt ids if results that servers still hold are unusable.

    The ids are the same for every run that finds the same record, so that a run that was killed is joined.
    """
    if found is None or found.record is None or not found.outdated or take.render_nonce:
        return take
    return replace(take, render_nonce=f"after {found.record.prompt_id} {found.record.finished.isoformat()}")
