"""The PDF of a board, read by PDFium: its pages, its texts, its fonts and its pictures."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image, ImageChops

from previs.errors import ShotListFaults, StoreRefused
from previs.pdf import Made, Settings, make
from previs.pdf.paper import PAPERS, PanelCount
from previs.records.manifest import PassEntry
from previs.store import FolderStore, Store
from tests.conftest import FOLDER_AND_S3
from tests.previs.pdf.boards import BLUE, CHINESE, NOWHERE, RED, board, make_font, png, shown, told
from tests.previs.pictures.test_playback import film
from tests.previs.records.published import frame, put_files, take

POINTS = 72 / 25.4
GREEN = (20, 160, 20)


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_font(tmp_path_factory.mktemp("font") / "blocks.ttf")


@contextmanager
def opened(made: Made) -> Iterator[pypdfium2.PdfDocument]:
    with closing(pypdfium2.PdfDocument(made.content)) as document:
        yield document


def text_of(made: Made) -> str:
    with opened(made) as document:
        return "\f".join(page.get_textpage().get_text_bounded() for page in document)


def pictures_of(made: Made) -> list[tuple[Image.Image, tuple[float, float]]]:
    """Return the pictures of a document, each with its width and height on the page in millimetres."""
    found = []
    with opened(made) as document:
        for page in document:
            for each in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]):
                left, bottom, right, top = each.get_bounds()
                size = (right - left) / POINTS, (top - bottom) / POINTS
                found.append((each.get_bitmap().to_pil().convert("RGB"), size))
    return found


def colour(picture: Image.Image) -> tuple[int, ...]:
    """Return the colour of the middle, without the rounding of JPEG."""
    found = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(found, tuple)
    return min((RED, BLUE, GREEN), key=lambda each: sum(abs(a - b) for a, b in zip(each, found, strict=True)))


async def put(store: Store, *contents: bytes, suffix: str = ".png") -> None:
    await put_files(store, {frame(each, suffix).key: each for each in contents})


@FOLDER_AND_S3
async def test_a_board_becomes_pages_with_pictures_in_their_own_aspect(store: Store, font: Path) -> None:
    sizes = {RED: (160, 90), BLUE: (90, 160), GREEN: (239, 100)}
    files = [png(each, size) for each, size in sizes.items()]
    await put(store, *files)
    manifest = board(*(told(f"SH0{number}0", shown(each, seed=4711)) for number, each in enumerate(files)))
    made = await make(store, manifest, {}, Settings(font=font, panels=2))
    assert (made.pages, made.panels, made.without, made.faults, made.notices) == (2, 3, 0, [], [])
    found = pictures_of(made)
    assert [colour(picture) for picture, _ in found] == [RED, BLUE, GREEN]
    for (picture, (width, height)), size in zip(found, sizes.values(), strict=True):
        assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
        assert picture.size == size
    text = text_of(made)
    assert text.count("\f") == 1
    assert "雾港夜航" in text
    assert "第 1 页，共 2 页" in text
    assert "4711" not in text


@pytest.mark.parametrize(("panels", "paper", "landscape"), list(product(get_args(PanelCount), PAPERS, (True, False))))
async def test_every_division_of_every_paper(
    folder_store: FolderStore, font: Path, panels: Any, paper: Any, landscape: Any
) -> None:
    content = png()
    await put(folder_store, content)
    manifest = board(*(told(f"SH{number}", shown(content), description="雾" * 90) for number in range(14)))
    made = await make(folder_store, manifest, {}, Settings(panels, paper, landscape, font=font))
    size = sorted(PAPERS[paper], reverse=landscape)
    with opened(made) as document:
        assert len(document) == made.pages == -(-14 // panels)
        for page in document:
            assert [each / POINTS for each in page.get_size()] == pytest.approx(size, abs=0.01)
    assert len(pictures_of(made)) == 14
    text = text_of(made)
    assert [f"SH{number}" in text for number in range(14)] == [True] * 14


async def test_the_font_is_embedded_and_holds_only_what_is_used(folder_store: FolderStore, tmp_path: Path) -> None:
    common = [chr(0x4E00 + number) for number in range(5000)]
    large = make_font(tmp_path / "large.ttf", [*CHINESE, *common])
    made = await make(folder_store, board(told("a", description="雾港")), {}, Settings(font=large))
    assert len(made.content) < 40_000
    assert large.stat().st_size > 150_000
    assert b"/FontFile2" in made.content
    assert b"+Blocks" in made.content
    assert "雾港" in text_of(made)


async def test_frames_that_are_missing_or_damaged_become_thumbnails_or_words(
    folder_store: FolderStore, font: Path
) -> None:
    gone, torn, bare, good = (png(each, (640, 360)) for each in (RED, BLUE, (1, 1, 1), GREEN))
    await put(folder_store, good)
    await put_files(folder_store, {frame(torn).key: torn[:-40]})
    manifest = board(
        told("gone", shown(gone, thumbnail=True)),
        told("torn", shown(torn, thumbnail=True)),
        told("bare", shown(bare)),
        told("good", shown(good)),
    )
    made = await make(folder_store, manifest, {}, Settings(font=font))
    assert [fault.partition(":")[0] for fault in made.faults] == [
        f"shot {each}, take 1" for each in ("gone", "torn", "bare")
    ]
    assert "is missing from" in made.faults[0]
    assert "holds other bytes" in made.faults[1]
    found = pictures_of(made)
    assert [colour(picture) for picture, _ in found] == [RED, BLUE, GREEN]
    assert [picture.width for picture, _ in found][:2] == [512, 512]
    assert text_of(made).count("图片无法读取") == 1


async def test_what_is_no_picture_or_has_a_false_key_is_said(folder_store: FolderStore, font: Path) -> None:
    page, cut = b"<html>no picture</html>", png()[:60]
    await put(folder_store, page, cut)
    stranger = frame(png()).model_copy(update={"key": "../../etc/passwd"})
    takes = [take(1, frames=(each,)) for each in (frame(page), frame(cut), stranger)]
    made = await make(
        folder_store, board(*(told(f"SH{n}", each) for n, each in enumerate(takes))), {}, Settings(font=font)
    )
    assert len(made.faults) == 3
    assert "it is HTML" in made.faults[0]
    assert "cut short" in made.faults[1]
    assert "'../../etc/passwd', which is not the key of a frame" in made.faults[2]
    assert text_of(made).count("图片无法读取") == 3


async def test_of_a_video_the_first_frame_is_shown(folder_store: FolderStore, font: Path) -> None:
    content = film("mp4", "mpeg4")
    await put(folder_store, content, suffix=".mp4")
    shot = told("a", take(1, frames=(frame(content, ".mp4", media_type="video/mp4", width=96, height=54),)))
    made = await make(folder_store, board(shot), {}, Settings(font=font))
    assert made.faults == []
    [(picture, _)] = pictures_of(made)
    assert (picture.size, colour(picture)) == ((96, 54), RED)


async def test_failed_and_skipped_shots_and_a_board_without_any_frame(folder_store: FolderStore, font: Path) -> None:
    manifest = board(
        told("a", take(1, error="http://render-01:8188 is lost")), told("b", take(1, outcome="skipped")), told("c")
    )
    made = await make(folder_store, manifest, {}, Settings(font=font))
    assert (made.pages, made.without, made.faults) == (1, 3, [])
    text = text_of(made)
    assert [word in text for word in ("失败", "跳过", "没有条")] == [True] * 3
    assert "render-01" not in text


async def test_chosen_takes_passes_or_all(folder_store: FolderStore, font: Path) -> None:
    contents = [png(each) for each in (RED, BLUE, GREEN)]
    await put(folder_store, *contents)
    finish = PassEntry(name="finish", **dict(shown(contents[2], 2)))
    shot = told("a", shown(contents[0]), shown(contents[1], 2)).model_copy(update={"passes": (finish,)})
    for settings, picks, expected in (
        (Settings(font=font), {}, [RED]),
        (Settings(font=font), {"a": 2}, [GREEN]),
        (Settings(font=font, takes="all"), {"a": 2}, [RED, BLUE, GREEN]),
    ):
        made = await make(folder_store, board(shot), picks, settings)
        assert [colour(picture) for picture, _ in pictures_of(made)] == expected


async def test_a_character_that_no_font_has_is_said_once_and_shown_as_a_question_mark(
    folder_store: FolderStore, font: Path
) -> None:
    shots = [told(f"SH{number}", description=f"<{NOWHERE}>", dialogue=f"{NOWHERE}\u200d\ufe0f") for number in range(3)]
    made = await make(folder_store, board(*shots), {}, Settings(font=font))
    [notice] = made.notices
    assert notice.startswith("no font has these characters, and ? stands for them:")
    assert notice.count("(U+10FFF0)") == 1
    assert "fonts-noto-cjk" in notice
    assert text_of(made).count("<?>") == 3


async def test_texts_that_have_no_room_end_with_an_ellipsis_and_are_counted(
    folder_store: FolderStore, font: Path
) -> None:
    shots = [
        told("long", description="雾" * 1500, dialogue="老周：" * 400, notes="n " * 700),
        told("short", description="雾"),
    ]
    made = await make(folder_store, board(*shots), {}, Settings(panels=12, font=font))
    assert made.notices == ["texts of 1 panel are shortened: long; fewer panels on a page have more room"]
    assert text_of(made).count("…") == 3


async def test_texts_of_scripts_that_need_shaping_are_said(folder_store: FolderStore, tmp_path: Path) -> None:
    arabic = make_font(tmp_path / "a.ttf", [*CHINESE, *"مرحبا"])
    made = await make(folder_store, board(told("a", dialogue="مرحبا")), {}, Settings(font=arabic))
    assert made.notices == ["letters are not joined or reordered, as ا (U+0627) needs it in its script"]


async def test_signs_that_mean_something_to_the_library_are_only_text(folder_store: FolderStore, font: Path) -> None:
    text = "{nb} **bold** (a\\b) %PDF <b>x</b>"
    made = await make(folder_store, board(told("a", description=text)), {}, Settings(panels=1, font=font))
    assert text in text_of(made)


async def test_equal_boards_make_equal_files_with_title_language_and_no_path(
    folder_store: FolderStore, font: Path
) -> None:
    content = png()
    await put(folder_store, content)
    manifest = board(told("a", shown(content)).model_copy(update={"sequence": "渔港"}))
    one, other = [await make(folder_store, manifest, {}, Settings(font=font)) for _ in range(2)]
    assert one.content == other.content
    with opened(one) as document:
        facts = document.get_metadata_dict()
        assert (facts["Title"], facts["Creator"]) == ("雾港夜航", "previs")
        assert facts["CreationDate"].startswith(f"D:{manifest.finished:%Y%m%d%H%M%S}")
        assert [each.get_title() for each in document.get_toc()] == ["渔港"]
    assert b"/Lang (zh)" in one.content
    for path in (font, Path(folder_store.name)):
        assert str(path.parent).encode() not in one.content


async def test_a_logo_is_on_every_page_on_white(folder_store: FolderStore, font: Path, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    picture = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    picture.paste(RED, (100, 0, 200, 100))
    picture.save(path)
    shots = [told(f"SH{number}") for number in range(3)]
    made = await make(folder_store, board(*shots), {}, Settings(panels=1, font=font, logo=path))
    found = pictures_of(made)
    assert len(found) == 3
    for shown_logo, (width, height) in found:
        assert width / height == pytest.approx(3, rel=0.01)
        assert colour(shown_logo) == RED
        corner = shown_logo.crop((0, 0, 60, 60))
        assert (
            max(high for _, high in ImageChops.difference(corner, Image.new("RGB", corner.size, "white")).getextrema())
            < 8
        )  # type: ignore[misc]


@pytest.mark.parametrize("content", [b"no picture", b"<svg></svg>", None])
async def test_a_logo_that_is_no_picture_is_a_fault(
    folder_store: FolderStore, font: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "logo.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShotListFaults, match=r"--logo.*give a picture as PNG, JPEG"):
        await make(folder_store, board(told("a")), {}, Settings(font=font, logo=path))


async def test_a_font_that_must_not_be_embedded_is_a_fault(folder_store: FolderStore, tmp_path: Path) -> None:
    path = make_font(tmp_path / "mine.ttf", usage=2)
    with pytest.raises(ShotListFaults, match=r"--font.*whose licence allows to embed it"):
        await make(folder_store, board(told("a")), {}, Settings(font=path))


async def test_without_any_font_latin_is_embedded_and_the_rest_is_said(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("previs.publishing.fonts._KNOWN", ())
    made = await make(folder_store, board(told("SH010", description="A lamp 雾"), title="Night", lang="en"), {})
    assert "雾 (U+96FE)" in made.notices[0]
    text = text_of(made)
    assert "A lamp ?" in text
    assert "SH010" in text


async def test_a_store_that_refuses_ends_the_command(folder_store: FolderStore, font: Path) -> None:
    content = png()
    key = frame(content).key
    blocked = _circle(Path(folder_store.uri(key)))
    with pytest.raises(StoreRefused, match=blocked.name):
        await make(folder_store, board(told("a", shown(content))), {}, Settings(font=font))


def _circle(path: Path) -> Path:
    """Make a link that leads to itself, which no program can open."""
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    return path
