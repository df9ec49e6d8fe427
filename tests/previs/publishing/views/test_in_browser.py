"""The page in a real browser, skipped only where none is installed."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from previs.publishing.publish import links_of, publish
from previs.publishing.pull import pull
from previs.publishing.views import ASSETS, FrameLinks, page, page_assets, since
from previs.store import FolderStore, Store
from tests.conftest import FOLDER_AND_S3
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


def page_of_aspects(make: SimpleNamespace) -> str:
    """Shots of five aspects in two sequences, with short and long words."""
    sizes = ((1280, 720), (1920, 800), (1024, 1024), (720, 1280), (200, 4000))
    shots = []
    for number, (width, height) in enumerate(sizes, 1):
        thumbnail = make.data_uri("red", (width // 8, height // 8))
        take = make.take(frames=(make.frame(f"{number}.png", width=width, height=height, thumbnail=thumbnail),))
        fields = {"sequence": f"SQ{number // 3}", "prompt": "a lamp in the fog " * (1 if number % 2 else 90)}
        shots.append(make.shot(number, takes=(take,), shot={"dialogue": "MEI: 等等！"}, **fields))
    return page(make.board(*shots), links=lambda frame: FrameLinks(frame.thumbnail or "", ""))


def page_of_changes(make: SimpleNamespace) -> str:
    """A Chinese board with all that its head may say, and the changes since the last run."""
    made = [make.frame(f"{n}.png", sha256=str(n), thumbnail=make.data_uri("red")) for n in range(3)]
    film = {"dialogue": "老周：这天气，出不了海。", "camera": "大全景", "notes": "再暗一点", "sound": "雨声"}
    shots = [
        make.shot("甲", prompt="雨夜", sequence="码头", shot=film, takes=(make.take(frames=(made[1],)),)),
        make.shot("乙", prompt="雨夜", sequence="渡轮", takes=(make.failed("显存不足"),), success=False),
        make.shot("丙", prompt="雨夜", sequence="渡轮", takes=(make.skipped("乙"),), success=False),
    ]
    last = make.board(shots[0].model_copy(update={"takes": (make.take(frames=(made[0],)),)}), make.shot("丁"), run="一")
    now = make.board(*shots, lang="zh", run="二", title="末班渡轮", problems=("render-02 已停用",))
    return page(now, links=lambda frame: FrameLinks(frame.thumbnail or "", ""), since=since(now, last), note="链接")


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
    index.with_name("aspects.html").write_text(page_of_aspects(make), encoding="utf-8")
    index.with_name("chinese.html").write_text(page_of_changes(make), encoding="utf-8")
    index.with_name("takes.html").write_text(page_with_takes(make), encoding="utf-8")
    return index.parent


ALL_SHOWN = """Promise.all([...document.querySelectorAll("article img")].map(async (image) => {
    image.loading = "eager"; await image.decode(); return image.naturalWidth; }))"""
CENTRES = """[...document.querySelectorAll("article img")].map((image) => {
    const box = image.getBoundingClientRect();
    return [Math.round(box.x + box.width / 2 + scrollX), Math.round(box.y + box.height / 2 + scrollY)]; })"""


@pytest.mark.parametrize("name", ["index.html", "beside.html", "private.html"])
def test_every_picture_of_a_folders_board_is_seen_small(tab: Tab, folder: Path, name: str) -> None:
    tab.sized(1440, 1400)
    tab.open(folder / name)
    assert tab.value(ALL_SHOWN) == [320] * 5
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
        large.addEventListener("load", () => done(large.src === link.querySelector("img").src), { once: true });
        link.click(); })"""
    assert tab.value(waited) is True


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


@pytest.mark.parametrize(("name", "rows"), [("index.html", [4, 2]), ("aspects.html", [2, 3]), ("chinese.html", [1, 2])])
def test_paper_takes_four_shots_across_and_three_larger_ones(
    tab: Tab, folder: Path, name: str, rows: list[int]
) -> None:
    tab.sized(1040, 700)
    tab.ask("Emulation.setEmulatedMedia", media="print")
    try:
        tab.open(folder / name)
        boxes = tab.value("""[...document.querySelectorAll("article")].map((shot) => {
            const box = shot.getBoundingClientRect(); return [box.top, box.width]; })""")
    finally:
        tab.ask("Emulation.setEmulatedMedia", media="")
    tops = [top for top, _ in boxes]
    assert [tops.count(top) for top in sorted(set(tops))] == rows
    assert {1040 // width for _, width in boxes} == {3 if name == "chinese.html" else 4}


ASPECTS = """[...document.querySelectorAll("article")].map((shot) => {
    const box = shot.querySelector(".stage img").getBoundingClientRect(); return box.width / box.height; })"""


@pytest.mark.parametrize("width", [375, 1440])
def test_each_shot_keeps_its_own_aspect_up_to_a_square(tab: Tab, folder: Path, width: int) -> None:
    tab.sized(width, 900)
    tab.open(folder / "aspects.html")
    assert tab.value(ASPECTS) == pytest.approx([16 / 9, 2.4, 1, 1, 1], abs=0.03)


def test_only_the_full_frame_that_is_opened_is_loaded(tab: Tab, strict_host: str) -> None:
    loaded = 'performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.endsWith(".png"))'
    tab.sized(1440, 1400)
    tab.open(f"{strict_host}/beside.html")
    tab.value(ALL_SHOWN)
    assert tab.value(loaded) == []
    tab.value('document.querySelectorAll(".picture")[2].click()')
    assert tab.shows("3.png")
    assert [name.rpartition("/")[2] for name in tab.value(loaded)] == ["3.png"]


FOLDED = """[...document.querySelectorAll(".cut")].map((text) =>
    [text.scrollHeight > text.clientHeight + 1, text.nextElementSibling?.matches("button.all") ?? false])"""


@pytest.mark.parametrize("width", [375, 1440])
def test_show_all_stands_only_where_text_is_cut(tab: Tab, folder: Path, width: int) -> None:
    tab.sized(width, 900)
    tab.open(folder / "aspects.html")
    found = tab.value(FOLDED)
    assert {(True, True), (False, False)} == {tuple(each) for each in found}
    press = """(() => { const button = document.querySelector("button.all"), text = button.previousElementSibling;
        const seen = [button.textContent, button.getAttribute("aria-expanded"), text.scrollHeight > text.clientHeight];
        button.click(); return seen; })()"""
    assert tab.value(press) == ["Show all", "false", True]
    assert tab.value(press) == ["Show less", "true", False]
    tab.sized(2200 if width == 375 else 375, 900)
    assert all(cut == button for cut, button in tab.value(f"new Promise((done) => setTimeout(() => done({FOLDED})))"))


def test_without_scripts_no_text_is_cut(tab: Tab, folder: Path) -> None:
    tab.sized(375, 900)
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(folder / "aspects.html")
    finally:
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.value('document.body.classList.contains("folds")') is False
    assert {tuple(each) for each in tab.value(FOLDED)} == {(False, False)}


def test_a_sequence_is_jumped_to_and_not_hidden_by_the_links(tab: Tab, folder: Path) -> None:
    tab.sized(1440, 900)
    tab.open(folder / "aspects.html")
    tops = """new Promise((done) => { document.documentElement.style.scrollBehavior = "auto";
        document.querySelectorAll(".sequences a")[1].click();
        requestAnimationFrame(() => done([...document.querySelectorAll(".sequences, #sequence-2")].map((each) =>
            each.getBoundingClientRect()).map((box) => [box.top, box.bottom]))); })"""
    (top, bottom), (heading, _) = tab.value(tops)
    assert top == 0
    assert bottom <= heading < 200


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1440, "light")])
@pytest.mark.parametrize("name", ["index.html", "takes.html", "aspects.html", "chinese.html"])
def test_axe_finds_no_fault_that_keeps_anyone_out(tab: Tab, folder: Path, name: str, width: int, scheme: str) -> None:
    tab.sized(width, 900)
    tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        tab.open(folder / name)
        tab.value("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        assert tab.faults() == []
        tab.value("document.querySelector('.picture').click()")
        assert tab.faults() == []
        assert tab.complaints == []
    finally:
        tab.ask("Emulation.setEmulatedMedia", features=[])


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


async def published_twice(store: Store, make: SimpleNamespace) -> str:
    """The link of a board's second run, whose only shot has another frame than in the first."""
    link = ""
    for run, colour in (("20261031-174000-abcdef01", "red"), ("20261101-174000-abcdef01", "blue")):
        content = BytesIO()
        Image.new("RGB", (1024, 576), colour).save(content, "PNG")
        frame = make.frame(f"{colour}.png", sha256=colour, thumbnail=make.data_uri(colour))
        await store.put(frame.key, content.getvalue(), media_type="image/png")
        board = make.board(make.shot(takes=(make.take(frames=(frame,)),)), run=run)
        link = (await publish(board, await links_of([frame], store), store)).link
    return link


OPENED = """new Promise((done) => { const large = document.querySelector("dialog img");
    large.addEventListener("load", () => large.src.startsWith("data:") || done(large.naturalWidth));
    document.querySelector(".picture").click(); })"""
BEFORE = """new Promise((done) => { const image = new Image(); image.onload = () => done(image.naturalWidth);
    image.src = document.querySelector("[data-before]").dataset.before; })"""


@FOLDER_AND_S3
async def test_a_store_shows_small_pictures_full_ones_and_the_frame_before(
    tab: Tab, store: Store, make: SimpleNamespace
) -> None:
    tab.sized(1440, 900)
    tab.open(await published_twice(store, make))
    assert tab.value(ALL_SHOWN) == [320]
    assert (tab.value(OPENED), tab.value(BEFORE)) == (1024, 1024)
    assert tab.complaints == []


async def test_a_pulled_page_marks_the_same_changes_without_a_network(
    tab: Tab, folder_store: FolderStore, make: SimpleNamespace, tmp_path: Path
) -> None:
    await published_twice(folder_store, make)
    board = make.board()
    # The made-up hash is no frame's, so that only thumbnails are there.
    done = await pull(folder_store, board.board, tmp_path / "pulled")
    assert len(done.failed) == 1
    tab.open(tmp_path / "pulled" / "index.html")
    assert tab.value(BEFORE) == 320
    assert "1 changed" in str(tab.value('document.querySelector(".since").textContent'))
    assert tab.complaints == []
