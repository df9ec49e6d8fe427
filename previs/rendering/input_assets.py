"""Prepare the pictures that takes are made from for servers, and keep them so that a take can be made again."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from previs.comfyui.client.uploads import Upload
from previs.errors import SourceUnavailable
from previs.pictures import upright_png_or_jpeg
from previs.planning.plan import UPLOAD_FOLDER, PlannedTake, ReferenceImage
from previs.records.takes import Frame, InputPicture
from previs.store import Store, keys


@dataclass(frozen=True, slots=True)
class InputAssets:
    """Keep the pictures of one run's takes, each in the store once."""

    store: Store
    _kept: dict[str, InputPicture] = field(default_factory=dict)

    async def uploads(self, take: PlannedTake) -> list[Upload]:
        """Return the files that a server needs before it renders a take.

        Raises:
            SourceUnavailable: The frame of another shot is missing from the store, or is another file.
            NotAPicture: Such a frame cannot be read as a picture.
        """
        given = [(picture.name, picture.content) for picture in take.pictures.values()]
        frames = [(name, await self._content(frame)) for name, frame in take.frames.items()]
        return [
            Upload(name, name.removeprefix(f"{UPLOAD_FOLDER}/"), UPLOAD_FOLDER, content)
            for name, content in [*given, *frames]
        ]

    async def keep(self, take: PlannedTake) -> tuple[InputPicture, ...]:
        """Store the pictures that a take is made from, and return them for its record."""
        given = [await self._keep(picture) for picture in take.pictures.values()]
        frames = [
            InputPicture(name=name, key=frame.key, sha256=frame.sha256, size=frame.size)
            for name, frame in take.frames.items()
        ]
        return (*given, *frames)

    async def _content(self, frame: Frame) -> bytes:
        content = await self.store.get(frame.key)
        if content is None or await asyncio.to_thread(_digest, content) != frame.sha256:
            raise SourceUnavailable(frame.key, "the frame of another shot is missing from the store, or was replaced")
        upright, _ = await asyncio.to_thread(upright_png_or_jpeg, content, uri=frame.key)
        return upright

    async def _keep(self, picture: ReferenceImage) -> InputPicture:
        if picture.name not in self._kept:
            digest = await asyncio.to_thread(_digest, picture.content)
            key = keys.input_key(digest, picture.suffix)
            media_type = "image/jpeg" if picture.suffix == ".jpg" else "image/png"
            if not await self.store.create(key, picture.content, media_type=media_type):
                # The key is made of the content's hash, so an existing object is equal or damaged.
                await self.store.put(key, picture.content, media_type=media_type)
            self._kept[picture.name] = InputPicture(
                name=picture.name, key=key, sha256=digest, size=len(picture.content)
            )
        return self._kept[picture.name]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
