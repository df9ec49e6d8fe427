"""Find the files of a board's shots, to which a timeline links."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from previs.errors import Fault, ShotListFaults
from previs.publishing.pull import file_names
from previs.records.manifest import Manifest
from previs.store import keys
from previs.text.listing import first_of
from previs.text.visible import visible

_FILMS: Final = (".mp4", ".mov", ".mxf")
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Media:
    """Hold the files of shots.

    Attributes:
        files: Absolute paths by the shots' labels.
        notices: Sentences on shots without a file.
    """

    files: Mapping[str, Path]
    notices: tuple[str, ...]


def find_media(manifest: Manifest, folder: Path) -> Media:
    """Return the files of a folder: what ``previs animatic --shots-to`` or ``previs pull`` wrote there.

    A shot's own film, ``SH010.mp4``, comes before the frame of its take.

    Raises:
        ShotListFaults: The folder does not exist.
    """
    if not folder.is_dir():
        remedy = "give a folder that previs pull or previs animatic --shots-to has filled"
        raise ShotListFaults("the media", (Fault("--media", "", str(folder), remedy),))
    # Shots of equal takes share a frame, of which each has its own copy.
    names = defaultdict[str, list[str]](list)
    for name, frame in file_names(manifest).items():
        names[frame.key].append(name)
    files: dict[str, Path] = {}
    without: list[str] = []
    for entry in manifest.shots:
        label, shown = str(entry.shot_id), entry.shown
        own = [f"{keys.part(label)}{suffix}" for suffix in _FILMS]
        own += [name for frame in shown.frames[:1] for name in names[frame.key]] if shown else []
        path = next((path for name in own if (path := folder / name).is_file()), None)
        if path is not None:
            files[label] = path.resolve()
        else:
            without.append(label)
    return Media(files, tuple(_missing(without, folder)))


def _missing(labels: Iterable[str], folder: Path) -> Iterable[str]:
    if without := list(labels):
        shown = visible(first_of(without, _NAMED))
        yield f"{folder} has no files of these shots, which are offline in the timeline: {shown}"
