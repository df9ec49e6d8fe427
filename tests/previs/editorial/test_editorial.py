"""Hand boards over to editing programs, and read cuts back: every file is read again by OpenTimelineIO."""

import hashlib
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

from previs.editorial.conform import as_list, conform
from previs.editorial.cut import CutSettings, frames_of, make_cut
from previs.editorial.files import SUFFIXES, read_timeline, write_timeline
from previs.editorial.media import find_media
from previs.editorial.reels import reel_names
from previs.errors import ShotListFaults
from previs.publishing.board_sheet import shots_of
from previs.publishing.views.sequences import sequences
from previs.publishing.views.timecode import exact_fps
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame
from previs.shots import read_shot_list

SETTINGS = CutSettings()
RATES = [24, 25, 30, 23.976, 29.97, 59.94]


def shot(shot_id: int | str, duration: float = 2.0, **fields: Any) -> ShotEntry:
    sha256 = hashlib.sha256(str(shot_id).encode()).hexdigest()
    frame = Frame(key=f"frames/{sha256[:2]}/{sha256}.png", sha256=sha256, size=3, media_type="image/png")
    take = TakeEntry(take=1, outcome="rendered", fingerprint="f" * 64, seed=2**63 + 1, frames=(frame,))
    given = {"shot_id": shot_id, "prompt": "a lamp", "duration": duration} | fields
    return ShotEntry(
        shot_id=shot_id,
        success=True,
        image_url=None,
        prompt="a lamp",
        duration=duration,
        shot=given,
        takes=(take,),
    )


def board(*shots: ShotEntry, fps: float = 24) -> Manifest:
    when = datetime(2026, 11, 29, tzinfo=UTC)
    return Manifest(
        board="night", run="r1", title="夜城", fps=fps, started=when, finished=when, workflow={}, shots=shots, number=3
    )


FILM = (
    shot("SQ010_SH010", 2.02, notes="看她的眼睛"),
    shot("SQ010_SH020", 1.5, dialogue="MEI: Wait!"),
    shot("镜头三", 3),
    shot(4, 0.5),
)


def clips(cut: otio.schema.Timeline) -> list[tuple[str, int]]:
    return [(clip.name, round(clip.trimmed_range().duration.value)) for clip in cut.find_clips()]


def written(made: Manifest, path: Path, settings: CutSettings = SETTINGS) -> Path:
    path.write_bytes(write_timeline(make_cut(made, settings), path.suffix, made.fps, path.name))
    return path


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_back_as_the_board_to_the_frame(tmp_path: Path, suffix: str, fps: float) -> None:
    made = board(*FILM, fps=fps)
    media = {str(each.shot_id): tmp_path / f"{number}.mp4" for number, each in enumerate(FILM)}
    path = written(made, tmp_path / f"cut{suffix}", CutSettings(files=media))
    placed = [each for group in sequences(made) for each in group.shots]
    if suffix == ".fcpxml" and fps % 1:
        clips_in = ET.fromstring(path.read_bytes()).findall(".//spine/clip")  # noqa: S314 - our own file
        seconds = [Fraction(each.attrib["duration"].removesuffix("s")) for each in clips_in]
        assert [each * exact_fps(fps) for each in seconds] == [each.frames for each in placed]
        with pytest.raises(ShotListFaults, match="its reader loses frames"):
            read_timeline(path, fps)
        return
    read = read_timeline(path, fps)
    assert clips(read) == [(str(each.shot.shot_id), each.frames) for each in placed]
    urls = [clip.media_reference.target_url.rpartition("/")[2] for clip in read.find_clips()]
    assert urls == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    if suffix in (".otio", ".xml", ".aaf"):
        assert read.global_start_time.to_seconds() == pytest.approx(3600 * round(fps) / fps, rel=1e-4)


def test_an_edl_begins_at_its_timecode_and_names_each_reel_once(tmp_path: Path) -> None:
    text = written(board(*FILM), tmp_path / "cut.edl").read_text("utf-8")
    events = [line.split() for line in text.splitlines() if line[:3].isdigit()]
    assert [event[1] for event in events] == ["Q010SH010"[-8:], "010SH020", "S0000003", "4"]
    assert [event[-2:] for event in events][:2] == [
        ["01:00:00:00", "01:00:02:00"],
        ["01:00:02:00", "01:00:03:12"],
    ]
    assert "* FROM CLIP NAME:  镜头三" in text


def test_an_fcpxml_has_the_frame_rate_and_the_start_of_the_board(tmp_path: Path) -> None:
    text = written(board(*FILM, fps=23.976), tmp_path / "cut.fcpxml").read_text("utf-8")
    assert 'frameDuration="1001/24000s"' in text
    assert 'tcStart="18018/5s"' in text


@pytest.mark.parametrize("suffix", [".edl", ".xml", ".fcpxml"])
def test_a_rate_that_a_format_lacks_is_a_fault_that_names_others(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ShotListFaults, match=r"12: .* has no such frame rate: write .otio or .aaf"):
        written(board(*FILM, fps=12), tmp_path / f"cut{suffix}")
    assert clips(read_timeline(written(board(*FILM, fps=12), tmp_path / "cut.otio"), 12))[0] == ("SQ010_SH010", 24)


def test_notes_and_dialogue_are_markers_and_what_the_shot_was_made_from_is_kept(tmp_path: Path) -> None:
    read = read_timeline(written(board(*FILM), tmp_path / "cut.otio"), 24)
    first, second, *_ = read.find_clips()
    assert [(each.name, each.comment) for each in first.markers] == [("notes", "看她的眼睛")]
    assert [(each.name, each.comment) for each in second.markers] == [("dialogue", "MEI: Wait!")]
    known = first.metadata["previs"]
    assert (known["shot_id"], known["take"], known["seed"]) == ("SQ010_SH010", 1, str(2**63 + 1))
    assert dict(read.metadata["previs"]) == {"board": "night", "run": "r1", "number": 3}


def test_sound_is_a_track_that_ends_with_the_film_or_with_the_file(tmp_path: Path) -> None:
    for seconds, frames in ((100.0, 168), (2.0, 48)):
        made = board(*FILM)
        cut = make_cut(made, CutSettings(audio=(tmp_path / "scratch.wav", seconds)))
        [sound] = cut.audio_tracks()
        assert round(sound[0].trimmed_range().duration.value) == frames


@given(st.lists(st.text(min_size=1, max_size=12), max_size=60))
def test_reels_are_unique_and_have_up_to_eight_letters_and_digits(labels: list[str]) -> None:
    names = list(reel_names(labels))
    assert len(set(names)) == len(labels)
    assert all(1 <= len(name) <= 8 and name.isascii() and name.isalnum() for name in names)


@pytest.mark.parametrize("given_start", ["1:2:3", "01:00:00:24", "01:60:00:00", "x"])
def test_a_start_that_is_no_timecode_is_a_fault(given_start: str) -> None:
    with pytest.raises(ShotListFaults, match=r"--start: .*give hours, minutes, seconds and frames at 24 fps"):
        frames_of(given_start, Fraction(24))


def test_media_are_the_films_of_the_shots_or_else_the_frames_that_were_pulled(tmp_path: Path) -> None:
    made = board(*FILM)
    for name in ("SQ010_SH010.mp4", "SQ010_SH020_t01.png", "4_t01.png", "4.mov"):
        (tmp_path / name).write_bytes(b"x")
    found = find_media(made, tmp_path)
    assert {label: path.name for label, path in found.files.items()} == {
        "SQ010_SH010": "SQ010_SH010.mp4",
        "SQ010_SH020": "SQ010_SH020_t01.png",
        "4": "4.mov",
    }
    assert found.notices == (f"{tmp_path} has no files of these shots, which are offline in the timeline: 镜头三",)
    with pytest.raises(ShotListFaults, match="--media"):
        find_media(made, tmp_path / "nowhere")


def reordered(cut: otio.schema.Timeline, order: list[int]) -> otio.schema.Timeline:
    """Return a cut with its clips in another order; some may come twice."""
    made = cut.deepcopy()
    [track] = made.video_tracks()
    copies = [track[place].deepcopy() for place in order]
    del track[:]
    track.extend(copies)
    return made


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_editors_cut_becomes_a_list_in_its_order_with_its_durations(tmp_path: Path, suffix: str) -> None:
    made = board(*FILM)
    cut = reordered(make_cut(made), [2, 0, 3])
    [track] = cut.video_tracks()
    track[0].source_range = TimeRange(RationalTime(0, 24), RationalTime(30, 24))
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(write_timeline(cut, suffix, 24, path.name))
    found = conform(made, read_timeline(path, 24), 24)
    assert [(use.shot_id, use.was, use.frames) for use in found.uses] == [
        ("镜头三", 72, 30),
        ("SQ010_SH010", 48, 48),
        (4, 12, 12),
    ]
    assert (found.omitted, found.unknown, found.notices) == (("SQ010_SH020",), (), ())
    listed, _ = shots_of(made, "the board")
    again = read_shot_list(as_list(found, listed.given(), 24), name="the cut")
    assert [(one.shot_id, one.duration) for one in again.shots] == [("镜头三", 1.25), ("SQ010_SH010", 2.02), (4, 0.5)]
    assert again.shots[1].notes == "看她的眼睛"


def test_what_a_cut_has_twice_or_from_elsewhere_is_named() -> None:
    made = board(*FILM, shot("4-2"))
    cut = reordered(make_cut(made), [3, 3, 0])
    [track] = cut.video_tracks()
    stranger = otio.schema.Clip("credits", source_range=TimeRange(RationalTime(0, 24), RationalTime(48, 24)))
    track.insert(2, stranger)
    track.insert(3, otio.schema.Gap(duration=RationalTime(24, 24)))
    track[0].effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    found = conform(made, cut, 24)
    assert [use.shot_id for use in found.uses] == [4, "4-3", "SQ010_SH010"]
    assert found.omitted == ("SQ010_SH020", "镜头三", "4-2")
    assert found.unknown == ("credits (48 frames at 00:00:01:00)",)
    assert [notice.partition(":")[0] for notice in found.notices] == [
        "used more than once, so later uses are shots of their own",
        "1 gap of the cut left out",
        "changes of speed are left out",
    ]


def test_a_cut_at_another_rate_is_read_in_seconds() -> None:
    found = conform(board(*FILM, fps=25), make_cut(board(*FILM, fps=24)), 25)
    assert [use.frames for use in found.uses] == [50, 38, 75, 12]
    assert found.notices == ("the cut is at 24 fps, the board at 25: lengths are rounded to its frames",)


def test_a_shot_is_found_by_its_file_where_a_program_kept_nothing_else() -> None:
    track = otio.schema.Track("V1", kind="Video")
    media = otio.schema.ExternalReference("file:///Volumes/film/SQ010_SH020.mp4")
    span = TimeRange(RationalTime(0, 24), RationalTime(24, 24))
    track.append(otio.schema.Clip("Clip 1", media, span))
    cut = otio.schema.Timeline("x", tracks=[track])
    assert [use.shot_id for use in conform(board(*FILM), cut, 24).uses] == ["SQ010_SH020"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.mov", b"x", "a cut is read from .otio, .edl"),
        ("cut.otio", b"{}", "it has 0 timelines"),
        ("cut.otio", b"{", "it cannot be read as .otio"),
        ("cut.edl", b"\x00\xff", "it cannot be read as .edl"),
        ("cut.xml", b"<xmeml><sequence>", "it cannot be read as .xml"),
        ("cut.xml", b"<a/>", "cut.xml"),
        ("cut.fcpxml", b"<fcpxml/>", "cut.fcpxml"),
        ("cut.aaf", b"no aaf", "it is no AAF file"),
    ],
)
def test_a_file_that_is_no_cut_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ShotListFaults, match=message):
        conform(board(*FILM), read_timeline(path, 24), 24)
    with pytest.raises(ShotListFaults, match="there is no such file"):
        read_timeline(tmp_path / "none.otio", 24)


def test_a_board_without_time_and_a_cut_of_another_board_are_faults() -> None:
    with pytest.raises(ShotListFaults, match="no shot has a duration"):
        make_cut(board())
    with pytest.raises(ShotListFaults, match="it has none of the 1 shots of the board"):
        conform(board(shot("other")), make_cut(board(*FILM)), 24)
