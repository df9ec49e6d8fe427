"""The page in a real browser: one start of Chromium for the whole file, skipped only where none is installed."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.publishing.views import ASSETS, FrameLinks, page, page_assets
from tests.previs.publishing.views.browser import Tab, needs_chromium

pytestmark = needs_chromium

COLOURS = ["#c02020", "#20a040", "#2040c0", "#d0a020", "#8020a0"]
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def page_with_takes(make: SimpleNamespace) -> str:
    """A picked take with all that a page folds, a failed one, and a shot that was skipped for it."""
    attempts = tuple(make.attempt(f"http://render-02:8188 {words}") for words in ("显存不足 " * 30, "x" * 300))
    frames = (make.frame(thumbnail=make.data_uri("red")),)
    picked = make.take(12, frames=frames, attempts=attempts, comfyui="0.3.64" * 20, waiting=4.2, uploading=0.3)
    failed = make.failed("no room").model_copy(update={"attempts": attempts})
    shots = (
        make.shot("SH10", picked=12, success=False, takes=(failed, picked)),
        make.shot("SH20", success=False, takes=(make.skipped("SH10"),)),
    )
    return page(make.board(*shots), links=lambda frame: FrameLinks(frame.thumbnail or "", ""))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    """A store's folder with five frames and the page of a run that also has a failed shot and hostile words."""
    root = tmp_path_factory.mktemp("store 夜")
    shots = []
    for number, colour in enumerate(COLOURS, 1):
        frame = make.frame(f"{number}.png", thumbnail=make.data_uri(colour))
        file = root / frame.key
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1024, 576), colour).save(file)
        shots.append(make.shot(number, prompt=f"电影风格 {HOSTILE} {number}", takes=(make.take(frames=(frame,)),)))
    shots.append(make.shot(HOSTILE, success=False, takes=(make.failed(HOSTILE),)))
    index = root / "boards" / "b" / "r" / "index.html"
    index.parent.mkdir(parents=True)
    manifest = make.board(*shots, title=HOSTILE)
    links = [FrameLinks(f"../../../frames/aa/{n}.png", f"../../../frames/aa/{n}.png") for n in range(1, 6)]
    index.write_text(page(manifest, links=lambda frame: links[int(frame.key[-5]) - 1]), encoding="utf-8")
    private = page(manifest, links=lambda frame: FrameLinks(frame.thumbnail or "", ""))
    beside = page(manifest, links=lambda frame: links[int(frame.key[-5]) - 1], assets={name: name for name in ASSETS})
    index.with_name("beside.html").write_text(beside, encoding="utf-8")
    for name, content in page_assets(manifest).items():
        index.with_name(name).write_text(content, encoding="utf-8")
    index.with_name("private.html").write_text(private, encoding="utf-8")
    index.with_name("takes.html").write_text(page_with_takes(make), encoding="utf-8")
    return index.parent


ALL_SHOWN = """Promise.all([...document.querySelectorAll("article img")].map(async (image) => {
    image.loading = "eager"; await image.decode(); return image.naturalWidth; }))"""
CENTRES = """[...document.querySelectorAll("article img")].map((image) => {
    const box = image.getBoundingClientRect();
    return [Math.round(box.x + box.width / 2 + scrollX), Math.round(box.y + box.height / 2 + scrollY)]; })"""


@pytest.mark.parametrize(("name", "width"), [("index.html", 1024), ("beside.html", 1024), ("private.html", 320)])
def test_every_picture_of_a_folders_board_is_seen(tab: Tab, folder: Path, name: str, width: int) -> None:
    tab.sized(1440, 1400)
    tab.open(folder / name)
    assert tab.value(ALL_SHOWN) == [width] * 5
    seen = tab.screenshot()
    for (x, y), colour in zip(tab.value(CENTRES), COLOURS, strict=True):
        wanted = bytes.fromhex(colour[1:])
        assert all(abs(a - b) < 6 for a, b in zip(seen.getpixel((x, y)), wanted, strict=True)), colour


def test_others_words_run_nothing_and_the_page_breaks_no_rule_of_its_own(tab: Tab, folder: Path) -> None:
    tab.open(folder / "index.html")
    tab.value(ALL_SHOWN)
    assert tab.value("window.hacked") is None
    assert tab.value("document.title") == HOSTILE
    assert tab.complaints == []


def test_the_policy_keeps_other_scripts_and_places_out(tab: Tab, folder: Path) -> None:
    tab.open(folder / "index.html")
    tab.value("""new Promise((done) => {
        addEventListener("securitypolicyviolation", done, { once: true });
        const script = document.createElement("script");
        script.textContent = "window.hacked = 1";
        document.body.append(script); })""")
    assert tab.value("window.hacked") is None


class StrictHost(SimpleHTTPRequestHandler):
    """Serve files under a policy that forbids inline style and script."""

    def do_GET(self) -> None:
        if self.path != "/favicon.ico":
            return super().do_GET()
        self.send_response(204)
        return self.end_headers()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def strict_host(folder: Path) -> Iterator[str]:
    root = folder.parents[2]
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(StrictHost, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{folder.relative_to(root).as_posix()}"
        server.shutdown()


STYLED = 'getComputedStyle(document.querySelector("article")).display + getComputedStyle(document.body).margin'
LARGE = '(document.querySelector(".picture").click(), document.querySelector("dialog").open)'


def test_a_strict_host_shows_a_page_with_its_style_and_script_beside_it(
    tab: Tab, folder: Path, strict_host: str
) -> None:
    tab.sized(1440, 1400)
    tab.open(folder / "index.html")
    tab.value(ALL_SHOWN)
    wanted, seen = tab.value(STYLED), tab.screenshot()
    tab.open(f"{strict_host}/index.html")
    # Without its script a picture's link leads away, so it is not clicked.
    assert tab.value(STYLED) != wanted
    assert tab.complaints
    tab.open(f"{strict_host}/beside.html")
    tab.value(ALL_SHOWN)
    assert tab.value(STYLED) == wanted
    assert tab.screenshot().tobytes() == seen.tobytes()
    assert tab.value(LARGE) is True
    assert tab.complaints == []


def test_a_picture_opens_large_and_arrows_and_escape_work(tab: Tab, folder: Path) -> None:
    tab.open(folder / "index.html")
    tab.value('document.querySelectorAll(".picture")[3].focus()')
    tab.press("Enter")
    assert tab.value('document.querySelector("dialog").open') is True
    assert tab.shows("4.png")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    assert tab.shows("1.png")
    tab.press("ArrowLeft")
    assert tab.shows("5.png")
    assert "电影风格" in str(tab.value('document.querySelector("dialog p").textContent'))
    tab.value(
        'void (window.shut = new Promise((done) => document.querySelector("dialog").addEventListener("close", done)))'
    )
    tab.press("Escape")
    assert str(tab.value("shut.then(() => document.activeElement.href)")).endswith("5.png")
    assert tab.value('document.querySelector("dialog").open') is False


def test_an_original_that_is_gone_gives_way_to_what_the_page_shows(tab: Tab, folder: Path) -> None:
    tab.open(folder / "index.html")
    waited = """new Promise((done) => {
        const link = document.querySelector(".picture"), large = document.querySelector("dialog img");
        link.href = "gone.png";
        large.addEventListener("load", () => done(large.src.split("/").pop()), { once: true });
        link.click(); })"""
    assert tab.value(waited) == "1.png"


@pytest.mark.parametrize("width", [320, 420, 700, 1440, 2200])
def test_no_width_of_window_makes_the_page_scroll_sideways(tab: Tab, folder: Path, width: int) -> None:
    tab.sized(width, 900)
    tab.open(folder / "index.html")
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_a_page_without_scripts_shows_its_pictures(tab: Tab, folder: Path) -> None:
    tab.sized(1440, 1400)
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(folder / "index.html")
        seen = tab.screenshot()
        centres = tab.value(CENTRES)
    finally:
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert seen.getpixel(tuple(centres[0])) == tuple(bytes.fromhex(COLOURS[0][1:]))


def test_paper_takes_three_shots_across(tab: Tab, folder: Path) -> None:
    tab.sized(1040, 700)
    tab.ask("Emulation.setEmulatedMedia", media="print")
    try:
        tab.open(folder / "index.html")
        tops = tab.value('[...document.querySelectorAll("article")].map((shot) => shot.getBoundingClientRect().top)')
    finally:
        tab.ask("Emulation.setEmulatedMedia", media="")
    assert [tops.count(top) for top in sorted(set(tops))] == [3, 3]


ROUND = """(() => {
    const box = document.querySelector(".circled").getBoundingClientRect(), border = getComputedStyle(
        document.querySelector(".circled"));
    return [box.width, box.height, parseFloat(border.borderTopWidth), parseFloat(border.borderRadius)]; })()"""


def test_the_picked_takes_number_stands_in_a_circle_and_is_read_out_as_picked(tab: Tab, folder: Path) -> None:
    tab.sized(1440, 1400)
    tab.open(folder / "takes.html")
    width, height, border, radius = tab.value(ROUND)
    assert border >= 1
    assert radius >= height / 2 - 2
    assert height * 0.8 <= width <= height * 1.5
    nodes = tab.ask("Accessibility.getFullAXTree")["nodes"]
    assert {"12", "picked"} <= {node["name"]["value"].strip() for node in nodes if "name" in node}


def test_a_skipped_shot_is_grey_where_a_failed_one_is_red(tab: Tab, folder: Path) -> None:
    tab.sized(1440, 1400)
    tab.open(folder / "takes.html")
    pixels = """[...document.querySelectorAll(".missing strong")].map((word) =>
        [word.textContent, ...getComputedStyle(word).color.match(/\\d+/g).map(Number)])"""
    seen = {word: (red, green, blue) for word, red, green, blue in tab.value(pixels)}
    red, green, blue = seen["Failed"]
    assert red - max(green, blue) > 50
    assert max(seen["Skipped"]) - min(seen["Skipped"]) < 20


@pytest.mark.parametrize("width", [320, 400, 1440])
def test_nothing_unfolded_makes_the_page_scroll_sideways(tab: Tab, folder: Path, width: int) -> None:
    tab.sized(width, 900)
    tab.open(folder / "takes.html")
    shown = "[...document.querySelectorAll('figcaption details')].map((fold) => fold.checkVisibility() && fold.open)"
    assert tab.value(shown) == [False] * 3
    tab.value("document.querySelectorAll('figcaption summary').forEach((summary) => summary.click())")
    assert tab.value(shown) == [True] * 3
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(
        "[...document.querySelectorAll('figcaption')].every((slate) => slate.scrollWidth <= slate.clientWidth)"
    )
