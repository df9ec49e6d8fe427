"""Make the files of output nodes: draw the graph's pictures, encode them, and save them."""

import asyncio
import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, UnidentifiedImageError

from previs.comfyui.protocol.graph import Node
from previs.simulator import media, painter
from previs.simulator.disk import Disk, OutsideError
from previs.simulator.faults import Faults
from previs.simulator.scene import Reading, Scene, Size

MOST_PIXELS = 64 * 1024 * 1024
"""Maximum of pixels in one batch; a larger one runs out of memory, as on a GPU."""

_SKETCH_SIZE = 256
_TINY: Size = (4, 4)
_BLACK, _GREY = 0x000000, 0x7F7F7F


class NodeRaisedError(Exception):
    """Report that a node failed while it ran, with the full type name of the exception and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def lines(self) -> list[str]:
        """Return a traceback in ComfyUI's form."""
        names = ("execute", "get_output_data", "_async_map_node_over_list", "process_inputs")
        frames = [f'  File "ComfyUI/execution.py", line {100 + 10 * n}, in {name}\n' for n, name in enumerate(names)]
        return [*frames, f'  File "ComfyUI/nodes.py", line 1000, in run\n    raise {self.kind.rpartition(".")[2]}\n']


@dataclass(slots=True)
class OutputWriter:
    """Draw the pictures of a graph and save them as its output nodes say.

    Without ``draw`` they are tiny, and differ by scene.
    """

    disk: Disk
    draw: bool
    faults: Faults

    def opened(self, name: str) -> Image.Image:
        """Return the picture in an input file; raise NodeRaisedError if it does not exist or is not a picture."""
        with self._file(name) as picture:
            return picture.convert("RGB")

    def size_of(self, name: str) -> Size:
        """Return the size of the picture in an input file; raise as :meth:`opened` does."""
        with self._file(name) as picture:
            return picture.size

    @contextlib.contextmanager
    def _file(self, name: str) -> Iterator[Image.Image]:
        stored = self.disk.loaded(name)
        if stored is None:
            raise NodeRaisedError("FileNotFoundError", f"[Errno 2] No such file or directory: 'input/{name}'")
        try:
            with Image.open(io.BytesIO(stored.content)) as picture:
                yield picture
        except (UnidentifiedImageError, SyntaxError, ValueError, OSError, Image.DecompressionBombError) as broken:
            message = f"cannot identify image file 'input/{name}'\n"
            raise NodeRaisedError("PIL.UnidentifiedImageError", message) from broken

    def file_hash(self, name: str) -> str:
        """Return the hash of an input file's bytes; empty if the file does not exist."""
        stored = self.disk.loaded(name)
        return hashlib.blake2b(stored.content, digest_size=16).hexdigest() if stored else ""

    def check_memory(self, scene: Scene) -> None:
        """Raise NodeRaisedError for a batch that no GPU could hold."""
        if scene.size[0] * scene.size[1] * scene.batch > MOST_PIXELS:
            raise NodeRaisedError("torch.OutOfMemoryError", "Allocation on device ")

    async def sketch(self, scene: Scene) -> Callable[[float], bytes]:
        """Return a function that makes a sampler's preview, a JPEG, from the noise left, 1 to 0."""
        if not self.draw:
            constant = media.preview(Image.new("RGB", _TINY), 0)
            return lambda _: constant
        longest = max(scene.size)
        width, height = (max(1, round(side * min(1.0, _SKETCH_SIZE / longest))) for side in scene.size)
        small = await asyncio.to_thread(painter.draw, replace(scene, size=(width, height)), 0, self.opened)
        return lambda blur: media.preview(small, blur)

    async def save(self, node: Node, reading: Reading, texts: Mapping[str, Any], signature: str) -> dict[str, Any]:
        """Make the files of an output node, and return them as the node reports them.

        ``texts`` is the metadata to write into the files; the node's signature names its previews.

        Raises:
            NodeRaisedError: A reference is not a picture, the batch is too large, or the simulator does not support
                the node.
        """
        source = next(iter(value for name in ("images", "video") if (value := node["inputs"].get(name))), None)
        encode = _ENCODERS.get(node["class_type"])
        if encode is None or not isinstance(source, list):
            raise NodeRaisedError("NotImplementedError", f"The simulator does not support {node['class_type']}.")
        scene = self._spoiled(reading.scene(source[0]))
        self.check_memory(scene)
        if not self.draw:
            return self._stored(node, encode(self, scene, node, texts), signature)
        return self._stored(node, await asyncio.to_thread(encode, self, scene, node, texts), signature)

    def _spoiled(self, scene: Scene) -> Scene:
        """Return the picture as the faults make it."""
        if self.faults.use("same_frames"):
            scene = replace(scene, seed=0)
        if self.faults.use("wrong_sizes"):
            width, height = scene.size
            scene = replace(scene, size=(height, width) if width != height else (width, max(width // 2, 1)))
        if self.faults.use("frozen_films"):
            scene = replace(scene, frozen=True)
        for fault, color in (("black_frames", _BLACK), ("grey_frames", _GREY)):
            if self.faults.use(fault):
                scene = replace(scene, flat=color)
        return scene

    def _stored(self, node: Node, made: list[bytes], signature: str) -> dict[str, Any]:
        class_type = node["class_type"]
        folder = "temp" if class_type == "PreviewImage" else "output"
        prefix = f"ComfyUI_temp_{signature[:5]}" if folder == "temp" else str(node["inputs"]["filename_prefix"])
        extension = _EXTENSIONS.get(class_type, "png")
        try:
            files = [self.disk.save(folder, prefix, extension, content) for content in made]
        except OutsideError as outside:
            raise NodeRaisedError("Exception", str(outside)) from outside
        return {"images": files, **({"animated": [True]} if class_type in _ANIMATED else {})}

    def pictures(self, scene: Scene) -> list[Image.Image]:
        """Return all pictures of a batch."""
        if scene.frozen and scene.batch > 1:
            return self.pictures(replace(scene, batch=1)) * scene.batch
        if scene.flat is not None:
            return [painter.flat(scene.size, scene.flat)] * scene.batch
        if self.draw:
            return [painter.draw(scene, index, self.opened) for index in range(scene.batch)]
        return [media.tiny(scene, index) for index in range(scene.batch)]


def _stills(writer: OutputWriter, scene: Scene, _: Node, texts: Mapping[str, Any]) -> list[bytes]:
    if not writer.draw and scene.flat is None:
        return [media.tiny_png(scene, index, texts) for index in range(scene.batch)]
    return [media.png(picture, texts) for picture in writer.pictures(scene)]


def _webp(writer: OutputWriter, scene: Scene, node: Node, texts: Mapping[str, Any]) -> list[bytes]:
    inputs = node["inputs"]
    pictures = writer.pictures(scene)
    return [media.webp(pictures, inputs["fps"], texts, lossless=inputs["lossless"], quality=inputs["quality"])]


def _apng(writer: OutputWriter, scene: Scene, node: Node, texts: Mapping[str, Any]) -> list[bytes]:
    return [media.apng(writer.pictures(scene), node["inputs"]["fps"], texts)]


def _mp4(writer: OutputWriter, scene: Scene, _: Node, texts: Mapping[str, Any]) -> list[bytes]:
    return [media.mp4(writer.pictures(scene), scene.fps, texts)]


_ENCODERS = {
    "SaveImage": _stills,
    "PreviewImage": _stills,
    "SaveAnimatedWEBP": _webp,
    "SaveAnimatedPNG": _apng,
    "SaveVideo": _mp4,
}
_EXTENSIONS = {"SaveAnimatedWEBP": "webp", "SaveVideo": "mp4"}
_ANIMATED = frozenset({"SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveVideo"})
