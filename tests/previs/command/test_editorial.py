"""Write a board's timeline and read a cut of it back, by the command."""

import asyncio
from pathlib import Path

import opentimelineio as otio
import pytest
import yaml

from previs.store import FolderStore
from tests.previs.command.conftest import Call
from tests.previs.records.published import frame, manifest, put_run, shot, take

BOARD = "渔港"


def given(shot_id: str, **fields: object) -> dict[str, object]:
    return {"shot_id": shot_id, "prompt": f"雾 {shot_id}", "duration": 2} | fields


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with a board of two shots that have frames, and one that failed."""
    made = FolderStore(tmp_path / "store")
    shots = [
        shot(name, take(1, frames=(frame(name.encode()),)) if name != "SH03" else take(1, error="no"), shot=given(name))
        for name in ("SH01", "镜头二", "SH03")
    ]
    asyncio.run(put_run(made, manifest(*shots, board=BOARD, title=BOARD), (b"SH01", "镜头二".encode())))
    return made


def test_a_timeline_links_to_the_frames_of_the_store_and_a_reordered_cut_becomes_a_list(
    call: Call, store: FolderStore, tmp_path: Path
) -> None:
    done = call("timeline", BOARD, "cut.otio", "--store", store.name, "--start", "10:00:00:00")
    assert (done.code, done.err) == (0, "written: cut.otio\n")
    assert "3 shots, 144 frames at 24 fps from 10:00:00:00" in done.out
    cut = otio.adapters.read_from_file(str(tmp_path / "cut.otio"))
    [track] = cut.video_tracks()
    linked = [getattr(clip.media_reference, "target_url", None) for clip in track]
    assert [url is not None and Path(otio.url_utils.filepath_from_url(url)).is_file() for url in linked] == [
        *(True, True, False),
    ]
    assert call("timeline", BOARD, "cut.otio", "--store", store.name).code == 2

    clips = [track[1].deepcopy(), track[0].deepcopy()]
    clips[1].source_range = otio.opentime.TimeRange(duration=otio.opentime.RationalTime(36, 24))
    del track[:]
    track.extend(clips)
    otio.adapters.write_to_file(cut, str(tmp_path / "new.otio"))
    done = call("conform", BOARD, "new.otio", "--store", store.name, "--write", "new.yaml")
    assert done.code == 0
    assert "omitted: SH03" in done.out
    listed = yaml.safe_load((tmp_path / "new.yaml").read_text("utf-8"))
    assert [(one["shot_id"], one["duration"]) for one in listed["shots"]] == [("镜头二", 2), ("SH01", 1.5)]
    assert call("conform", BOARD, "new.otio", "--store", store.name, "--write", "new.yaml").code == 2


def test_what_cannot_be_linked_heard_or_written_is_said(call: Call, store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "SH01.mp4").write_bytes(b"x")
    done = call("timeline", BOARD, "cut.edl", "--store", store.name, "--media", "media")
    assert done.code == 0
    assert "note: media has no files of these shots, which are offline in the timeline: 镜头二, SH03\n" in done.err
    assert (
        call("timeline", BOARD, "cut.mov", "--store", store.name)
        .err.strip()
        .endswith(".otio, .edl, .xml, .fcpxml, .aaf")
    )
    (tmp_path / "a.wav").write_bytes(b"no sound")
    assert "--audio: a.wav" in call("timeline", BOARD, "b.otio", "--store", store.name, "--audio", "a.wav").err
    assert not (tmp_path / "b.otio").exists()
    assert "--start: 7" in call("timeline", BOARD, "b.otio", "--store", store.name, "--start", "7").err
