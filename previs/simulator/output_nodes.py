"""Where a simulated server makes its pictures and keeps its files."""

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
from previs.simulator.scene import Reading, Scene, Size

MOST_PIXELS = 64 * 1024 * 1024
"""In one batch; beyond it a prompt runs out of memory, as on a GPU."""

_SKETCH_SIZE = 256
_TINY: Size = (4, 4)


class NodeRaisedError(Exception):
    """A node failed while it ran.

    Args:
        kind: the exception's full type name, as the server tells it.
        message: what it says.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def lines(self) -> list[str]:
        """A traceback in the form of ComfyUI's."""
        places = ("execute", "get_output_data", "_async_map_node_over_list", "process_inputs")
        frames = [f'  File "ComfyUI/execution.py", line {100 + 10 * n}, in {name}\n' for n, name in enumerate(places)]
        return [*frames, f'  File "ComfyUI/nodes.py", line 1000, in run\n    raise {self.kind.rpartition(".")[2]}\n']


@dataclass(slots=True)
class OutputWriter:
    """Draws what a graph shows and saves it as the graph's output nodes say.

    Args:
        draw: whether pictures are drawn; else they are tiny, but still one for each scene.
    """

    disk: Disk
    draw: bool

    def opened(self, name: str) -> Image.Image:
        """The picture in an input file.

        Raises:
            NodeRaisedError: there is no such file, or it is no picture.
        """
        with self._file(name) as picture:
            return picture.convert("RGB")

    def size_of(self, name: str) -> Size:
        """The size of the picture in an input file; it raises as :meth:`opened` does."""
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
        """A hash of an input file's bytes; empty where there is no such file."""
        stored = self.disk.loaded(name)
        return hashlib.blake2b(stored.content, digest_size=16).hexdigest() if stored else ""

    def check_room(self, scene: Scene) -> None:
        """Refuse what no GPU would hold.

        Raises:
            NodeRaisedError: in the form of running out of memory.
        """
        if scene.size[0] * scene.size[1] * scene.batch > MOST_PIXELS:
            raise NodeRaisedError("torch.OutOfMemoryError", "Allocation on device ")

    async def sketch(self, scene: Scene) -> Callable[[float], bytes]:
        """What a sampler shows on its way: from how unclear it still is, 1 to 0, to a JPEG."""
        if not self.draw:
            constant = media.preview(Image.new("RGB", _TINY), 0)
            return lambda _: constant
        longest = max(scene.size)
        width, height = (max(1, round(side * min(1.0, _SKETCH_SIZE / longest))) for side in scene.size)
        small = await asyncio.to_thread(painter.draw, replace(scene, size=(width, height)), 0, self.opened)
        return lambda blur: media.preview(small, blur)

    async def save(self, node: Node, reading: Reading, texts: Mapping[str, Any], signature: str) -> dict[str, Any]:
        """Make the files of an output node.

        Args:
            node: that saves.
            reading: of the node's graph.
            texts: what is written into pictures besides their pixels.
            signature: of the node; names its previews.

        Returns:
            What the node tells of its files.

        Raises:
            NodeRaisedError: a reference is no picture, the picture is too large, or the files cannot be made here.
        """
        source = next(iter(value for name in ("images", "video") if (value := node["inputs"].get(name))), None)
        if not isinstance(source, list):
            raise NodeRaisedError("NotImplementedError", f"The simulator cannot do what {node['class_type']} does.")
        scene = reading.scene(source[0])
        self.check_room(scene)
        make = _MAKERS.get(node["class_type"])
        if make is None:
            raise NodeRaisedError("NotImplementedError", f"The simulator cannot do what {node['class_type']} does.")
        if not self.draw:
            return self._kept(node, make(self, scene, node, texts), signature)
        return self._kept(node, await asyncio.to_thread(make, self, scene, node, texts), signature)

    def _kept(self, node: Node, made: list[bytes], signature: str) -> dict[str, Any]:
        class_type = node["class_type"]
        folder = "temp" if class_type == "PreviewImage" else "output"
        prefix = f"ComfyUI_temp_{signature[:5]}" if folder == "temp" else str(node["inputs"]["filename_prefix"])
        ending = _ENDINGS.get(class_type, "png")
        try:
            told: dict[str, Any] = {"images": [self.disk.save(folder, prefix, ending, content) for content in made]}
        except OutsideError as outside:
            raise NodeRaisedError("Exception", str(outside)) from outside
        if class_type in _ANIMATED:
            told["animated"] = [True]
        return told

    def pictures(self, scene: Scene) -> list[Image.Image]:
        """All pictures of a batch."""
        if self.draw:
            return [painter.draw(scene, index, self.opened) for index in range(scene.batch)]
        return [media.tiny(scene, index) for index in range(scene.batch)]


def _stills(writer: OutputWriter, scene: Scene, _: Node, texts: Mapping[str, Any]) -> list[bytes]:
    if not writer.draw:
        return [media.tiny_png(scene, index, texts) for index in range(scene.batch)]
    return [media.png(painter.draw(scene, index, writer.opened), texts) for index in range(scene.batch)]


def _webp(writer: OutputWriter, scene: Scene, node: Node, texts: Mapping[str, Any]) -> list[bytes]:
    inputs = node["inputs"]
    pictures = writer.pictures(scene)
    return [media.webp(pictures, inputs["fps"], texts, lossless=inputs["lossless"], quality=inputs["quality"])]


def _apng(writer: OutputWriter, scene: Scene, node: Node, texts: Mapping[str, Any]) -> list[bytes]:
    return [media.apng(writer.pictures(scene), node["inputs"]["fps"], texts)]


def _mp4(writer: OutputWriter, scene: Scene, _: Node, texts: Mapping[str, Any]) -> list[bytes]:
    return [media.mp4(writer.pictures(scene), scene.fps, texts)]


_MAKERS = {
    "SaveImage": _stills,
    "PreviewImage": _stills,
    "SaveAnimatedWEBP": _webp,
    "SaveAnimatedPNG": _apng,
    "SaveVideo": _mp4,
}
_ENDINGS = {"SaveAnimatedWEBP": "webp", "SaveVideo": "mp4"}
_ANIMATED = frozenset({"SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveVideo"})
