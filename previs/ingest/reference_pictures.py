"""Fetch the pictures that shots and workflows refer to."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from previs.errors import Fault, NotAPicture, ShotListFaults, SourceNotFound, SourceUnavailable
from previs.ingest import decoding
from previs.ingest.bases import Base
from previs.ingest.looks import LoadedList
from previs.ingest.reader import SourceReader
from previs.pictures.spill import MOST_BYTES, SpillFolder
from previs.planning.plan import ReferenceImage
from previs.shots import Chains, names_shot
from previs.shots.chains import shot_place
from previs.store.addresses import kind_of, local_path, resolve, shown
from previs.store.links import REFUSAL, leads_out
from previs.workflow import Workflow

_FETCHES_AT_ONCE = 16
_TOO_MUCH = f"the references of a run may have {MOST_BYTES // 1_000_000:,} MB together: use fewer or smaller ones"


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """Identify a picture and the part of the input that refers to it."""

    url: str
    place: str
    field: str
    base: Base


def pictures_of_shots(loaded: LoadedList) -> Iterator[PictureRequest]:
    """Yield the pictures of the shots' references, except frames of other shots."""
    for number, shot in enumerate(loaded.shot_list.shots, 1):
        for index, reference in enumerate(shot.references):
            if not names_shot(reference.url):
                place = shot_place(number, shot)
                base = loaded.base_for(reference.url)
                yield PictureRequest(reference.url, place, f"references[{index}].url", base)


def pictures_of_workflow(workflow: Workflow, base: Base, place: str = "the workflow") -> Iterator[PictureRequest]:
    """Yield the pictures that the settings of a workflow name."""
    for index, url in enumerate(workflow.reference_images):
        yield PictureRequest(url, place, f"reference_images[{index}]", base)


async def fetch_pictures(
    requests: list[PictureRequest], reader: SourceReader, name: str, chains: Chains
) -> dict[tuple[str, Base], ReferenceImage]:
    """Return every picture by its URL and base, each fetched once.

    Raises:
        ShotListFaults: The chains have faults, or pictures cannot be used; all of them are reported together.
    """
    unique = {(each.url, each.base): each for each in requests}
    spill, slots = SpillFolder(), asyncio.Semaphore(_FETCHES_AT_ONCE)
    fetched = await asyncio.gather(
        *(_fetch(each, reader, spill, slots) for each in unique.values()), return_exceptions=True
    )
    for result in fetched:
        if isinstance(result, BaseException):
            raise result
    results = dict(zip(unique, fetched, strict=True))
    faults = [
        Fault(each.place, each.field, shown(each.url), remedy)
        for each in requests
        if isinstance(remedy := results[each.url, each.base], str)
    ]
    if chains.faults or faults:
        raise ShotListFaults(name, (*chains.faults, *faults), chains.more)
    return {key: picture for key, picture in results.items() if isinstance(picture, ReferenceImage)}


async def _fetch(
    request: PictureRequest, reader: SourceReader, spill: SpillFolder, slots: asyncio.Semaphore
) -> ReferenceImage | str:
    """Return the picture, or the reason why it cannot be used."""
    original, file = spill.new(), spill.new()
    try:
        uri = request.url
        if not request.base.resolved:
            uri = resolve(uri, request.base.uri, inline=request.base.inline)
        if request.base.inline and kind_of(uri) in {"path", "file"}:
            await asyncio.to_thread(_refuse_link_out, uri, request.base.uri)
        async with slots:
            with original.path.open("w+b") as content:
                await reader.save(uri, content, sender=request.base.sender, beside=request.base.beside)
            sha256 = await asyncio.to_thread(original.digest)
            suffix = await decoding.upright(original.path, file.path, uri=shown(request.url))
        if not spill.has_room(file):
            return f"{shown(request.url)}: {_TOO_MUCH}"
    except (SourceNotFound, NotAPicture) as error:
        return f"{error.uri}: {error.reason}"
    except OSError as error:
        reason = f"it cannot be kept in the temporary folder {original.path.parent}: {error.strerror}"
        raise SourceUnavailable(shown(request.url), reason) from error
    finally:
        original.path.unlink(missing_ok=True)
    return ReferenceImage(file, suffix, sha256)


def _refuse_link_out(uri: str, folder: str) -> None:
    """Refuse a picture of an inline list that is outside the folder of its references.

    Raises:
        SourceNotFound: A symbolic link leads out of the folder.
    """
    if leads_out(local_path(uri), local_path(folder)):
        raise SourceNotFound(shown(uri), REFUSAL)
