"""One shot is built, rendered and found, and everything that may go wrong is an error of previs."""

import asyncio
import base64
import hashlib
import logging
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest

import previs
from previs.errors import (
    FarmRefused,
    NodeFailed,
    NoServer,
    NotInStore,
    PlanRefused,
    RenderTimedOut,
    ServerUnreachable,
    ShotListFaults,
    WorkflowFaults,
)
from previs.simulator import Faults
from previs.simulator.versions import VERSIONS
from tests.conftest import Serve
from tests.ports import free_port
from tests.previs.api.sessions import EXAMPLES, SETTINGS, WITH_REFERENCES, session_of, shot
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import wait_until


def opened(url: str) -> bytes:
    with urlopen(url) as answer:  # noqa: S310 - a URL of the test's own store
        content: bytes = answer.read()
        return content


@pytest.mark.smoke
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_shot_is_rendered_and_its_url_opens_the_picture(simulate: Serve, tmp_path: Path, version: str) -> None:
    simulator, url = await simulate(version=version)
    async with session_of(tmp_path / "故事 板", url) as session:
        outputs = await session.render(shot(), SETTINGS)
    picture = await asyncio.to_thread(opened, outputs.main.url)
    assert hashlib.sha256(picture).hexdigest() == outputs.main.sha256
    assert (outputs.main.media_type, outputs.main.size) == ("image/png", len(picture))
    assert Path(outputs.main.uri).as_uri() == outputs.main.url
    assert (outputs.server, outputs.prompt_id, outputs.cached) == (url, simulator.posted[0], False)
    assert 0 < outputs.seconds < 10


async def test_a_stored_take_is_not_rendered_again_by_another_session(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    made = []
    for _ in range(2):
        async with session_of(tmp_path, url) as session:
            made.append(await session.render(shot(), SETTINGS))
    assert [each.cached for each in made] == [False, True]
    assert made[0].files == made[1].files
    assert len(simulator.posted) == 1


async def test_a_picture_that_is_missing_from_the_store_is_made_again_with_a_warning(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    warnings: list[str] = []
    made = []
    for _ in range(2):
        async with session_of(tmp_path, url, warn=warnings.append) as session:
            made.append(await session.render(shot(), SETTINGS))
        await asyncio.to_thread(os.unlink, made[0].main.uri)
    assert [each.cached for each in made] == [False, False]
    assert made[0].main.sha256 == made[1].main.sha256
    assert len(warnings) == 1
    assert warnings[0].endswith("is missing or has another size: the take is rendered again")
    assert len(simulator.posted) == 1


async def test_a_take_whose_model_file_was_replaced_is_rendered_again(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    model = ("checkpoints", SETTINGS["checkpoint"])
    made = []
    for content in ("a" * 64, "b" * 64, "b" * 64):
        simulator.metadata[model] = {"modelspec.hash_sha256": f"0x{content}"}
        async with session_of(tmp_path, url) as session:
            made.append(await session.render(shot(), SETTINGS))
    assert [each.cached for each in made] == [False, False, True]


async def test_the_pictures_of_a_store_in_s3_have_urls_that_answer(simulate: Serve, s3_store: previs.S3Store) -> None:
    _, url = await simulate()
    async with previs.connect(url, store=s3_store) as session:
        outputs = await session.render(shot(), SETTINGS)
    assert outputs.main.uri.startswith("s3://")
    async with httpx.AsyncClient() as client:
        answer = await client.get(outputs.main.url)
    assert hashlib.sha256(answer.content).hexdigest() == outputs.main.sha256
    # The session did not close a store that it did not open.
    assert await s3_store.get("nothing") is None


async def test_a_published_folder_gives_urls_of_its_web_server(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    folder = tmp_path / "故事板"
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        serving = asyncio.create_task(asyncio.to_thread(site.serve_forever))
        published = f"http://127.0.0.1:{site.server_port}/"
        async with session_of(folder, url, public_url=published) as session:
            outputs = await session.render(shot(), SETTINGS)
        picture = await asyncio.to_thread(opened, outputs.main.url)
        site.shutdown()
        await serving
    assert outputs.main.url.startswith(f"{published}frames/")
    assert hashlib.sha256(picture).hexdigest() == outputs.main.sha256


@pytest.mark.parametrize(
    ("name", "references"),
    [("text-to-image.json", ()), ("saved-graph.json", ()), ("saved-in-editor.json", ("mei.jpg",))],
)
async def test_settings_and_saved_files_become_graphs_that_hold_the_prompt(
    simulate: Serve, tmp_path: Path, name: str, references: tuple[str, ...]
) -> None:
    simulator, url = await simulate()
    given = shot(1, "雨夜", *(str(EXAMPLES / "references" / reference) for reference in references))
    async with session_of(tmp_path, url) as session:
        bound = await session.build(given, EXAMPLES / "workflows" / name)
        values = [value for node in bound.values() for value in node["inputs"].values()]
        submitted = session.submit(bound)
        await session.wait(submitted)
    assert any("雨夜" in value for value in values if isinstance(value, str))
    assert bound.seed in values
    assert simulator.posted == [submitted]


async def test_each_take_has_its_own_seed_and_the_shots_own_counts_up(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with session_of(tmp_path, url) as session:
        built = [await session.build(shot(takes=7), SETTINGS, take=take) for take in (1, 2, 9)]
        assert len({bound.seed for bound in built}) == 3
        assert (await session.build(shot(seed=40), SETTINGS, take=3)).seed == 42
        with pytest.raises(ValueError, match="takes are numbered from 1"):
            await session.build(shot(), SETTINGS, take=0)


async def test_a_graph_may_be_changed_before_it_is_submitted(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    async with session_of(tmp_path, url) as session:
        bound = await session.build(shot(), SETTINGS)
        unchanged = session.submit(bound)
        bound["sampler"]["inputs"]["steps"] = 2
        changed = session.submit(bound)
        made = [await session.wait(each) for each in (unchanged, changed)]
        del bound["sampler"]["inputs"]
        with pytest.raises(WorkflowFaults, match="the changed graph cannot be used"):
            session.submit(bound)
    assert made[0].main.sha256 != made[1].main.sha256
    assert sorted(simulator.posted) == sorted([unchanged, changed])


async def test_references_come_from_paths_file_urls_the_web_and_data_urls(
    simulate: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator, url = await simulate()
    picture = (EXAMPLES / "references" / "mei.jpg").read_bytes()
    (tmp_path / "mei 红.jpg").write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    async with session_of(tmp_path / "store", url) as session:
        outputs = await session.render(shot(), SETTINGS)
        name = simulator.disk.files["output"]
        assert name
        async with httpx.AsyncClient() as client:
            history = (await client.get(f"{url}/history/{outputs.prompt_id}")).json()
        [saved] = history[outputs.prompt_id]["outputs"]["save"]["images"]
        on_the_web = str(httpx.URL(f"{url}/view", params=saved))
        places = ["mei 红.jpg", (tmp_path / "mei 红.jpg").as_uri(), str(tmp_path / "mei 红.jpg"), on_the_web]
        places.append(f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}")
        graphs = [await session.build(shot(1, "夜", place), WITH_REFERENCES) for place in places]
        made = await session.wait(session.submit(graphs[3]))
    assert graphs[0] == graphs[1] == graphs[2] == graphs[4] != graphs[3]
    assert made.main.size
    assert len(simulator.uploads) == 1


async def test_equal_submissions_share_one_render_and_each_is_waited_for_once(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    async with session_of(tmp_path, url) as session:
        graphs = [await session.build(shot(shot_id, "夜"), SETTINGS) for shot_id in (1, 2)]
        first, second = [session.submit(bound) for bound in graphs]
        assert first == second
        made = await asyncio.gather(session.wait(first), session.wait(second))
        with pytest.raises(NotInStore, match=f"this session has no prompt '{first}'"):
            await session.wait(first)
    assert made[0] == made[1]
    assert simulator.posted == [first]


async def test_a_render_over_its_time_is_given_up_and_cancelled_on_its_server(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(faults=Faults(stall_on="迷路"))
    async with session_of(tmp_path, url) as session:
        bound = await session.build(shot(1, "迷路"), SETTINGS)
        prompt = session.submit(bound)
        await wait_until(lambda: simulator.started == [prompt])
        with pytest.raises(RenderTimedOut, match=r"the render on http://.* was not done after 0\.3 s"):
            await session.wait(prompt, 0.3)
        await wait_until(lambda: simulator.queue.remaining == 0)
        assert (await session.render(shot(2), SETTINGS, timeout=30)).files
    assert len(simulator.interrupted) == 1


async def test_one_of_two_waiting_that_leaves_does_not_stop_the_render(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(seconds=0.5)
    async with session_of(tmp_path, url) as session:
        bound = await session.build(shot(), SETTINGS)
        first, second = session.submit(bound), session.submit(bound)
        with pytest.raises(RenderTimedOut):
            await session.wait(first, 0.01)
        assert (await session.wait(second, 30)).files
    assert (len(simulator.posted), simulator.interrupted, simulator.deleted) == (1, [], [])


async def test_leaving_a_session_cancels_what_still_renders(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate(faults=Faults(stall_on="迷路"))
    async with session_of(tmp_path, url) as session:
        bound = await session.build(shot(1, "迷路"), SETTINGS)
        session.submit(bound)
        await wait_until(lambda: simulator.started)
    await wait_until(lambda: simulator.queue.remaining == 0)
    assert simulator.interrupted == simulator.posted
    with pytest.raises(RuntimeError, match="this session is closed"):
        session.submit(bound)


async def test_cancelling_the_task_that_waits_cancels_the_prompt_before_it_ends(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate(faults=Faults(stall_on="迷路"))
    async with session_of(tmp_path, url) as session:
        waiting = asyncio.create_task(session.render(shot(1, "迷路"), SETTINGS))
        await wait_until(lambda: simulator.started)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert simulator.interrupted == simulator.posted
        assert (await session.render(shot(2), SETTINGS, timeout=30)).files


async def test_a_graph_that_fails_says_which_node_and_why(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate(faults=Faults(fail_on="雷"))
    async with session_of(tmp_path, url) as session:
        with pytest.raises(NodeFailed, match=r"node sampler \(KSampler\) failed on http"):
            await session.render(shot(1, "雷"), SETTINGS)


async def test_what_no_server_has_is_refused_before_anything_is_posted(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    settings = SETTINGS | {"checkpoint": "nobody has it.safetensors"}
    async with session_of(tmp_path, url) as session:
        report = await session.check(shot(), settings)
        with pytest.raises(PlanRefused, match="nobody has it"):
            await session.render(shot(), settings)
    assert report.blocked == ("1 · take 1",)
    assert simulator.posted == []


async def test_faults_of_a_shot_and_of_settings_are_named(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with session_of(tmp_path, url) as session:
        with pytest.raises(ShotListFaults, match="duration: -1"):
            await session.build(shot(duration=-1), SETTINGS)
        with pytest.raises(ShotListFaults, match="there is no such file"):
            await session.build(shot(1, "夜", "none.png"), WITH_REFERENCES)
        with pytest.raises(WorkflowFaults, match="steeps"):
            await session.build(shot(), SETTINGS | {"steeps": 4})


@pytest.mark.parametrize("version", VERSIONS)
async def test_servers_say_how_they_are_and_one_that_is_away_costs_nothing(
    simulate: Serve, tmp_path: Path, version: str
) -> None:
    _, url = await simulate(version=version)
    away = f"http://127.0.0.1:{free_port()}"
    async with session_of(tmp_path, url, away) as session:
        there, not_there = await session.servers()
        assert (await session.render(shot(), SETTINGS)).server == url
    assert (there.url, there.up, there.error, there.queued) == (url, True, None, 0)
    assert there.comfyui == version
    assert (not_there.url, not_there.up, not_there.comfyui) == (away, False, None)
    assert isinstance(not_there.error, ServerUnreachable)


async def test_without_any_server_renders_fail_after_the_sessions_patience(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    async with session_of(tmp_path, away, patience=0.2, warn=lambda _: None) as session:
        with pytest.raises(NoServer, match=away):
            await session.render(shot(), SETTINGS)
        with pytest.raises(NoServer):
            await session.check(shot(), SETTINGS)


async def test_servers_whose_urls_cannot_be_used_are_refused(tmp_path: Path) -> None:
    for urls in (["render-01"], ["http://a:b@render-01"]):
        with pytest.raises(FarmRefused):
            await session_of(tmp_path, *urls).__aenter__()
    twice = [previs.Address("http://a:1", {"X-Token": "1"}), previs.Address("http://a:1/")]
    with pytest.raises(FarmRefused, match=r"http://a:1 is named twice"):
        await previs.connect(*twice, store=tmp_path).__aenter__()
    with pytest.raises(ValueError, match="prompts_per_server is 0"):
        await previs.connect(prompts_per_server=0, store=tmp_path).__aenter__()


async def test_headers_reach_a_server_behind_a_proxy(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate(faults=Faults(header=("X-Token", "4711")))
    async with previs.connect(previs.Address(url, {"X-Token": "4711"}), store=tmp_path) as session:
        assert (await session.render(shot(), SETTINGS)).files


async def test_a_notice_is_logged_once(simulate: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, url = await simulate()
    saved = graph()
    saved["10"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    saved["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    with caplog.at_level(logging.WARNING, "previs"):
        async with session_of(tmp_path, url) as session:
            built = [await session.build(shot(shot_id), saved) for shot_id in (1, 2)]
    assert built[0].notices == built[1].notices
    assert "keeps its picture example.png" in " ".join(built[0].notices)
    assert [record.getMessage() for record in caplog.records] == list(built[0].notices)


async def test_a_session_first_removes_what_a_killed_run_left(simulate: Serve, tmp_path: Path, abandoned: Path) -> None:
    _, url = await simulate()
    async with session_of(tmp_path / "store", url):
        assert not list(abandoned.parent.glob(abandoned.name))
