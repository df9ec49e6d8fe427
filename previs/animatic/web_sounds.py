"""Fetch the sounds that shots name by URL. Whose a board is, nobody knows any more, so each URL is a sender's."""

import asyncio
import re
from typing import Final

from previs.animatic.sound import SoundFile
from previs.animatic.sound_files import read_sound
from previs.animatic.timeline import Timeline
from previs.errors import FrameDamaged, SourceNotFound, SourceUnavailable
from previs.ingest.reader import SourceReader
from previs.pictures.spill import SpillFolder
from previs.store.addresses import shown
from previs.text.visible import visible

# Keys of objects may have blanks.
_URL: Final = re.compile(r"https?://\S+|s3://.+", re.IGNORECASE)
_AT_ONCE: Final = 4
_NO_ROOM: Final = "the sounds of a film have no more room in the temporary folder"


def is_url(sound: str) -> bool:
    """Return whether a shot's sound is a URL."""
    return _URL.fullmatch(sound) is not None


async def fetch_sounds(
    timeline: Timeline, reader: SourceReader, spill: SpillFolder
) -> tuple[dict[int, SoundFile], list[str]]:
    """Return the sounds by the number of their cue, and sentences on those that cannot be had; each is fetched once.

    Args:
        timeline: What plays when.
        reader: Knows which addresses a sender may name.
        spill: Folder that holds the files as long as the film is made.
    """
    cues: dict[str, list[int]] = {}
    for number, cue in enumerate(timeline.cues):
        if is_url(cue.sound):
            cues.setdefault(cue.sound, []).append(number)
    slots = asyncio.Semaphore(_AT_ONCE)
    found = await asyncio.gather(*(_fetch(url, reader, spill, slots) for url in cues))
    files: dict[int, SoundFile] = {}
    faults = []
    for numbers, result in zip(cues.values(), found, strict=True):
        if isinstance(result, SoundFile):
            files |= dict.fromkeys(numbers, result)
        else:
            faults += [visible(f"shot {timeline.cues[number].label}: the sound {result}") for number in numbers]
    return files, faults


async def _fetch(url: str, reader: SourceReader, spill: SpillFolder, slots: asyncio.Semaphore) -> SoundFile | str:
    file = spill.new()
    try:
        async with slots:
            with file.path.open("w+b") as content:
                await reader.save(url, content, sender=True)
        if not spill.has_room(file):
            return f"{shown(url)}: {_NO_ROOM}"
        return await asyncio.to_thread(read_sound, file.path, shown(url))
    except (SourceNotFound, SourceUnavailable) as error:
        return f"{error.uri}: {error.reason}"
    except FrameDamaged as error:
        return f"{shown(url)}: {error.reason}"
    except (OSError, ValueError) as error:
        return f"{shown(url)}: {error}"
