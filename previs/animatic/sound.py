"""Join the scratch sound of a film: one file for the whole film, and one for each shot, cut at its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av

from previs.animatic.decoder import Decoder, Undecodable, sound_request
from previs.animatic.messages import BYTES_OF_SAMPLE, SAMPLE_RATE

_BLOCK: Final = SAMPLE_RATE
"""Samples that are mixed at a time."""


@dataclass(frozen=True, slots=True)
class SoundFile:
    """Hold a file with sound.

    Attributes:
        name: Name for people.
        path: Path of the file.
        reader: FFmpeg's reader of its format.
    """

    name: str
    path: Path
    reader: str


class _Source:
    """Give out the samples of one file in pieces of any length, then silence."""

    def __init__(self, decoder: Decoder, file: SoundFile, samples: int) -> None:
        self.file, self.reason = file, ""
        self._decoder = decoder
        self._answer: Iterator[tuple[int, bytes]] | None = None
        self._left = bytearray()
        decoder.ask(sound_request(file.path, file.reader, samples))
        self.heard = 0

    def take(self, samples: int) -> bytes:
        wanted = samples * BYTES_OF_SAMPLE
        if self._answer is None:
            self._answer = self._decoder.answer()
        try:
            while len(self._left) < wanted:
                _, content = next(self._answer)
                self._left += content
        except StopIteration:
            pass
        except Undecodable as error:
            self.reason = str(error)
            self._answer = iter(())
        made = bytes(self._left[:wanted])
        del self._left[:wanted]
        self.heard += len(made) // BYTES_OF_SAMPLE
        return made.ljust(wanted, b"\0")

    def drain(self) -> None:
        """Read what is left of the answer, which is at most a frame of the format."""
        for _ in self._answer or ():
            pass


class Sounds:
    """Join the sounds of a film in the order of its time.

    Args:
        fps: Frames per second of the film.
        frames: Number of its frames.
        whole: Sound for the whole film, from its start; cut at its end.
    """

    def __init__(self, fps: Fraction, frames: int, whole: SoundFile | None) -> None:
        self._fps, self._done = fps, 0
        self._of_film, self._of_shots = Decoder(), Decoder()
        self._whole = _Source(self._of_film, whole, self._at(frames)) if whole else None
        self._mixer: tuple[av.filter.Graph, list[av.filter.FilterContext]] | None = None
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the decoders."""
        self._of_film.close()
        self._of_shots.close()

    def until(self, frame: int, file: SoundFile | None) -> Iterator[bytes]:
        """Yield the samples up to the start of a frame, with those of a file for this part of the film."""
        end = self._at(frame)
        source = _Source(self._of_shots, file, end - self._done) if file else None
        while self._done < end:
            count = min(end - self._done, _BLOCK)
            parts = [each.take(count) for each in (self._whole, source) if each]
            yield self._mixed(parts) if len(parts) > 1 else (parts or [bytes(count * BYTES_OF_SAMPLE)])[0]
            self._done += count
        if source is not None:
            source.drain()
            if source.reason:
                self.faults.append(f"the sound {source.file.name} is not heard: {source.reason}")

    def finish(self) -> list[str]:
        """Return sentences on what is not heard."""
        if self._whole is not None and (self._whole.reason or not self._whole.heard):
            reason = self._whole.reason or "it has no sound"
            self.faults.append(f"the sound {self._whole.file.name} is not heard: {reason}")
        return self.faults

    def _at(self, frame: int) -> int:
        return round(frame * SAMPLE_RATE / self._fps)

    def _mixed(self, parts: list[bytes]) -> bytes:
        """Return the sum of two sounds of one length; louder than 16 bits hold, it is cut."""
        if self._mixer is None:
            self._mixer = _mixer()
        graph, inputs = self._mixer
        for node, content in zip(inputs, parts, strict=True):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=len(content) // BYTES_OF_SAMPLE)
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._done, Fraction(1, SAMPLE_RATE)
            frame.planes[0].update(content.ljust(frame.planes[0].buffer_size, b"\0"))
            node.push(frame)
        mixed = bytearray()
        while len(mixed) < len(parts[0]):
            pulled = graph.pull()
            assert isinstance(pulled, av.AudioFrame)  # noqa: S101 - the graph is of sound
            mixed += bytes(pulled.planes[0])[: pulled.samples * BYTES_OF_SAMPLE]
        return bytes(mixed)


def _mixer() -> tuple[av.filter.Graph, list[av.filter.context.FilterContext]]:
    """Return a graph that adds two sounds, and its inputs."""
    graph = av.filter.Graph()
    inputs = [graph.add_abuffer(sample_rate=SAMPLE_RATE, format="s16", layout="stereo") for _ in range(2)]
    mix = graph.add("amix", "inputs=2:normalize=0")
    for number, each in enumerate(inputs):
        each.link_to(mix, 0, number)
    graph.link_nodes(mix, graph.add("aformat", "sample_fmts=s16"), graph.add("abuffersink"))
    graph.configure()
    return graph, inputs
