"""Make the film of a board at the end of its run."""

from pathlib import Path

import av
import pytest

from flows.storyboard import storyboard
from previs.store import FolderStore, keys
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, manifest_of, shots

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_run_puts_the_film_of_its_board_beside_the_page(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    given = {
        "shots": [one | {"duration": 0.5, "dialogue": "等一下"} for one in shots(2)],
        "aspect": "128x72",
        "fps": 12,
    }
    common = {"workflow": SETTINGS, "farm": [url], "store": str(tmp_path), "board": "夜", "return_state": True}
    state = await storyboard(given, animatic="slates", **common)
    assert state.is_completed(), state.message
    store = FolderStore(tmp_path)
    made = await manifest_of(store, "夜")
    film, titles = (Path(store.uri(keys.run_key("夜", made.run, f"animatic{end}"))) for end in (".mp4", ".srt"))
    with av.open(str(film)) as opened:
        assert (sum(1 for _ in opened.decode(video=0)), opened.streams.video[0].average_rate) == (12, 12)
    assert titles.read_text("utf-8").count("等一下") == 2


async def test_a_board_that_makes_no_film_is_published_all_the_same(
    simulate: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await simulate()
    given = {"shots": shots(1), "fps": 900}
    common = {"workflow": SETTINGS, "farm": [url], "store": str(tmp_path), "board": "b", "return_state": True}
    assert (await storyboard(given, animatic="plain", **common)).is_completed()
    assert "the board makes no animatic" in caplog.text
    assert len((await manifest_of(FolderStore(tmp_path), "b")).shots) == 1
