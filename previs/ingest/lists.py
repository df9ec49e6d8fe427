"""Read shot lists by path or URL, or inline."""

import asyncio
from dataclasses import replace

from previs.errors import SourceNotFound
from previs.ingest.bases import Base, base_at, inline_base
from previs.ingest.looks import LoadedList, load_looks
from previs.ingest.reader import SourceReader
from previs.shots import Notation, ShotList, plain_json, read_shot_list
from previs.store import Store, keys
from previs.store.addresses import sheet_export, shown

INLINE_LIST = "the shot list"
_START_BYTES = 1_000
_NOT_SHARED = 'Google asks for a login: share the sheet with "anyone with the link", or download it as .xlsx'


async def load_list(shots: object, reader: SourceReader, store: Store | None, inline: Base) -> LoadedList:
    """Return a list that was given inline, or by its path or URL, with its looks.

    Raises:
        ShotListFaults: The list has faults.
        SourceNotFound, SourceUnavailable: It cannot be read.
    """
    if not isinstance(shots, str):
        return await load_looks(await asyncio.to_thread(read_inline_list, shots), inline, reader, INLINE_LIST)
    shot_list = await _read_at(shots, reader, sender=inline.sender)
    # A list that was stored because it was too large to send inline is still an inline list.
    offloaded = store is not None and shots.startswith(store.uri(keys.LISTS))
    base = inline_base(store) if offloaded else base_at(shots, inline)
    return await load_looks(shot_list, replace(base, sender=inline.sender or base.sender), reader, shown(shots))


async def read_list_at(uri: str, reader: SourceReader) -> ShotList:
    """Read a list of the operator's by its path or URL, with its looks; of a Google sheet, read its CSV.

    Raises:
        ShotListFaults: The list has faults.
        SourceNotFound, SourceUnavailable: It cannot be read.
    """
    return (await load_list(uri, reader, None, inline_base(None))).shot_list


async def _read_at(uri: str, reader: SourceReader, *, sender: bool) -> ShotList:
    export = sheet_export(uri)
    content = await reader.read(export or uri, sender=sender)
    if export and content[:_START_BYTES].lstrip().startswith(b"<"):
        raise SourceNotFound(shown(uri), _NOT_SHARED)
    media: Notation | None = "csv" if export else None
    return await asyncio.to_thread(read_shot_list, content, name=shown(uri), media=media)


def read_inline_list(shots: object) -> ShotList:
    """Read a list that was sent as models or as JSON.

    Raises:
        ShotListFaults: The list has faults.
    """
    return read_shot_list(plain_json(shots), name=INLINE_LIST)
