"""A paused run is answered, and another one started, over Prefect's API; tests/flows asks the real server."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest

from previs.errors import PrefectRefused, PrefectUnavailable, ReviewRefused
from previs.publishing.review import ReviewAnswer
from previs.review.prefect_api import PrefectApi, find_prefect
from previs.store import FolderStore, keys
from tests.previs.records.published import run_name
from tests.previs.review.conftest import BOARD, PrefectStandIn, member, serving
from tests.previs.review.test_web import PART, do, state


async def test_a_paused_run_of_the_board_gets_the_review(reviewed: FolderStore) -> None:
    prefect = PrefectStandIn()
    prefect.pause(BOARD, run_name(1))
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        await do(anna, kind="circle", take=2)
        await do(anna, "SH020", kind="again", text="雨夜")
        found = (await state(anna))["activity"]
        assert (found["state"], found["asks"]) == ("PAUSED", True)
        assert found["page"].endswith(f"/runs/flow-run/{run_name(1)[-8:]}-0000-4000-8000-000000000000")
        answer = await anna.post(f"boards/{PART}/answer", json={})
        assert answer.json() == {"chosen": 1, "again": 1}
        ((path, body),) = prefect.asked
        assert path.endswith("/resume")
        form = {"chosen": [{"shot": "SH010", "take": 2}], "again": [{"shot": "SH020", "prompt": "雨夜"}]}
        assert body == {"run_input": form}
        refused = await anna.post(f"boards/{PART}/answer", json={})
        assert (refused.status_code, "no run waits for the review" in refused.json()["error"]) == (422, True)


async def test_a_paused_run_of_another_publication_is_not_answered(reviewed: FolderStore) -> None:
    prefect = PrefectStandIn()
    prefect.pause(BOARD, "20261031-174009-00000000")
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        assert (await state(anna))["activity"]["asks"] is False
        assert (await anna.post(f"boards/{PART}/answer", json={})).status_code == 422
        assert prefect.asked == []


async def test_why_prefect_refuses_is_said(reviewed: FolderStore) -> None:
    prefect = PrefectStandIn(refuses="Flow run is not paused.")
    prefect.pause(BOARD, run_name(1))
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        answer = await anna.post(f"boards/{PART}/answer", json={})
        assert answer.status_code == 422
        assert "Prefect does not take the answer: Flow run is not paused." in answer.json()["error"]


async def test_rendering_again_starts_the_deployment_with_the_revised_list(reviewed: FolderStore) -> None:
    prefect = PrefectStandIn(lost=1)
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        await do(anna, kind="again", text="more rain")
        answer = (await anna.post(f"boards/{PART}/render", json={})).json()
        assert answer["started"] is True
        (_, body), (_, repeated) = prefect.asked
        assert body == repeated
        (listed,) = [key for key in await reviewed.entries(keys.BOARDS) if "/shots-" in key]
        expected = {"shots": reviewed.uri(listed), "board": BOARD, "store": reviewed.name, "only": ["SH010"]}
        assert body.pop("idempotency_key")
        assert body == {"parameters": expected, "tags": [f"board:{BOARD}"]}
        prefect.pause(BOARD, run_name(1), "RUNNING")
        again = await anna.post(f"boards/{PART}/render", json={})
        assert (again.status_code, "has not ended" in again.json()["error"]) == (422, True)


async def test_a_prefect_that_is_away_hides_no_board(reviewed: FolderStore) -> None:
    find = lambda: PrefectApi("http://127.0.0.1:9/api")  # noqa: E731 - a server that is not there
    async with serving(reviewed, prefect=find) as url, member(url) as anna:
        assert (await state(anna))["activity"] is None
        assert (await do(anna, kind="comment", text="x")).status_code == 200


@pytest.mark.parametrize(
    ("status", "content", "error", "says"),
    [
        (401, "no", PrefectRefused, "wants a password"),
        (404, "no", ReviewRefused, "run previs deploy"),
        (422, "x" * 5000, ReviewRefused, "Prefect answers 422: xxx"),
        (500, "no", PrefectUnavailable, "it answers 500"),
        (200, "<html>", PrefectUnavailable, "not that of Prefect's API"),
    ],
)
async def test_wrong_answers_become_sentences(status: int, content: str, error: type[Exception], says: str) -> None:
    api = PrefectApi("http://prefect/api")
    api._client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(status, text=content)), base_url=api.url
    )
    with pytest.raises(error, match=says) as raised:
        await api.start("b", {})
    assert len(str(raised.value)) < 600
    with pytest.raises((PrefectRefused, ReviewRefused, PrefectUnavailable)):
        await api.resume(UUID(int=1), ReviewAnswer())
    await api.__aexit__()


def test_prefect_is_found_in_the_environment_the_profile_or_not_at_all(tmp_path: Path) -> None:
    assert find_prefect({"PREFECT_HOME": str(tmp_path)}) is None
    profile = 'active = "studio"\n[profiles.studio]\nPREFECT_API_URL = "http://prefect.lan/api"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    found = find_prefect({"PREFECT_HOME": str(tmp_path), "PREFECT_API_AUTH_STRING": "admin:secret"})
    assert found == PrefectApi("http://prefect.lan/api", {"Authorization": "Basic YWRtaW46c2VjcmV0"})
    assert "secret" not in repr(found)
    given = {"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": "http://other/api", "PREFECT_API_KEY": "pnu_x"}
    assert find_prefect(given) == PrefectApi("http://other/api", {"Authorization": "Bearer pnu_x"})
    (tmp_path / "profiles.toml").write_text("[profiles")
    assert find_prefect({"PREFECT_HOME": str(tmp_path)}) is None


async def test_a_run_that_failed_since_is_told_and_another_can_be_started(reviewed: FolderStore) -> None:
    prefect = PrefectStandIn()
    prefect.pause(BOARD, "20261031-174009-00000000", "FAILED")
    prefect.runs[BOARD][0]["state"] = {"type": "FAILED", "message": "the store cannot be used"}
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        found = (await state(anna))["activity"]
        assert (found["state"], found["reason"], found["asks"]) == ("FAILED", "the store cannot be used", False)
        await do(anna, kind="again", text="more rain")
        assert (await anna.post(f"boards/{PART}/render", json={})).json()["started"] is True


@pytest.mark.parametrize(("run", "began"), [(run_name(1), "2026-11-30"), ("20261031-174009-00000000", "2020-01-01")])
async def test_the_published_run_and_those_before_it_count_as_over_if_they_failed(
    reviewed: FolderStore, run: str, began: str
) -> None:
    prefect = PrefectStandIn()
    prefect.pause(BOARD, run, "FAILED")
    prefect.runs[BOARD][0]["start_time"] = f"{began}T10:00:00Z"
    async with prefect.serve() as find, serving(reviewed, prefect=find) as url, member(url) as anna:
        assert (await state(anna))["activity"] is None
