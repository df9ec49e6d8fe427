"""Write and read timelines in the formats of editing programs, through the adapters of OpenTimelineIO.

``.otio`` is read by Resolve, Kdenlive and others, ``.edl`` (CMX 3600) by nearly all, ``.xml`` (Final Cut Pro 7) by
Premiere and Resolve, ``.fcpxml`` by Final Cut Pro X, ``.aaf`` by Media Composer.
"""

import tempfile
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

from aaf2.exceptions import AAFError
from opentimelineio import adapters
from opentimelineio.exceptions import OTIOError
from opentimelineio.schema import Gap, Timeline

from previs.errors import Fault, ShotListFaults
from previs.publishing.views.timecode import exact_fps

SUFFIXES: Final = (".otio", ".edl", ".xml", ".fcpxml", ".aaf")
LARGEST: Final = 50_000_000
"""Bytes of a cut that is read."""

_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_FIXED_RATES: Final = (".edl", ".xml", ".fcpxml")
# The rates of SMPTE timecodes, as the adapters know them.
_RATES: Final = tuple(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 60)
)
# What the adapters raise for a file that is not theirs.
_UNREADABLE: Final = (
    *(OTIOError, AAFError, ET.ParseError, ValueError, TypeError, AttributeError, LookupError, NotImplementedError),
    *(ArithmeticError, AssertionError, OSError, RuntimeError, EOFError),
)


def write_timeline(made: Timeline, suffix: str, fps: float, name: str) -> bytes:
    """Return a timeline in the format of a file name suffix.

    Args:
        made: Timeline of :func:`previs.editorial.cut.make_cut`.
        suffix: One of :data:`SUFFIXES`.
        fps: Frames per second of the board.
        name: Name of the file in faults.

    Raises:
        ShotListFaults: The format has no such frame rate.
    """
    rate = exact_fps(fps)
    if suffix in _FIXED_RATES and rate not in _RATES:
        remedy = f"{suffix} has no such frame rate: write .otio or .aaf"
        raise ShotListFaults(name, (Fault("the list", "fps", f"{float(rate):g}", remedy),))
    with _quiet():
        match suffix:
            case ".edl":
                return _edl(made, rate)
            case ".fcpxml":
                return _fcpxml(made, rate)
            case ".aaf":
                return _through_file(made, suffix, use_empty_mob_ids=True)
            case _:
                return _through_file(made, suffix)


def _through_file(made: Timeline, suffix: str, **options: float | bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cut{suffix}"
        adapters.write_to_file(made, str(path), **options)
        return path.read_bytes()


def _edl(made: Timeline, rate: Fraction) -> bytes:
    """Return an EDL whose record timecodes begin at the timeline's start: the adapter begins at zero."""
    shifted = made.deepcopy()
    before = Gap(duration=made.global_start_time)
    for track in shifted.tracks:
        track.insert(0, before.deepcopy())
    return _through_file(shifted, ".edl", rate=float(rate))


def _fcpxml(made: Timeline, rate: Fraction) -> bytes:
    """Return an FCPXML with the frame durations and the start that the adapter leaves out."""
    root = ET.fromstring(_through_file(made, ".fcpxml"))  # noqa: S314 - our own file
    frame = 1 / rate
    for each in root.iter("format"):
        each.set("frameDuration", f"{frame.numerator}/{frame.denominator}s")
    start = frame * round(made.global_start_time.value)
    for each in root.iter("sequence"):
        each.set("tcStart", f"{start.numerator}/{start.denominator}s")
        each.set("tcFormat", "NDF")
    ET.indent(root)
    content: bytes = ET.tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n' + content


def read_timeline(path: Path, fps: float) -> Timeline:
    """Read an editor's cut.

    Args:
        path: File in one of the formats.
        fps: Frames per second of the board, for an EDL, which does not say its own.

    Raises:
        ShotListFaults: It cannot be read as a timeline.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _refused(path, f"a cut is read from {', '.join(SUFFIXES)}")
    rate = exact_fps(fps)
    if suffix == ".fcpxml" and rate.denominator != 1:
        raise _refused(path, f"at {float(rate):.3f} fps its reader loses frames: export .xml, .edl or .otio")
    try:
        _check_start(path, suffix)
        options = {"rate": float(rate)} if suffix == ".edl" else {}
        with _quiet():
            read = adapters.read_from_file(str(path), **options)
    except FileNotFoundError as error:
        raise _refused(path, "there is no such file") from error
    except _UNREADABLE as error:
        raise _refused(path, f"it cannot be read as {suffix}: export it again, or in another format") from error
    timelines = [read] if isinstance(read, Timeline) else _timelines(read)
    if len(timelines) != 1:
        raise _refused(path, f"it has {len(timelines)} timelines: export one sequence")
    return timelines[0]


def _check_start(path: Path, suffix: str) -> None:
    with path.open("rb") as file:
        start = file.read(len(_COMPOUND_FILE))
        if file.seek(0, 2) > LARGEST:
            raise _refused(path, f"it has more than {LARGEST:,} bytes")
    if suffix == ".aaf" and start != _COMPOUND_FILE:
        raise _refused(path, "it is no AAF file")


def _timelines(read: object) -> list[Timeline]:
    find = getattr(read, "find_children", None)
    return list(find(descended_from_type=Timeline)) if find else []


def _refused(path: Path, remedy: str) -> ShotListFaults:
    return ShotListFaults(str(path), (Fault("the cut", "", "", remedy),))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warnings of adapters, which name their own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
