"""Fail a third of all calls to S3, or take it away for a while: that costs time, and neither frames nor renders."""

import asyncio

import pytest

from previs.store import S3Settings, S3Store, keys
from tests.conftest import Serve
from tests.flows.runs import Stage, shot, with_sources
from tests.flows.test_storyboard import s3_block
from tests.previs.store.fault_schedule import FAULTS, faulty_proxy

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

SHOTS = [shot(f"SH{n:02}", **(with_sources(f"shot:SH{n - 1:02}") if n % 4 == 0 else {})) for n in range(1, 9)]
WITHIN = 180


async def test_a_third_of_all_calls_failing_loses_and_doubles_nothing(
    simulate: Serve, settings: S3Settings, s3_store: S3Store
) -> None:
    farm = [await simulate() for _ in range(2)]
    assert settings.endpoint_url is not None
    async with faulty_proxy(settings.endpoint_url, share=1 / 3, seed=11, hang=0.1) as proxy:
        place = s3_block(settings.model_copy(update={"endpoint_url": proxy.url}))
        async with asyncio.timeout(WITHIN):
            ran = await Stage(farm, s3_store, place).run(*SHOTS)
            again = await Stage(farm, s3_store, place).run(*SHOTS)
        met = proxy.counts
    assert ran.state.message == f"{len(SHOTS)} shots: {len(SHOTS)} takes rendered, 0 cached"
    assert again.rendered == []
    assert sum(met[kind] for kind in FAULTS) > met.total() / 5
    await Stage(farm, s3_store, None).assert_whole(again.manifest)
    assert len(await s3_store.entries(keys.FRAMES)) == len(await s3_store.entries(keys.TAKES)) == len(SHOTS)


async def test_s3_gone_in_mid_run_loses_and_doubles_nothing(
    simulate: Serve, settings: S3Settings, s3_store: S3Store
) -> None:
    farm = [await simulate(seconds=0.1) for _ in range(2)]
    assert settings.endpoint_url is not None
    async with faulty_proxy(settings.endpoint_url, share=0.0) as proxy:
        stage = Stage(farm, s3_store, s3_block(settings.model_copy(update={"endpoint_url": proxy.url})))
        running = asyncio.create_task(stage.run(*SHOTS))
        async with asyncio.timeout(WITHIN):
            while len(stage.started) < 3:
                assert not running.done()
                await asyncio.sleep(0.005)
            await proxy.stop()
            # How long it is away is what is tried here.
            await asyncio.sleep(3)
            assert not running.done()
            await proxy.start()
            ran = await running
    assert ran.state.message == f"{len(SHOTS)} shots: {len(SHOTS)} takes rendered, 0 cached"
    await stage.assert_whole(ran.manifest)
    assert len(await s3_store.entries(keys.FRAMES)) == len(await s3_store.entries(keys.TAKES)) == len(SHOTS)
