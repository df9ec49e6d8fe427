"""Encode an MP4: H.264, AAC, and subtitles as a track."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from previs.animatic.messages import BYTES_OF_SAMPLE, SAMPLE_RATE
from previs.animatic.planes import Band, Layout, Planes
from previs.animatic.subtitles import Subtitle

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.subtitles.stream import SubtitleStream
    from av.video.stream import VideoStream

_THREADS: Final = 2
_QUALITY: Final = "18"
_SOUND_BITS: Final = 160_000
_SECONDS_BETWEEN_KEYS: Final = 5
# Frames of an animatic are equal for seconds, which every preset writes in a few bytes; most of x264's time goes into
# comparing them. The fastest preset, with the deblocking that it leaves out, takes half the time of the next one for
# stills, and its files are as large.
_PRESET: Final = "ultrafast"
_X264: Final = "no-deblock=0:bframes=0:ref=1:rc-lookahead=0:scenecut=0"
# Units of time in a second of which a frame at every usual rate has a whole number; FFmpeg's own are milliseconds.
_TIMESCALE: Final = 240_000
_AAC_SAMPLES: Final = 1024
_LANGUAGES: Final = {"zh": "zho", "en": "eng"}
_MOST_SUBTITLE: Final = 0xFFFF
# What mov_text takes its usual style from; FFmpeg needs it before it writes a track.
_STYLE: Final = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


class Movie:
    """Write an MP4, frame by frame; nothing is kept of those that were written.

    Args:
        path: File to write; an existing one is replaced.
        size: Width and height in pixels, both even.
        fps: Frames per second.
        title: Title in the file; empty for none.
        has_sound: Whether it has a sound track.
        texts: Subtitles of its track; none if there are none.
        lang: Language of the subtitles, ``en`` or ``zh``.

    Raises:
        OSError: The file cannot be written; also from all methods.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: Fraction,
        *,
        title: str = "",
        has_sound: bool = False,
        texts: Sequence[Subtitle] = (),
        lang: str = "en",
    ) -> None:
        self._fps, self._texts = fps, list(texts)
        options = {"movflags": "+faststart", "movie_timescale": str(_TIMESCALE)}
        self._file: OutputContainer = av.open(str(path), "w", format="mp4", options=options)
        if title:
            self._file.metadata["title"] = title
        self._video = self._video_stream(size)
        self._sound = self._sound_stream() if has_sound else None
        self._titles = self._subtitle_stream(lang) if texts else None
        self._file.start_encoding()
        self._frame = av.VideoFrame(*size, "yuv420p")
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE, frame_size=_AAC_SAMPLES)
        self._frames = self._samples = 0

    @property
    def layout(self) -> Layout:
        """Return the layout of the film's frames."""
        return Layout.of(self._frame)

    def place(self, picture: Planes | Band) -> None:
        """Make planes, or lines, those of the next frames."""
        picture.write(self._frame)

    def show(self, *, is_cut: bool) -> None:
        """Write the placed frame once more; a cut begins with a frame that needs no other."""
        self._frame.pts, self._frame.time_base = self._frames, 1 / self._fps
        self._frame.pict_type = PictureType.I if is_cut else PictureType.NONE
        self._frames += 1
        self._file.mux(self._video.encode(self._frame))
        while self._texts and self._texts[0].start < self._frames:
            self._write_subtitle(self._texts.pop(0))

    def sound(self, content: bytes) -> None:
        """Write samples of 16 bits in two channels, 48,000 in a second."""
        if self._sound is None:
            return
        samples = len(content) // BYTES_OF_SAMPLE
        frame = av.AudioFrame(format="s16", layout="stereo", samples=samples)
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        frame.planes[0].update(content.ljust(frame.planes[0].buffer_size, b"\0"))
        self._samples += samples
        self._write_sound(self._resampler.resample(frame))

    def close(self) -> None:
        """Write what the encoders hold, and the index before all else."""
        try:
            self._file.mux(self._video.encode(None))
            if self._sound is not None:
                self._write_sound(self._resampler.resample(None))
                self._file.mux(self._sound.encode(None))
        finally:
            self._file.close()

    def _write_sound(self, frames: Sequence[av.AudioFrame]) -> None:
        assert self._sound is not None  # noqa: S101 - both callers know
        for frame in frames:
            self._file.mux(self._sound.encode(frame))

    def _write_subtitle(self, subtitle: Subtitle) -> None:
        # A sample of 3GPP timed text is its length and its text; through FFmpeg's encoder, braces would be commands.
        text = subtitle.text.encode()[:_MOST_SUBTITLE].decode("utf-8", "ignore").encode()
        packet = av.Packet(len(text).to_bytes(2) + text)
        assert self._titles is not None  # noqa: S101 - there is a track if there are texts
        packet.stream = self._titles
        start, end = (round(frame * _TIMESCALE / self._fps) for frame in (subtitle.start, subtitle.end))
        packet.time_base = Fraction(1, _TIMESCALE)
        packet.pts = packet.dts = start
        packet.duration = end - start
        packet.is_keyframe = True
        self._file.mux(packet)

    def _video_stream(self, size: tuple[int, int]) -> "VideoStream":
        # forced-idr: a player and an editor can start at each cut.
        options = {"preset": _PRESET, "crf": _QUALITY, "forced-idr": "1", "x264-params": _X264}
        stream = self._file.add_stream("libx264", rate=self._fps, options=options)
        context = stream.codec_context
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = 1 / self._fps
        context.gop_size = max(round(self._fps * _SECONDS_BETWEEN_KEYS), 1)
        context.thread_count = _THREADS
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        return stream

    def _sound_stream(self) -> "AudioStream":
        stream = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        stream.codec_context.bit_rate = _SOUND_BITS
        return stream

    def _subtitle_stream(self, lang: str) -> "SubtitleStream":
        stream = self._file.add_stream("mov_text")
        stream.codec_context.subtitle_header = _STYLE
        stream.codec_context.time_base = stream.time_base = Fraction(1, _TIMESCALE)
        stream.metadata["language"] = _LANGUAGES.get(lang, "und")
        return stream
