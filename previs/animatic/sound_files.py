"""Find the sound files of shots in a folder that the operator names, and nowhere else.

What a shot calls its sound is a stranger's: it may be a name of a file, an address, or words for people. So it is only
looked up below that folder, and no link leads out of it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from previs.animatic.sound import SoundFile
from previs.animatic.timeline import Timeline
from previs.errors import Fault, FrameDamaged, ShotListFaults
from previs.pictures.media import examine
from previs.pictures.playback import READERS
from previs.text.listing import first_of
from previs.text.visible import shortened, visible

_NAMED: Final = 5
_LONGEST: Final = 200
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FORMATS: Final = "WAV, FLAC, MP3, Ogg, M4A, or a film"


@dataclass(frozen=True, slots=True)
class ShotSounds:
    """Hold the sound files of shots, by the number of the cue, and sentences on the sounds that are no files."""

    files: Mapping[int, SoundFile]
    notices: tuple[str, ...]


def sound_file(path: Path) -> SoundFile:
    """Return a file that the operator names.

    Raises:
        ShotListFaults: It cannot be read, or is no sound.
    """
    try:
        return read_sound(path)
    except (OSError, FrameDamaged, ValueError) as error:
        reason = error.reason if isinstance(error, FrameDamaged) else str(getattr(error, "strerror", "") or error)
        raise ShotListFaults("the sound", (Fault("--audio", "", str(path), f"{reason}: give {_FORMATS}"),)) from error


def shot_sounds(timeline: Timeline, folder: Path | None, others_than: Collection[int] = ()) -> ShotSounds:
    """Return the files of a folder that the shots name as their sounds.

    Args:
        timeline: What plays when.
        folder: The folder; None for none.
        others_than: Numbers of the cues whose sounds are elsewhere.

    Raises:
        ShotListFaults: The folder does not exist.
    """
    if folder is not None and not folder.is_dir():
        fault = Fault("--sounds", "", str(folder), "give the folder in which the sound files are")
        raise ShotListFaults("the sounds", (fault,))
    files: dict[int, SoundFile] = {}
    others: list[str] = []
    for number, cue in enumerate(timeline.cues):
        if not cue.sound or number in others_than:
            continue
        found = None if folder is None else _in_folder(folder, cue.sound)
        if isinstance(found, SoundFile):
            files[number] = found
        else:
            others.append(f"{shortened(cue.label)} ({shortened(cue.sound)}{f': {found}' if found else ''})")
    if not others:
        return ShotSounds(files, ())
    where = f"no files in {folder}" if folder is not None else "not heard without --sounds FOLDER"
    count = "1 shot" if len(others) == 1 else f"{len(others)} shots"
    return ShotSounds(files, (visible(f"the sounds of {count} are {where}: {first_of(others, _NAMED)}"),))


def _in_folder(folder: Path, name: str) -> SoundFile | str | None:
    """Return the file that a name means, None if there is none, or why it cannot be used."""
    if len(name) > _LONGEST or "\n" in name or "\0" in name or _ADDRESS.match(name):
        return None
    relative = PurePosixPath(name.replace("\\", "/"))
    # A list names its files from its own folder: "sounds/rain.wav" is also rain.wav of the folder sounds.
    for each in dict.fromkeys((str(relative), relative.name)):
        try:
            path = (folder / each).resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return read_sound(path)
        except FrameDamaged as error:
            return error.reason
        except (OSError, ValueError) as error:
            return str(error)
    return None


def read_sound(path: Path, name: str = "") -> SoundFile:
    """Return a file as a sound.

    Args:
        path: The file.
        name: Name for people; empty for that of the file.

    Raises:
        FrameDamaged, OSError, ValueError: It cannot be read, or is no sound.
    """
    media = examine(path, name=name or path.name)
    reader = READERS.get(media.media_type)
    if reader is None:
        raise ValueError(f"its format is {media.media_type}")
    return SoundFile(name or path.name, path, reader)
