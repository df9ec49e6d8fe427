"""Check what Prefect's server keeps of a board: pages of bounded size, and no link that leads nowhere."""

import json
import re
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.runtime import flow_run

from previs.publishing.publish import links_of
from previs.store import FolderStore
from tasks.artifacts import show_board
from tests.previs.publishing.views.test_overview import thumbnail
from tests.previs.records.published import frame, manifest, shot, take

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_long_board_is_kept_in_pages_that_name_each_other(tmp_path: Path) -> None:
    shown = frame(b"1", thumbnail=thumbnail("red"))
    made = manifest(*(shot(f"镜头{n}", take(1, frames=(shown,)), prompt="https://evil.example") for n in range(1100)))
    page = "file:///mnt/boards/index.html"

    @flow(name="shows a board", persist_result=False)
    async def shows() -> str:
        async with FolderStore(tmp_path) as store:
            await show_board(made, await links_of([shown], store), store, page)
        return str(flow_run.id)

    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[await shows()]))
    async with get_client() as client:
        found = {each.key: each for each in await client.read_artifacts(artifact_filter=of_run) if each.key}
    board = min(found, key=len).removesuffix("-shots")
    sheets = [found.pop(f"{board}-contact-sheet{end}") for end in ("", "-2")]
    tables = [found.pop(f"{board}-shots{end}") for end in ("", "-2", "-3")]
    assert not found
    assert max(len(str(each.data).encode()) for each in (*sheets, *tables)) <= 400_000
    assert f"- [Page 2](../key/{board}-contact-sheet-2): 镜头" in str(sheets[0].data)
    description = f"Page 1 of 3; the others are `{board}-shots-2` to `{board}-shots-3`."
    assert tables[0].description == f"Board: `/mnt/boards/index.html`\n\n{description}"
    assert re.match(
        r"Board: `[^`]+` !\[\]\(data:image/jpeg;base64,[\w+/=]+\)\n\nPage 1 of 2", str(sheets[0].description)
    )
    rows = [row for table in tables for row in json.loads(str(table.data))]
    assert [row["shot"] for row in rows] == [f"镜头{n}" for n in range(1100)]
    assert rows[0]["frame"] == str(tmp_path / shown.key)
    assert not [each.key for each in sheets if re.search("https?://", str(each.data))]
