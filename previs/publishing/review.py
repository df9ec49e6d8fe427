"""Apply the answer of a review: chosen takes, and shots to render again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from previs.records.manifest import Manifest, ShotEntry
from previs.shots import Shot, ShotList, read_shot_list, with_looks

_SOURCE: Final = "the list as it was reviewed"


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """Hold a reviewer's answer.

    Attributes:
        chosen: Numbers of the chosen takes, by shot_id as text.
        again: New prompts, by shot_id as text; an empty one asks for one more take with the same prompt.
    """

    chosen: Mapping[str, int] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether the answer asks for anything."""
        return bool(self.chosen or self.again)


def revised(shot_list: ShotList, answer: ReviewAnswer, manifest: Manifest) -> ShotList:
    """Return the list with new prompts, and with one more take of shots that keep their prompt.

    Args:
        shot_list: Shot list of the run.
        answer: Answer to apply.
        manifest: Manifest of the run.

    Raises:
        ShotListFaults: A prompt or a number of takes is not allowed.
    """
    entries = {str(shot.shot_id): shot for shot in manifest.shots}
    shots = [shot.given() | _changes(shot, answer, entries.get(shot.label)) for shot in shot_list.shots]
    given = shot_list.model_dump(mode="json", exclude_unset=True) | {"shots": shots}
    made = read_shot_list(given, name=_SOURCE)
    return with_looks(made, _SOURCE, shot_list.look_files) if made.look else made


def _changes(shot: Shot, answer: ReviewAnswer, entry: ShotEntry | None) -> dict[str, Any]:
    prompt = answer.again.get(shot.label)
    if prompt is None:
        return {}
    if prompt and prompt != shot.prompt:
        return {"prompt": prompt}
    return {"takes": max((take.take for take in entry.takes), default=0) + 1 if entry else 1}
