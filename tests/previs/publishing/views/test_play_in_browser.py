"""The board as a film, in a real browser with a clock that the tests set."""

import wave
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.publishing.views import FrameLinks, page
from previs.publishing.views.labels import CHINESE
from tests.previs.publishing.views.browser import FPS, Tab, needs_chromium, write_film

pytestmark = needs_chromium

# The clock stands still until a test moves it, and pictures are drawn when the test says so.
CLOCK = """
performance.now = () => window.clock ?? 0;
window.requestAnimationFrame = (draw) => { window.draw = draw; return 1; };
window.turn = (milliseconds) => {
    window.clock = milliseconds;
    const draw = window.draw;
    window.draw = null;
    draw?.();
};
window.played = [];
HTMLMediaElement.prototype.play = function () { window.played.push(this); return Promise.resolve(); };
"""
LENGTHS = {"SH010": 24, "SH020": 12, "SH030": 24, "SH040": 1, "SH050": 30}


def sound(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(16000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    """A picture, a failed shot, a clip shorter than its shot, one of a single frame, and a picture with sound."""
    root = tmp_path_factory.mktemp("film")
    for name, colour in {"a.png": "#c02020", "d.png": "#2040c0", "e.png": "#d0a020", "f.png": "#20a040"}.items():
        Image.new("RGB", (1024, 576), colour).save(root / name)
    write_film(root / "c.webm", 12, ["#ff0000", "#0000ff"])
    sound(root / "e.wav")
    clip = make.frame("c.webm", "video/webm", duration=0.5, frame_rate=24.0, thumbnail=make.data_uri("red"))
    audio = make.frame("e.wav", "audio/wav", width=None, height=None)
    takes = {
        "SH010": (make.take(frames=(make.frame("a.png", thumbnail=make.data_uri("#c02020")),)),),
        "SH020": (make.failed("out of memory"),),
        "SH030": (make.take(frames=(clip,)),),
        "SH040": (make.take(1, frames=(make.frame("d.png"),)), make.take(2, frames=(make.frame("f.png"),))),
        "SH050": (make.take(frames=(make.frame("e.png"), audio)),),
    }
    said = {"SH010": {"dialogue": "“下雨了。”", "description": "A lamp goes on."}}
    shots = [
        make.shot(
            name,
            takes=takes[name],
            duration=frames / FPS,
            success=name != "SH020",
            picked=2 if name == "SH040" else None,
            shot=said.get(name, {}),
        )
        for name, frames in LENGTHS.items()
    ]
    links = lambda frame: FrameLinks(*[frame.key.split("/")[-1]] * 2)  # noqa: E731 - a name for one line
    for name, lang in (("index", "en"), ("zh", "zh")):
        board = make.board(*shots, title="雨夜" if lang == "zh" else "A night of rain", lang=lang)
        (root / f"{name}.html").write_text(page(board, links=links), encoding="utf-8")
    many = [make.shot(number, duration=1, takes=takes["SH010"]) for number in range(1000)]
    (root / "many.html").write_text(page(make.board(*many), links=links), encoding="utf-8")
    ntsc = make.board(*shots, fps=23.976)
    (root / "ntsc.html").write_text(page(ntsc, links=links), encoding="utf-8")
    return root


def opened(tab: Tab, file: Path) -> None:
    tab.sized(1280, 800)
    tab.open(file)
    tab.value(CLOCK)


PLAY = "document.querySelector('button.play').click()"
NOW = """[document.querySelector(".now").textContent, document.querySelector(".code").textContent,
    Number(document.querySelector(".position").value)]"""
IS_PLAYING = 'document.querySelector(".toggle").classList.contains("playing")'
ON = 'document.querySelector(".slot.on")'


def at(tab: Tab, milliseconds: float) -> list[object]:
    tab.value(f"turn({milliseconds!r})")
    return tab.value(NOW)  # type: ignore[return-value]


def where(frame: int) -> str:
    """The shot of a frame of the board."""
    start = 0
    for name, frames in LENGTHS.items():
        start += frames
        if frame < start:
            return name
    raise AssertionError(frame)


def test_the_button_says_how_many_shots_and_how_long(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    words = tab.value("document.querySelector('button.play').innerText.replace(/\\s+/g, ' ')")
    assert words == "Play 5 shots · 00:00:03:19"
    assert tab.value("document.querySelectorAll('dialog[open], .slot').length") == 0


@pytest.mark.parametrize(("name", "rate"), [("index.html", 24), ("ntsc.html", 24000 / 1001)])
def test_every_frame_of_the_board_is_of_its_shot(tab: Tab, folder: Path, name: str, rate: float) -> None:
    opened(tab, folder / name)
    tab.value(PLAY)
    for frame in range(sum(LENGTHS.values())):
        seconds, rest = divmod(frame, 24)
        expected = [where(frame), f"00:00:{seconds:02}:{rest:02}", frame]
        assert at(tab, frame * 1000 / rate) == expected
        # As late as can be, it is still this frame.
        assert at(tab, (frame + 1) * 1000 / rate - 0.01) == expected


def test_late_drawing_skips_frames_and_moves_no_cut(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    assert at(tab, 999.9) == ["SH010", "00:00:00:23", 23]
    assert at(tab, 2500.1) == ["SH040", "00:00:02:12", 60]
    assert at(tab, 2541.7) == ["SH050", "00:00:02:13", 61]


def test_the_film_ends_on_its_last_frame_and_begins_again(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    assert at(tab, 60_000) == ["SH050", "00:00:03:18", 90]
    assert tab.value(IS_PLAYING) is False
    tab.press(" ")
    assert tab.value(IS_PLAYING) is True
    assert at(tab, 60_000 + 1010) == ["SH020", "00:00:01:00", 24]


def test_space_arrows_home_and_end(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    at(tab, 500)
    tab.press(" ")
    assert tab.value(IS_PLAYING) is False
    assert tab.value("document.querySelector('.toggle').getAttribute('aria-label')") == "Play"
    assert at(tab, 9000) == ["SH010", "00:00:00:12", 12]
    steps = ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home", "ArrowLeft", ".", ",", "."]
    places = []
    for key in steps:
        tab.press(key)
        places.append(tab.value(NOW)[2])
    assert places == [24, 36, 24, 61, 61, 0, 0, 1, 0, 1]
    tab.press(" ")
    assert at(tab, 10_000) == ["SH020", "00:00:01:01", 25]


def test_a_place_on_the_scrub_bar_is_played_from(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    at(tab, 100)
    box = tab.value(
        "(({ left, width, top, height }) => [left, width, top + height / 2])"
        "(document.querySelector('.position').getBoundingClientRect())"
    )
    x = box[0] + 8 + (box[1] - 16) * 40 / 90
    for kind in ("mousePressed", "mouseReleased"):
        tab.ask("Input.dispatchMouseEvent", type=kind, x=x, y=box[2], button="left", clickCount=1)
    frame = tab.value(NOW)[2]
    assert abs(frame - 40) <= 1
    assert tab.value(NOW)[0] == "SH030"
    assert at(tab, 100 + 500)[2] == frame + 12
    cuts, lacking = tab.value("[...document.querySelectorAll('.marks path')].map((path) => path.getAttribute('d'))")
    assert cuts == "M24 0V1M36 0V1M60 0V1M61 0V1"
    assert lacking == "M24 0h12v1h-12z"
    assert tab.complaints == []


def test_a_failed_shot_is_a_slate_for_its_time(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    assert at(tab, 1001)[0] == "SH020"
    assert tab.value(f"{ON}.innerText.split(/\\n+/)") == ["SH020", "FAILED", "out of memory"]
    assert at(tab, 1499)[0] == "SH020"
    assert at(tab, 1501)[0] == "SH030"


CLIP = f"{ON}.querySelector('video')"


def placed(seconds: float) -> str:
    """Wait until the clip that is seen shows this time."""
    return f"""new Promise((done) => {{ const clip = {CLIP};
        const isThere = () => clip.readyState > 1 && !clip.seeking && Math.abs(clip.currentTime - {seconds}) < 0.02;
        const look = () => isThere() && done();
        for (const event of ["loadeddata", "seeked", "canplay"]) clip.addEventListener(event, look);
        look(); }})"""


def test_a_clip_is_held_on_its_last_picture(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    tab.press(" ")
    for frame, time in ((36, 0.5 / 24), (41, 5.5 / 24), (47, 11.5 / 24), (48, 0.5), (59, 0.5)):
        tab.value(f"""(() => {{ const bar = document.querySelector(".position"); bar.value = {frame};
            bar.dispatchEvent(new Event("input")); }})()""")
        tab.value(placed(time))
        assert tab.value(f"(({{ paused, videoWidth }}) => [paused, videoWidth])({CLIP})") == [True, 320]
        red, _, blue = tab.screenshot(whole=False).getpixel((640, 300))
        assert (red > blue) is (frame < 42), frame
    tab.value("window.played = []")
    tab.press("Home")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    tab.press(" ")
    assert tab.value(f"played.length === 1 && played[0] === {CLIP} && !played[0].muted") is True
    # A clip that started late is held on its last picture all the same.
    at(tab, 501)
    tab.value(placed(0.5))


def test_sound_of_a_take_is_played_and_muted(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    tab.press(" ")
    tab.press("End")
    loaded = f"""new Promise((done) => {{ const sound = {ON}.querySelector("audio");
        sound.readyState ? done() : sound.addEventListener("loadedmetadata", () => done()); }})"""
    tab.value(loaded)
    tab.press(" ")
    assert tab.value(f"played.includes({ON}.querySelector('audio'))") is True
    tab.value("document.querySelector('.mute').click()")
    assert tab.value(f"{ON}.querySelector('audio').muted") is True
    assert tab.value("document.querySelector('.mute').getAttribute('aria-pressed')") == "true"
    tab.value("document.querySelector('.volume').value = 40")
    tab.value("document.querySelector('.volume').dispatchEvent(new Event('input'))")
    assert tab.value(f"(({{ muted, volume }}) => [muted, volume])({ON}.querySelector('audio'))") == [False, 0.4]


def test_the_picked_take_is_played(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    at(tab, 2501)
    shown = tab.value(f"{ON}.querySelector('img').src.split('/').pop()")
    assert shown == "f.png"


def test_captions_are_the_shots_words_and_can_be_turned_off(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    shown = """(({ innerText }, isSeen) => isSeen && innerText.split(/\\n+/))(
        document.querySelector(".captions"), document.querySelector(".captions").checkVisibility())"""
    assert tab.value(shown) == ["“下雨了。”", "A lamp goes on."]
    tab.value("document.querySelector('.captioned').click()")
    assert tab.value(shown) is False
    tab.press("ArrowRight")
    tab.press("ArrowLeft")
    assert tab.value(shown) is False
    tab.value("document.querySelector('.captioned').click()")
    assert tab.value(shown) == ["“下雨了。”", "A lamp goes on."]


def test_nothing_is_read_out_while_it_plays(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    live = "document.querySelector('.now').getAttribute('aria-live')"
    assert tab.value(live) == "off"
    spoken = "document.querySelector('.position').getAttribute('aria-valuetext')"
    before = tab.value(spoken)
    at(tab, 500)
    assert tab.value(spoken) == before == "SH010, 00:00:00:00"
    tab.press(" ")
    assert tab.value(live) == "polite"


def test_escape_leaves_to_the_shot_that_was_seen_last(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    at(tab, 2600)
    tab.value(
        "void (window.shut = new Promise((done) => document.querySelector('.player').addEventListener('close', done)))"
    )
    tab.press("Escape")
    assert tab.value("shut.then(() => document.activeElement.closest('.shot').dataset.shot)") == "SH050"
    assert tab.value("document.querySelectorAll('.slot').length") == 0
    tab.value("turn(5000)")
    assert tab.complaints == []


def test_it_plays_from_the_shot_that_is_open(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value("document.querySelector('#shot-4 .picture').click()")
    tab.value("document.querySelector('.from').click()")
    assert tab.value(NOW) == ["SH040", "00:00:02:12", 60]
    assert at(tab, 42)[0] == "SH050"


def test_a_thousand_shots_have_a_few_pictures_at_a_time(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "many.html")
    tab.value(PLAY)
    held = []
    for second in range(0, 1000, 97):
        at(tab, second * 1000 + 1)
        held.append(tab.value("document.querySelectorAll('.slot').length"))
    assert max(held) == 6
    assert at(tab, 999_001)[1] == "00:16:39:00"


def test_a_late_frame_shows_its_thumbnail_meanwhile(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value("document.querySelector('#shot-1 .picture').href = 'gone.png'")
    tab.value("document.querySelector('#shot-1 .picture img').src = document.querySelector('#shot-3 video').poster")
    tab.value(PLAY)
    assert str(tab.value(f"{ON}.querySelector('img').decode().then(() => {ON}.querySelector('img').src)")).startswith(
        "data:"
    )


def test_those_who_want_little_motion_start_it_themselves(tab: Tab, folder: Path) -> None:
    tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    try:
        opened(tab, folder / "index.html")
        tab.value(PLAY)
        assert tab.value(IS_PLAYING) is False
        tab.press(" ")
        assert tab.value(IS_PLAYING) is True
    finally:
        tab.ask("Emulation.setEmulatedMedia", features=[])


def test_without_scripts_there_is_no_button(tab: Tab, folder: Path) -> None:
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(folder / "index.html")
        seen = tab.value("[...document.querySelectorAll('button')].filter((button) => button.checkVisibility()).length")
    finally:
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert seen == 0


@pytest.mark.parametrize("name", ["index.html", "zh.html"])
def test_everything_of_the_player_has_a_name(tab: Tab, folder: Path, name: str) -> None:
    opened(tab, folder / name)
    tab.value(PLAY)
    nodes = [node for node in tab.ask("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    named = {node["name"]["value"] for node in nodes if node["role"]["value"] in ("dialog", "button", "slider")}
    english = {"The board as a film", "Position", "Previous shot", "Pause", "Next shot", "Mute", "Volume", "Captions"}
    english |= {"Full screen", "Close"}
    assert "" not in named
    assert named == (english if name == "index.html" else {CHINESE[each] for each in english})


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_the_player_fits_its_window(tab: Tab, folder: Path, width: int) -> None:
    opened(tab, folder / "zh.html")
    tab.sized(width, 640)
    tab.value(PLAY)
    assert tab.outside(".player :is(button, input, p)") == 0
    assert tab.complaints == []


def test_the_full_screen_holds_picture_and_controls(tab: Tab, folder: Path) -> None:
    opened(tab, folder / "index.html")
    tab.value(PLAY)
    tab.value("void (window.filled = new Promise((done) => addEventListener('fullscreenchange', done)))")
    place = tab.value("""(({ left, width, top, height }) => [left + width / 2, top + height / 2])(
        document.querySelector(".whole").getBoundingClientRect())""")
    tab.mouse("Pressed", "Released", at=tuple(place), button="left", clickCount=1)
    assert tab.value("filled.then(() => document.fullscreenElement.className)") == "theatre"
    # The space bar plays and pauses again, though the button was pressed last.
    assert tab.value("document.activeElement.className") == "toggle playing"
    tab.value("document.exitFullscreen()")
    assert tab.complaints == []


@pytest.mark.parametrize(("fps", "words"), [(12.5, "00:00:01:02"), (120, "00:00:00:014"), (0, None), (900, None)])
def test_the_player_counts_as_the_page_does(
    tab: Tab, tmp_path: Path, make: SimpleNamespace, fps: float, words: str | None
) -> None:
    index = tmp_path / "index.html"
    board = make.board(*(make.shot(number, duration=14 / (fps or 1)) for number in (1, 2)), fps=fps)
    index.write_text(page(board, links=lambda _: FrameLinks(make.data_uri("red"), "")), encoding="utf-8")
    opened(tab, index)
    if words is None:
        assert tab.value("document.querySelector('button.play, .player')") is None
        tab.value("document.querySelector('.picture').click()")
        assert tab.value("document.querySelector('.from').checkVisibility()") is False
    else:
        tab.value(PLAY)
        tab.press("End")
        assert tab.value(NOW)[1] == words
        assert tab.value("document.querySelectorAll('.when')[2].innerText").endswith(words)
    assert tab.complaints == []
