"""Find saved blocks by name; one that became invalid stops the run."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate

from blocks import ComfyUIFarm, FolderFrameStore
from blocks.saved import saved
from flows.storyboard import storyboard
from previs.errors import FarmRefused, SourceNotFound, StoreRefused
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_block_is_found_by_its_name_and_there_may_be_none(tmp_path: Path) -> None:
    name = f"block-{uuid4().hex[:8]}"
    assert await saved(FolderFrameStore, name) is None
    await FolderFrameStore(folder=str(tmp_path)).save(name)
    found = await saved(FolderFrameStore, name)
    assert found is not None
    assert found.folder == str(tmp_path)


async def test_a_block_that_became_invalid_is_reported_without_its_values() -> None:
    name = f"block-{uuid4().hex[:8]}"
    identity = await ComfyUIFarm(servers=["http://a:8188"], token="s3cret-4711").save(name)  # noqa: S106 - opens nothing
    async with get_client() as client:
        await client.update_block_document(identity, BlockDocumentUpdate(data={"places": 99, "token": "s3cret-4712"}))
    with pytest.raises(SourceNotFound) as caught:
        await saved(ComfyUIFarm, name)
    assert str(caught.value).startswith(f"the saved block comfyui-farm/{name} cannot be read: places: ")
    assert "s3cret" not in str(caught.value)


async def test_a_run_finds_farm_and_store_by_the_names_of_their_blocks(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    name = f"block-{uuid4().hex[:8]}"
    await ComfyUIFarm(servers=[url]).save(name)
    await FolderFrameStore(folder=str(tmp_path)).save(name)
    order = {"shots": shots(1), "workflow": SETTINGS, "return_state": True}
    for farm in (f"block:{name}", [f"block:{name}"], url):
        state = await storyboard(**order, farm=farm, store=f"block:{name}")
        assert state.is_completed(), state.message
    assert len(simulator.started) == 1
    assert (tmp_path / "boards").is_dir()
    refused = await storyboard(**order, farm="block:nobody", store=str(tmp_path))
    assert isinstance(await refused.aresult(raise_on_failure=False), FarmRefused)
    refused = await storyboard(**order, farm=url, store="block:nobody")
    assert isinstance(await refused.aresult(raise_on_failure=False), StoreRefused)
