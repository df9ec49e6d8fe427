"""A film has each shot's take for exactly its frames; other programs open it."""

import asyncio
import shutil
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from previs.animatic.clips import play_film
from previs.animatic.decoder import picture_request
from previs.animatic.make import Made, Settings, make
from previs.animatic.playing import Playing
from previs.animatic.timeline import Timeline, timeline
from previs.errors import ShotListFaults, StoreRefused
from previs.records.manifest import Manifest
from previs.store import FolderStore, S3Settings, S3Store, Store
from tests.previs.animatic.films import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    board,
    boxes,
    clip,
    colours,
    loudness,
    needs_ffprobe,
    pictures,
    png,
    probed,
    runs,
    seconds,
    still,
    video,
    wav,
)
from tests.previs.records.published import put_files, sha

STILLS = {colour: png((64, 36), colour) for colour in (RED, GREEN, BLUE, WHITE)}
R, G, B, W = (still(content) for content in STILLS.values())
LONG, SHORT = clip([RED] * 24 + [GREEN] * 24, 24), clip([RED] * 4 + [BLUE] * 4, 16)
USUAL = Settings()
DIALOGUE = "MEI：等一下！这艘船今晚不开。\nTOM: {Wait} <i>now</i>"


async def film(
    store: Store, made: Manifest, path: Path, known: Sequence[bytes] = (), settings: Settings = USUAL, **plays: Any
) -> tuple[Timeline, Made]:
    """Put the files of a board into a store, and make its film."""
    frames = [frame for entry in made.shots for each in entry.takes for frame in each.frames]
    contents = {sha(each): each for each in (*STILLS.values(), LONG, SHORT, *known)}
    await put_files(store, {frame.key: contents[frame.sha256] for frame in frames})
    line = timeline(made, **plays)
    return line, await make(store, line, path, settings)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file())


@pytest.mark.smoke
async def test_each_shot_has_its_take_for_its_frames_from_any_store(any_store: Store, out: Path) -> None:
    made = board(R, video(LONG), None, video(SHORT), W, durations=(0.5, 1.5, 0.25, 1, 0.1))
    _, result = await film(any_store, made, out)
    # A clip is cut, or held on its last frame; of 16 frames a second some are shown twice.
    assert runs(colours(out)) == "R36 G12 K6 R6 B18 W2"
    assert result.faults == ()
    assert files(out.parent) == ["out.mp4"]


@needs_ffprobe
@pytest.mark.parametrize(
    ("fps", "exact"), [(24, 24), (25, 25), (23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001))]
)
async def test_ffprobe_counts_the_frames_and_times_of_the_board(
    folder_store: FolderStore, out: Path, fps: float, exact: Fraction
) -> None:
    shots = [{"dialogue": DIALOGUE}, {}, {"dialogue": "x"}]
    made = board(R, video(LONG), G, durations=(0.77, 1.013, 1.29), shots=shots, fps=fps, title="渔港", lang="zh")
    plays, result = await film(folder_store, made, out)
    found = probed(out)
    exact = Fraction(exact)
    length = seconds(plays.frames, exact)
    image, sound, text = found["video"], found["audio"], found["subtitle"]
    assert (image["codec_name"], image["pix_fmt"], image["profile"]) == ("h264", "yuv420p", "Constrained Baseline")
    assert (image["nb_read_frames"], image["nb_frames"]) == (str(plays.frames), str(plays.frames))
    assert Fraction(image["r_frame_rate"]) == Fraction(image["avg_frame_rate"]) == exact
    assert float(image["start_time"]) == float(sound["start_time"]) == 0
    for each in (image, sound, found["format"]):
        assert float(each["duration"]) == pytest.approx(length, abs=2e-5)
    assert (image["color_space"], image["color_range"]) == ("bt709", "tv")
    assert (text["codec_name"], text["tags"]["language"]) == ("mov_text", "zho")
    assert found["format"]["tags"]["title"] == "渔港"
    assert result.subtitles == 2
    assert list(boxes(out)).index("moov") < list(boxes(out)).index("mdat")


@pytest.mark.parametrize(("fps", "shown"), [(24, [6, 18]), (16, [4, 12]), (8, [2, 6]), (48, [12, 36])])
def test_a_clip_is_played_in_its_own_time(tmp_path: Path, fps: int, shown: list[int]) -> None:
    clip_of_16 = tmp_path / "clip.mp4"
    clip_of_16.write_bytes(SHORT)
    sent: list[tuple[int, bytes]] = []
    plays = timeline(board(video(SHORT), durations=(1,), fps=fps))
    request = picture_request(plays.cues[0], plays, clip_of_16)
    play_film(Playing.of(request, lambda planes, times: sent.append((times, planes))))
    # In the middle of 128 x 72 pixels, red is brighter than blue.
    grouped = groupby(sent, key=lambda part: part[1][36 * 128 + 64] > 48)
    assert [(is_red, sum(times for times, _ in parts)) for is_red, parts in grouped] == [
        (True, shown[0]),
        (False, shown[1]),
    ]


async def test_animations_play_and_their_last_frame_is_held(
    folder_store: FolderStore, out: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "a.webp"
    frames = [Image.new("RGB", (64, 36), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(saved, save_all=True, append_images=frames[1:], duration=250, lossless=True)
    content = saved.read_bytes()
    animation = still(content, "image/webp", ".webp", duration=0.75, frame_rate=4.0)
    await film(folder_store, board(animation, animation, durations=(1, 0.3)), out, (content,))
    assert runs(colours(out)) == "R6 G6 B12 R6 G1"


def bars(picture: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of a picture that is not black."""
    found = picture.convert("L").point(lambda value: 255 if value > 60 else 0).getbbox()
    assert found is not None
    return found


async def test_pictures_of_every_aspect_are_letterboxed_to_that_of_the_list(
    folder_store: FolderStore, out: Path
) -> None:
    wide, high, square = (png(size, WHITE) for size in ((256, 64), (36, 72), (200, 200)))
    clear = png((128, 72), (255, 255, 255, 0), "RGBA")
    odd = clip([WHITE] * 3, 24, size=(64, 64))
    files = (wide, high, square, odd, clear)
    made = board(*map(still, files[:3]), video(odd), still(clear), durations=[0.1] * 5)
    await film(folder_store, made, out, files)
    shown = pictures(out)[::2]
    assert [bars(each) for each in shown[:4]] == [(0, 20, 128, 52), (46, 0, 82, 72), (28, 0, 100, 72), (28, 0, 100, 72)]
    assert max(shown[4].convert("L").getextrema()) < 30


async def test_a_size_of_another_aspect_has_bars_around_the_picture(folder_store: FolderStore, out: Path) -> None:
    await film(folder_store, board(W), out, size=(128, 128))
    [picture, *_] = pictures(out)
    assert picture.size == (128, 128)
    assert bars(picture) == (0, 28, 128, 100)


async def test_a_turned_picture_is_upright(folder_store: FolderStore, out: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = png((36, 72), WHITE, exif=exif)
    await film(folder_store, board(still(turned)), out, (turned,))
    assert bars(pictures(out)[0]) == (0, 4, 128, 68)


async def test_a_cross_fade_changes_no_length(folder_store: FolderStore, out: Path) -> None:
    plays, _ = await film(folder_store, board(R, B, G, durations=(0.5, 0.5, 0.1)), out, settings=Settings(fade=0.25))
    shown = pictures(out)
    assert len(shown) == plays.frames == 26
    middle = [each.getpixel((64, 36)) for each in shown]
    reds = [pixel[0] for pixel in middle[12:20]]
    assert reds == sorted(reds, reverse=True)
    assert 100 < middle[14][0] < 180
    assert 60 < middle[14][2] < 160
    # Of a shot of two frames, one fades.
    assert middle[24][2] > 60
    assert middle[25][2] < 30


async def test_a_dissolve_of_the_list_is_a_cross_fade_of_half_a_second(folder_store: FolderStore, out: Path) -> None:
    shots = [{"transition": "DISSOLVE TO:"}, {}]
    plays, made = await film(folder_store, board(R, B, G, durations=(0.5, 1, 0.5), shots=shots), out)
    reds = [each.getpixel((64, 36))[0] for each in pictures(out)]
    assert len(reds) == plays.frames == 48
    assert reds[12:25] == sorted(reds[12:25], reverse=True)
    assert (reds[13] > 100, reds[23] < 60) == (True, True)
    assert runs(colours(out)[36:]) == "G12"
    assert made.notices == ("transitions that are shown as cross-fades: SH01 (DISSOLVE TO:)",)


async def test_a_push_comes_closer_and_a_pan_goes_along(folder_store: FolderStore, out: Path) -> None:
    content = Image.new("RGB", (256, 144), "white")
    content.paste((0, 0, 0), (96, 54, 160, 90))
    content.paste((0, 0, 0), (0, 0, 24, 144))
    saved = out.with_suffix(".png")
    content.save(saved)
    picture = still(saved.read_bytes())
    shots = [{"camera": {"movement": "推镜头"}}, {"camera": {"movement": "pan right"}}]
    await film(folder_store, board(picture, picture, shots=shots), out, (saved.read_bytes(),), moves=True)
    dark = [
        ImageChops.invert(each.convert("L")).point(lambda value: 255 if value > 128 else 0) for each in pictures(out)
    ]
    middles = [each.crop((30, 20, 98, 52)).getbbox() for each in dark]
    widths = [box[2] - box[0] for box in middles if box]
    assert widths[11] > widths[0] + 3
    assert widths[:12] == sorted(widths[:12])
    lefts = [each.crop((0, 0, 30, 10)).getbbox() for each in dark[12:]]
    assert lefts[0] is not None
    assert lefts[0][2] >= 12
    assert lefts[-1] is None


async def test_slates_show_the_time_of_each_frame_and_subtitles_are_burned_in(
    folder_store: FolderStore, out: Path
) -> None:
    made = board(W, B, shots=[{}, {"dialogue": DIALOGUE}], shot_list={"aspect": "320x180"})
    _, result = await film(folder_store, made, out, settings=Settings(slates=True, subtitling="burn"))
    shown = [each.convert("L") for each in pictures(out)]
    slate, time, lines = (0, 0, 160, 20), (200, 0, 320, 20), (0, 140, 320, 178)
    assert all(min(each.crop(box).getextrema()) < 100 for each in shown[:12] for box in (slate, time))
    changed = [ImageChops.difference(a.crop(time), b.crop(time)).getextrema()[1] for a, b in pairwise(shown)]
    assert all(each > 60 for each in changed)
    assert ImageChops.difference(shown[0].crop(slate), shown[11].crop(slate)).getextrema()[1] < 40
    assert shown[0].crop(lines).getextrema()[0] > 200
    assert shown[12].crop(lines).getextrema()[1] > 200
    assert result.srt == out.with_suffix(".srt")
    assert out.with_suffix(".srt").read_text("utf-8").startswith("1\n00:00:00,500 --> 00:00:01,000\nMEI：等一下！")


@needs_ffprobe
async def test_a_track_holds_the_dialogue_as_it_is(folder_store: FolderStore, out: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    await film(folder_store, board(R, G, shots=[{}, {"dialogue": DIALOGUE}]), out)
    words = (ffmpeg, "-v", "error", "-i", str(out), "-map", "0:s", "-f", "srt", "-")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    content, _ = await process.communicate()
    assert content.decode().replace("\r", "").strip() == f"1\n00:00:00,500 --> 00:00:01,000\n{DIALOGUE}"


async def test_without_subtitles_there_is_no_file_for_them(folder_store: FolderStore, out: Path) -> None:
    made = board(R, shots=[{"dialogue": DIALOGUE}])
    _, result = await film(folder_store, made, out, settings=Settings(subtitling="none"))
    assert (result.subtitles, result.srt) == (0, None)
    assert not out.with_suffix(".srt").exists()


async def test_sounds_are_heard_at_their_time_and_only_from_their_folder(
    folder_store: FolderStore, out: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    (folder / "rain.wav").write_bytes(wav(2))
    (folder / "deep" / "horn.wav").write_bytes(wav(0.25))
    (tmp_path / "secret.wav").write_bytes(wav(2))
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "text.wav").write_text("no sound")
    names = ["audio/rain.wav", None, "deep\\horn.wav", "../secret.wav", str(tmp_path / "secret.wav"), "link.wav"]
    names += ["text.wav", "rain, a horn", "s3://b/rain.wav", "\0"]
    made = board(*[R] * 10, shots=[{"sound": name} for name in names])
    _, result = await film(folder_store, made, out, settings=Settings(sounds=folder))
    levels = loudness(out)
    assert [level > 20 for level in levels[:6]] == [True, True, False, False, True, False]
    assert max(levels[6:20]) < 3
    [notice] = result.notices
    assert notice.startswith(f"the sounds of 6 shots are no files in {folder}: SH04 (../secret.wav), SH05 (")
    [fault] = result.faults
    assert fault.startswith("shot SH09: the sound s3://b/rain.wav: ")


async def test_the_sound_of_a_film_is_mixed_with_that_of_shots_and_of_clips(
    folder_store: FolderStore, out: Path, tmp_path: Path
) -> None:
    audio = tmp_path / "bed.wav"
    audio.write_bytes(wav(1.25, loud=0.2))
    spoken = clip([RED] * 24, 24, sound=True)
    made = board(R, video(spoken), R, R)
    await film(folder_store, made, out, (spoken,), Settings(audio=audio))
    levels = loudness(out)
    assert [round(level, -1) for level in (levels[0], levels[4], levels[6])] == [20, 20, 0]
    assert levels[2] > 55
    assert len(pictures(out)) == 48


async def test_what_is_no_sound_is_a_fault(folder_store: FolderStore, out: Path, tmp_path: Path) -> None:
    text = tmp_path / "a.wav"
    text.write_text("no sound")
    for path, why in ((text, "not WAV as its name claims"), (tmp_path / "none.wav", "No such file")):
        with pytest.raises(ShotListFaults, match=why):
            await film(folder_store, board(R), out, settings=Settings(audio=path))
    with pytest.raises(ShotListFaults, match="give the folder in which the sound files are"):
        await film(folder_store, board(R), out, settings=Settings(sounds=text))
    assert files(out.parent) == ["a.wav"]


async def test_each_shot_may_have_its_own_film(folder_store: FolderStore, out: Path, tmp_path: Path) -> None:
    own = tmp_path / "own" / "shots"
    settings = Settings(fade=0.2, shots_to=own)
    made = board(R, video(LONG), None, G, durations=(0.5, 0.25, 0.2, 0.1))
    _, result = await film(folder_store, made, out, settings=settings)
    assert [runs(colours(each)) for each in result.shots] == ["R12", "R6", "K5", "G2"]
    assert sorted(each.name for each in own.iterdir()) == [f"SH0{number}.mp4" for number in (1, 2, 3, 4)]
    with pytest.raises(ShotListFaults, match="already exists"):
        await film(folder_store, made, out.with_name("other.mp4"), settings=settings)
    assert not out.with_name("other.mp4").exists()


async def test_no_file_is_overwritten_and_none_is_left_by_a_fault(folder_store: FolderStore, out: Path) -> None:
    out.with_suffix(".srt").write_text("mine")
    made = board(R, shots=[{"dialogue": "x"}])
    with pytest.raises(ShotListFaults, match=r"(?s)out\.srt.*already exists"):
        await film(folder_store, made, out)
    assert out.with_suffix(".srt").read_text() == "mine"
    out.with_suffix(".srt").unlink()
    outside = made.model_copy(update={"shots": (made.shots[0].model_copy(update={"shot_id": "x"}),)})
    with pytest.raises(ShotListFaults, match="No such file or directory"):
        await film(folder_store, outside, out.parent / "none" / "out.mp4")
    assert files(out.parent) == []


async def test_a_film_that_is_stopped_leaves_no_file(folder_store: FolderStore, out: Path) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    await put_files(folder_store, {R.key: STILLS[RED]})
    line = timeline(board(R, durations=(600,)))
    working = asyncio.create_task(make(folder_store, line, out, report=lambda *_: loop.call_soon_threadsafe(began.set)))
    await began.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert files(out.parent) == []


async def test_progress_is_reported_up_to_the_end(folder_store: FolderStore, out: Path) -> None:
    reported: list[tuple[int, int]] = []
    await put_files(folder_store, {R.key: STILLS[RED], G.key: STILLS[GREEN]})
    line = timeline(board(R, G, durations=(2, 1.5)))
    await make(folder_store, line, out, report=lambda *done: reported.append(done))
    assert reported == [(24, 84), (48, 84), (72, 84), (84, 84)]


async def test_a_store_that_cannot_be_read_is_an_error_and_leaves_no_file(settings: S3Settings, out: Path) -> None:
    async with S3Store(settings.model_copy(update={"bucket": "no-such-bucket"})) as store:
        with pytest.raises(StoreRefused):
            await make(store, timeline(board(R)), out)
    assert files(out.parent) == []
