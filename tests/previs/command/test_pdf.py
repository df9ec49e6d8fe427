"""previs pdf finds a board, writes its PDF, and says what is not in it."""

import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest

from previs.boards.picks import pick
from previs.store import FolderStore
from tests.previs.command.conftest import Call
from tests.previs.pdf.boards import BLUE, RED, board, make_font, png, shown, told
from tests.previs.pdf.test_make import colour, pictures_of
from tests.previs.records.published import put_run, run_name, take

BOARD = "渔港 1"


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    """Return a store with a board of two runs, and a font beside it."""
    make_font(tmp_path / "blocks.ttf")
    made = FolderStore(tmp_path / "store")
    files = png(RED), png(BLUE)
    shots = told("SH010", shown(files[0]), shown(files[1], 2)), told("SH020", take(1, error="no room"))
    await put_run(made, board(shots[1], board=BOARD), files)
    await put_run(made, board(*shots, board=BOARD, number=2), files)
    return made


async def picked(store: FolderStore) -> None:
    await pick(store, BOARD, "SH010", 2)


WORDS = ("--store", "store", "--font", "blocks.ttf")


@pytest.mark.usefixtures("store")
def test_a_board_becomes_a_pdf_and_a_summary(call: Call, tmp_path: Path) -> None:
    ended = call("pdf", BOARD, "out.pdf", *WORDS)
    assert ended.code == 0, ended.err
    size = (tmp_path / "out.pdf").stat().st_size / 1e6
    said = f"1 page, 2 panels, {size:.1f} MB, 1 of them without a picture, since none was made"
    assert ended.out == f"run {run_name(2)}: {said}: out.pdf\n"
    assert ended.err == "written: out.pdf\n"
    with pypdfium2.PdfDocument(tmp_path / "out.pdf") as document:
        assert document[0].get_width() > document[0].get_height()


@pytest.mark.usefixtures("store")
def test_options_choose_the_run_the_paper_the_takes_and_the_division(call: Call, tmp_path: Path) -> None:
    words = ("--run", run_name(2), "--panels", "1", "--paper", "Letter", "--portrait", "--takes", "all")
    ended = call("pdf", BOARD, "out.pdf", *WORDS, *words)
    assert ended.out.startswith(f"run {run_name(2)}: 3 pages, 3 panels")
    with pypdfium2.PdfDocument(tmp_path / "out.pdf") as document:
        assert document[0].get_size() == pytest.approx((612, 792), abs=0.1)
    assert call("pdf", BOARD, "first.pdf", *WORDS, "--run", run_name(1)).out.startswith(
        f"run {run_name(1)}: 1 page, 1 panel,"
    )


async def test_a_take_that_was_picked_after_the_run_is_shown(store: FolderStore, tmp_path: Path) -> None:
    from previs.command.pdf import PdfOrder, write_pdf  # noqa: PLC0415 - its import takes long
    from previs.pdf import Made, Settings  # noqa: PLC0415 - the same

    await picked(store)
    path = tmp_path / "out.pdf"
    assert await write_pdf(PdfOrder(store.name, BOARD, path, settings=Settings(font=tmp_path / "blocks.ttf"))) == 0
    [(picture, _)] = pictures_of(Made(path.read_bytes()))
    assert colour(picture) == BLUE


@pytest.mark.usefixtures("store")
def test_frames_that_are_not_there_are_counted_and_named(call: Call, tmp_path: Path) -> None:
    for path in (tmp_path / "store" / "frames").rglob("*.png"):
        path.unlink()
    ended = call("pdf", BOARD, "out.pdf", *WORDS)
    assert ended.code == 1
    assert (
        "1 frame could not be used, and the thumbnail or words stand there:\n  - shot SH010, take 1: frames/"
        in ended.err
    )
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pdf", BOARD, "kept.pdf"), "it already exists: move it away, or give another name"),
        (("pdf", BOARD, "out.doc"), "a PDF is written as .pdf"),
        (("pdf", BOARD, "none/out.pdf"), "No such file or directory"),
        (("pdf", "渔港", "out.pdf"), BOARD),
        (("pdf", BOARD, "out.pdf", "--logo", "none.png"), "give a picture as PNG, JPEG"),
        (("pdf", BOARD, "out.pdf", "--font", "kept.pdf"), "give the file of a font"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_changed(
    call: Call, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "kept.pdf").write_text("mine")
    ended = call(*words, "--store", "store")
    assert ended.code == 2
    assert said in ended.err
    assert (tmp_path / "kept.pdf").read_text() == "mine"
    assert not (tmp_path / "out.pdf").exists()


WITHOUT = """
import sys
sys.modules["fpdf"] = None
from previs.command import main
main(["pdf", "b", "out.pdf"])
"""


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - this program
        (sys.executable, "-c", WITHOUT), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "PDF needs fpdf, which is not installed: pip install 'previs[pdf]'\n"


LAZY = """
import sys
from previs.command import main
try:
    main(["pdf", "--help"])
finally:
    print(sorted({"fpdf", "fontTools", "PIL", "pydantic"} & sys.modules.keys()), file=sys.stderr)
"""


def test_the_help_loads_no_library() -> None:
    done = subprocess.run((sys.executable, "-c", LAZY), capture_output=True, text=True, check=False)  # noqa: S603 - this program
    assert "--panels" in done.stdout
    assert done.stderr == "[]\n"
