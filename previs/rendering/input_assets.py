"""Prepare the pictures that takes are made from for servers, and keep them so that a take can be made again."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from previs.comfyui.client.uploads import Upload
from previs.errors import FrameDamaged, SourceUnavailable
from previs.ingest import decoding
from previs.ingest.stored_files import spill_stored
from previs.pictures.spill import SpilledFile, SpillFolder
from previs.planning.plan import UPLOAD_FOLDER, PlannedTake, ReferenceImage
from previs.records.takes import Frame, InputPicture
from previs.store import Store, keys


@dataclass(frozen=True, slots=True)
class InputAssets:
    """Keep the pictures of one run's takes, each in the store once."""

    store: Store
    _kept: dict[str, InputPicture] = field(default_factory=dict)
    _frames: dict[str, SpilledFile] = field(default_factory=dict)
    _spill: SpillFolder = field(default_factory=SpillFolder)
    # A frame may have several GB.
    _one_frame: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def uploads(self, take: PlannedTake) -> list[Upload]:
        """Return the files that a server needs before it renders a take; they exist as long as it and this object.

        Raises:
            SourceUnavailable: The frame of another shot is missing from the store, or is another file.
            NotAPicture: Such a frame cannot be read as a picture.
        """
        given = [(picture.name, picture.file) for picture in take.pictures.values()]
        frames = [(name, await self._frame(frame)) for name, frame in take.frames.items()]
        return [
            Upload(name, name.removeprefix(f"{UPLOAD_FOLDER}/"), UPLOAD_FOLDER, file.path)
            for name, file in [*given, *frames]
        ]

    async def keep(self, take: PlannedTake) -> tuple[InputPicture, ...]:
        """Store the pictures that a take is made from, and return them for its record."""
        given = [await self._keep(picture) for picture in take.pictures.values()]
        frames = [
            InputPicture(name=name, key=frame.key, sha256=frame.sha256, size=frame.size)
            for name, frame in take.frames.items()
        ]
        return (*given, *frames)

    async def _frame(self, frame: Frame) -> SpilledFile:
        async with self._one_frame:
            if frame.key not in self._frames:
                stored, upright = await self._fetch(frame), self._spill.new()
                try:
                    await decoding.upright(stored.path, upright.path, uri=frame.key)
                finally:
                    await asyncio.to_thread(stored.path.unlink, missing_ok=True)
                if not self._spill.has_room(upright):
                    await asyncio.to_thread(upright.path.unlink)
                    raise SourceUnavailable(frame.key, f"frames of other shots have over {self._spill.most:,} bytes")
                self._frames[frame.key] = upright
        return self._frames[frame.key]

    async def _fetch(self, frame: Frame) -> SpilledFile:
        with contextlib.suppress(FrameDamaged):
            if stored := await spill_stored(self.store, frame, self._spill):
                return stored
        raise SourceUnavailable(frame.key, "the frame of another shot is missing from the store, or was replaced")

    async def _keep(self, picture: ReferenceImage) -> InputPicture:
        if picture.name not in self._kept:
            path = picture.file.path
            digest = await asyncio.to_thread(picture.file.digest)
            key = keys.input_key(digest, picture.suffix)
            media_type = "image/jpeg" if picture.suffix == ".jpg" else "image/png"
            await self.store.put_file(key, path, media_type=media_type, if_absent=True)
            self._kept[picture.name] = InputPicture(name=picture.name, key=key, sha256=digest, size=picture.file.size)
        return self._kept[picture.name]
