"""Say which looks of a board changed since its last run, and how many shots that concerns; pure."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from previs.planning.plan import PlannedTake, ReferenceImage
from previs.records.manifest import Manifest
from previs.shots import ShotList
from previs.store.credentials import without_credentials


def look_facts(shot_list: ShotList, pictures: Mapping[str, ReferenceImage]) -> dict[str, Any]:
    """Return what the looks of a list say, with the hashes of their pictures in place of credentials.

    Args:
        shot_list: List with its looks applied.
        pictures: Pictures of the shots' references, by ``url``.
    """
    facts: dict[str, Any] = without_credentials(_with_hashes(shot_list.looks, pictures))
    return facts


def _with_hashes(value: Any, pictures: Mapping[str, ReferenceImage]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        found = {name: _with_hashes(each, pictures) for name, each in value.items()}
        picture = pictures.get(value["url"]) if isinstance(value.get("url"), str) else None
        return found | {"sha256": picture.sha256} if picture else found
    return [_with_hashes(each, pictures) for each in value] if isinstance(value, list) else value


def changed_looks(
    before: Manifest | None, now: Mapping[str, Any], to_render: Collection[PlannedTake]
) -> tuple[str, ...]:
    """Return a sentence such as ``MEI changed: 14 shots`` for each look that is not as in the last run.

    Args:
        before: Last run of the board.
        now: What the looks say, from :func:`look_facts`.
        to_render: Takes that are not cached. A change that concerns none of them is left out.
    """
    if before is None:
        return ()
    changed = {name for name in before.looks.keys() | now.keys() if before.looks.get(name) != now.get(name)}
    uses = {str(shot.shot_id): set(shot.uses) for shot in before.shots}
    for take in to_render:
        uses.setdefault(take.shot.label, set()).update(take.shot.uses)
    labels = {take.shot.label for take in to_render}
    counts = Counter(name for label in labels for name in uses[label] & changed)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(f"{name} changed: {count} {'shot' if count == 1 else 'shots'}" for name, count in ordered)
