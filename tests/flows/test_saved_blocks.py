"""Find saved blocks by name; one that became invalid stops the run."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from blocks.aws import S3BucketStore
from blocks.saved import saved
from flows.storyboard import storyboard
from previs.errors import FarmRefused, SourceNotFound, StoreRefused
from previs.store import S3Settings
from tasks.farm_and_store import check_saved, defaults, open_store
from tasks.nightly import shared_parameters
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, shots
from tests.ports import free_port

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
    for farm in (f"block:{name}", [f"block:{name}"]):
        state = await storyboard(**order, farm=farm, store=f"block:{name}")
        assert state.is_completed(), state.message
    assert len(simulator.started) == 1
    assert (tmp_path / "boards").is_dir()
    refused = await storyboard(**order, farm="block:nobody", store=str(tmp_path))
    assert isinstance(await refused.aresult(raise_on_failure=False), FarmRefused)
    assert "save a ComfyUI Farm as 'nobody' in Prefect's pages under Blocks" in (refused.message or "")
    refused = await storyboard(**order, farm=url, store="block:nobody")
    assert isinstance(await refused.aresult(raise_on_failure=False), StoreRefused)
    assert "save an S3 Frame Store or" in (refused.message or "")


async def test_a_farm_that_a_run_needs_and_nobody_saved_stops_it_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.farm_and_store.LOCAL_SERVER", f"http://127.0.0.1:{free_port()}")
    state = await storyboard(shots=shots(1), workflow=SETTINGS, store=str(tmp_path), return_state=True)
    assert isinstance(await state.aresult(raise_on_failure=False), FarmRefused)
    assert "none is saved as 'default', and no server answers at http" in (state.message or "")
    farm, store = [line async for line in defaults(in_containers=True)]
    assert farm.startswith("warning: no farm is saved as default: events and nightly boards that name none use http://")
    assert "which is lost with the container; save an S3 Frame Store or a Folder Frame Store as 'default'" in store
    # Nor is there a run if the command's process is given a block that is not saved.
    with pytest.raises(
        StoreRefused, match="no S3 Bucket named 'nobody' is saved in Prefect: save one in Prefect's pages"
    ):
        await check_saved({"store": "block:s3-bucket/nobody"})
    with pytest.raises(FarmRefused, match="save a ComfyUI Farm as 'nobody'"):
        await check_saved({"farm": ["block:nobody"], "store": str(tmp_path)})


async def test_blocks_of_prefect_aws_are_stores_and_their_secrets_go_nowhere(
    simulate: Serve, settings: S3Settings, caplog: pytest.LogCaptureFixture
) -> None:
    from prefect_aws import AwsClientParameters, MinIOCredentials, S3Bucket  # noqa: PLC0415 - as in tests/blocks

    _, url = await simulate()
    assert settings.access_key_id is not None
    assert settings.secret_access_key is not None
    secret, name = settings.secret_access_key.get_secret_value(), f"block-{uuid4().hex[:8]}"
    client = AwsClientParameters(endpoint_url=settings.endpoint_url)
    minio = MinIOCredentials(
        minio_root_user=settings.access_key_id.get_secret_value(),
        minio_root_password=secret,
        region_name="us-east-1",
        aws_client_parameters=client,
    )
    await minio.asave(name)
    bucket = S3Bucket(bucket_name=settings.bucket, bucket_folder=settings.prefix, credentials=minio)
    reference = {"$ref": {"block_document_id": str(await bucket.asave(name))}}
    order = {"shots": shots(1), "workflow": SETTINGS, "farm": url, "return_state": True}
    for store, shown in (
        (f"block:s3-bucket/{name}", f"block:s3-bucket/{name}"),
        (reference, reference),
        (bucket, reference),
    ):
        state = await storyboard(**order, store=store)
        assert state.is_completed(), state.message
        async with get_client() as asked:
            run = await asked.read_flow_run(state.state_details.flow_run_id)
        assert run.parameters["store"] == shown
        assert secret not in run.model_dump_json() + caplog.text
    await S3FrameStore(bucket=settings.bucket, prefix=settings.prefix, block=f"minio-credentials/{name}").asave(name)
    async with await open_store(f"block:{name}") as kept:
        assert [key for key in await kept.entries("boards/") if key.endswith("/manifest.json")]
    loaded = S3BucketStore(block=await S3Bucket.aload(name))
    assert shared_parameters(None, loaded, None) == {"store": reference}


async def test_prefect_shows_no_secret_of_a_header_and_none_that_an_earlier_version_left() -> None:
    name, secret = f"block-{uuid4().hex[:8]}", "s3cret-4711"
    identity = await ComfyUIFarm(servers=["http://a:8188"], headers={"X-Key": SecretStr(secret)}).asave(name)
    store = S3FrameStore(bucket="b", access_key_id="AKID", secret_access_key=secret)
    other = await store.asave(name)
    async with get_client() as client:
        # As an earlier version saved it, beside which Prefect keeps what is saved over it.
        earlier = {"bucket": "b", "access_key_id": "AKID-old", "secret_access_key": f"{secret}-old"}
        await client.update_block_document(other, BlockDocumentUpdate(data=earlier))
        await store.asave(name, overwrite=True)
        for each in (identity, other):
            shown = await client.read_block_document(each, include_secrets=False)
            assert secret not in shown.model_dump_json()
            assert "AKID" not in shown.model_dump_json()
    loaded = await S3FrameStore.aload(name)
    assert loaded.open().settings == store.open().settings
