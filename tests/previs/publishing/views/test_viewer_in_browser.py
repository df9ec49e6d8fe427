"""The large view of a page in a real browser: zoom, and comparing by a wipe."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.publishing.views import FrameLinks, page
from tests.previs.publishing.views.browser import Tab, needs_chromium, write_film

pytestmark = needs_chromium

COLOURS = {"a": "#c02020", "b": "#20a040", "c": "#2040c0", "d": "#d0a020", "before": "#8020a0"}
MIDDLE = (640.0, 400.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    """Two takes of different sizes, and a shot whose pass stands before what it was made from."""
    root = tmp_path_factory.mktemp("viewer")
    for name, colour in COLOURS.items():
        Image.new("RGB", (600, 600) if name == "b" else (1024, 576), colour).save(root / f"{name}.png")

    def take(name: str, number: int = 1) -> object:
        frames = (make.frame(f"{name}.png", thumbnail=make.data_uri(COLOURS[name])),)
        return make.take(number, frames=frames)

    finish = make.made_pass("精修", 1, frames=(make.frame("d.png", thumbnail=make.data_uri(COLOURS["d"])),))
    shots = (
        make.shot("SH010", takes=(take("a"), take("b", 2))),
        make.shot("SH020", takes=(take("c"),), passes=(finish,), prompt="雨夜"),
    )

    def small(frame: object) -> FrameLinks:
        return FrameLinks(frame.thumbnail, frame.key.split("/")[-1])  # type: ignore[attr-defined]

    html = page(make.board(*shots, title="夜"), links=small)
    (root / "index.html").write_text(html, encoding="utf-8")
    (root / "alone.html").write_text(
        page(make.board(make.shot(takes=(take("a"),))), links=lambda frame: FrameLinks(frame.thumbnail, "")),
        encoding="utf-8",
    )
    for name, colour in {"take": "#ff0000", "finish": "#0000ff"}.items():
        write_film(root / f"{name}.webm", 12, [colour])
    clip, better = (
        make.frame(f"{name}.webm", "video/webm", thumbnail=make.data_uri(COLOURS["a"])) for name in ("take", "finish")
    )
    passed = make.shot(takes=(make.take(frames=(clip,)),), passes=(make.made_pass("finish", frames=(better,)),))
    (root / "clips.html").write_text(page(make.board(passed), links=small), encoding="utf-8")
    before = html.replace('data-shot="SH010"', 'data-shot="SH010" data-before="before.png"')
    (root / "before.html").write_text(before, encoding="utf-8")
    return root


def large(tab: Tab, file: Path, number: int = 0) -> None:
    tab.sized(1280, 800)
    tab.open(file)
    tab.value(f"document.querySelectorAll('.picture')[{number}].click()")


SCALE = """(() => { const { a, e, f } = new DOMMatrix(getComputedStyle(document.querySelector(".layer img")).transform);
    return [a, e, f].map((number) => Math.round(number * 100) / 100); })()"""


def test_the_full_frame_is_loaded_only_when_it_is_opened(tab: Tab, folder: Path) -> None:
    tab.sized(1280, 800)
    tab.open(folder / "index.html")
    loaded = "performance.getEntriesByType('resource').map(({ name }) => name.split('/').pop())"
    assert tab.value(loaded) == []
    tab.value("document.querySelector('.picture').click()")
    assert tab.shows("a.png")
    tab.press("ArrowRight")
    assert tab.shows("b.png")
    assert tab.value("document.querySelector('.viewer p').textContent") == "Shot SH010, take 2: a lamp"
    assert tab.complaints == []


def test_keys_zoom_and_pan_and_turn_pages_when_nothing_is_zoomed(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.press("+")
    tab.press("+")
    assert tab.value(SCALE) == [2.25, 0, 0]
    tab.press("ArrowRight")
    assert tab.value(SCALE) == [2.25, -160, 0]
    for _ in range(20):
        tab.press("ArrowLeft")
    assert tab.value(SCALE) == [2.25, 800, 0]
    assert tab.shows("a.png")
    tab.press("-")
    assert tab.value(SCALE) == [1.5, 320, 0]
    tab.press("0")
    assert tab.value(SCALE) == [1, 0, 0]
    tab.press("ArrowLeft")
    assert tab.shows("c.png")


def test_the_wheel_zooms_around_the_pointer_and_a_drag_moves(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.value("""void (window.wheeled = new Promise((done) =>
        document.querySelector(".view").addEventListener("wheel", () => done())))""")
    box = tab.value("(({ left, width, top, height }) => [left + width / 2, top + height / 2])"
                    "(document.querySelector('.view').getBoundingClientRect())")  # fmt: skip
    tab.mouse("Wheel", at=(box[0] + 100, box[1]), deltaX=0, deltaY=-346.57)
    tab.value("wheeled")
    assert tab.value(SCALE) == pytest.approx([2, -100, 0], abs=1)
    tab.mouse("Pressed", at=MIDDLE, button="left", clickCount=1)
    tab.mouse("Moved", at=(MIDDLE[0] + 60, MIDDLE[1] - 30), button="left", buttons=1)
    tab.mouse("Released", at=(MIDDLE[0] + 60, MIDDLE[1] - 30), button="left", clickCount=1)
    assert tab.value(SCALE) == pytest.approx([2, -40, -30], abs=1)
    assert tab.shows("a.png")


def test_a_double_click_zooms_in_and_out(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    assert tab.shows("a.png")
    for scale in (2, 1):
        for count in (1, 2):
            tab.mouse("Pressed", "Released", at=MIDDLE, button="left", clickCount=count)
        assert tab.value(SCALE)[0] == scale
    assert tab.value("document.querySelector('.viewer').open") is True


def test_two_fingers_pinch_and_one_swipes(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.sized(375, 740)
    tab.touch("Start", (140, 300), (240, 300))
    tab.touch("Move", (90, 300), (290, 300))
    tab.touch("End")
    assert tab.value(SCALE)[0] == pytest.approx(2, abs=0.05)
    tab.press("0")
    tab.touch("Start", (300, 300))
    tab.touch("Move", (100, 305))
    tab.touch("End")
    assert tab.shows("b.png")
    assert tab.complaints == []


def test_two_takes_are_compared_with_the_keyboard(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.value("document.querySelector('.compare').focus()")
    tab.press("Enter")
    assert tab.shows("b.png", "a.png")
    assert tab.value("document.activeElement.className") == "wipe"
    shown = tab.screenshot()
    # The square picture is fitted to the same box.
    assert shown.getpixel((500, 400)) == tuple(bytes.fromhex("20a040"))
    assert shown.getpixel((780, 400)) == tuple(bytes.fromhex("c02020"))
    assert shown.getpixel((200, 400)) == tuple(bytes.fromhex("0c0c0d"))
    assert shown.getpixel((1100, 400)) == tuple(bytes.fromhex("c02020"))
    for _ in range(30):
        tab.press("ArrowLeft")
    assert tab.value("document.querySelector('.wipe').getAttribute('aria-valuetext')") == "20 %"
    assert tab.screenshot().getpixel((500, 400)) == tuple(bytes.fromhex("c02020"))
    assert tab.value("[...document.querySelectorAll('select')].map(({ selectedOptions: [{ text }] }) => text)") == [
        "Take 2",
        "Take 1",
    ]
    tab.value("""(() => { const [left] = document.querySelectorAll("select"); left.value = 0;
        left.dispatchEvent(new Event("change", { bubbles: true })); })()""")
    assert tab.shows("a.png", "a.png")
    tab.value("document.querySelector('.compare').click()")
    assert tab.shows("a.png")
    assert tab.complaints == []


def test_the_wipe_follows_the_mouse(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.value("document.querySelector('.compare').click()")
    tab.mouse("Pressed", at=MIDDLE, button="left", clickCount=1)
    tab.mouse("Moved", at=(960, 400), button="left", buttons=1)
    tab.mouse("Released", at=(960, 400), button="left", clickCount=1)
    assert int(tab.value("document.querySelector('.wipe').value")) == pytest.approx(76, abs=1)
    assert tab.screenshot().getpixel((780, 400)) == tuple(bytes.fromhex("20a040"))


def test_a_pass_is_compared_with_what_it_was_made_from(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html", 2)
    tab.value("document.querySelector('.compare').click()")
    assert tab.shows("c.png", "d.png")
    chosen = tab.value("[...document.querySelectorAll('select')].map(({ selectedOptions: [{ text }] }) => text)")
    assert chosen == ["Take 1", "精修 · Take 1"]


def test_a_changed_shot_is_compared_with_the_last_run(tab: Tab, folder: Path) -> None:
    large(tab, folder / "before.html")
    tab.value("document.querySelector('.compare').click()")
    assert tab.shows("before.png", "a.png")
    assert tab.value("document.querySelector('select').selectedOptions[0].text") == "Last run"
    tab.value("document.querySelector('.wipe').focus()")
    tab.value("document.querySelector('.viewer > p + button').click()")
    # The next shot is compared likewise.
    assert tab.shows("c.png", "d.png")


def test_one_picture_alone_is_compared_with_nothing(tab: Tab, folder: Path) -> None:
    large(tab, folder / "alone.html")
    assert tab.value("document.querySelector('.compare').checkVisibility()") is False
    assert tab.value("document.querySelector('.layer img').complete") is True


def test_everything_of_the_large_view_has_a_name(tab: Tab, folder: Path) -> None:
    large(tab, folder / "index.html")
    tab.value("document.querySelector('.compare').click()")
    nodes = [node for node in tab.ask("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    roles = ("dialog", "button", "slider", "combobox")
    assert {node["name"]["value"] for node in nodes if node["role"]["value"] in roles} == {
        "Frame in full size",
        "Picture on the left",
        "Picture on the right",
        "Play from this shot",
        "Compare",
        "Zoom in",
        "Zoom out",
        "Close",
        "Wipe between the two pictures",
        "Previous frame",
        "Next frame",
    }


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_the_large_view_fits_its_window(tab: Tab, folder: Path, width: int) -> None:
    large(tab, folder / "index.html")
    tab.sized(width, 640)
    tab.value("document.querySelector('.compare').click()")
    assert tab.outside(".viewer :is(button, input, select, p)") == 0


def test_films_of_two_takes_are_compared(tab: Tab, folder: Path) -> None:
    tab.sized(1280, 800)
    tab.open(folder / "clips.html")
    tab.value("document.querySelector('.clip').click()")
    tab.value("document.querySelector('.compare').click()")
    tab.value("""Promise.all([...document.querySelectorAll(".viewer video")].map((film) => new Promise((done) =>
        film.readyState > 1 ? done() : film.addEventListener("loadeddata", done))))""")
    shown = tab.screenshot()
    assert min(shown.getpixel((500, 400))[0], shown.getpixel((780, 400))[2]) > 200
    paused = "[...document.querySelectorAll('.viewer video')].map((film) => film.paused)"
    assert tab.value(paused) == [False, False]
    tab.press(" ")
    assert tab.value(paused) == [True, True]
    tab.press("ArrowRight")
    tab.value("document.querySelector('.viewer').close()")
    assert tab.complaints == []
