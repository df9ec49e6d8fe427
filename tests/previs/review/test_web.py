"""What people do in the pages is kept as picks and events, and is shown to everybody; frames are sent as they are."""

import asyncio
import html
import json
import re
import shlex
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from previs.boards.picks import picks
from previs.publishing.review import ReviewAnswer
from previs.review.desk import Desk
from previs.review.events import ReviewEvents
from previs.store import FolderStore, S3Store, Store, keys
from tests.conftest import FOLDER_AND_S3
from tests.previs.pdf.boards import BLUE, png
from tests.previs.records.published import frame, manifest, put_run, run_name, sha, shot, take
from tests.previs.review.conftest import BOARD, PICTURES, client, first_run, member, serving

PART = quote(keys.part(BOARD))
RUN = f"boards/{PART}/runs/{run_name(1)}/"
GREY = png(BLUE)


async def do(browser: httpx.AsyncClient, shot: str = "SH010", **action: Any) -> httpx.Response:
    return await browser.post(f"boards/{PART}/events", json={"shot": shot} | action)


async def state(browser: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await browser.get(f"boards/{PART}/state")).json()
    found.pop("me")
    return found | {"by_shot": {each["shot"]: each for each in found["shots"]}}


@FOLDER_AND_S3
async def test_a_circle_is_the_pick_that_later_runs_read_and_can_be_taken_back(store: Store) -> None:
    await put_run(store, first_run(), PICTURES)
    async with serving(store) as url, member(url) as anna:
        answer = await do(anna, kind="circle", take=2)
        assert answer.json()["shots"][0]["circled"] == 2
        chosen = (await picks(store, BOARD))["SH010"]
        assert (chosen.take, chosen.fingerprint) == (2, first_run().shots[0].takes[1].fingerprint)
        last = (await state(anna))["by_shot"]["SH010"]["last"]
        assert (await do(anna, kind="circle", take=None, seen=last)).status_code == 200
        assert await picks(store, BOARD) == {}
        assert (await state(anna))["by_shot"]["SH010"]["circled"] is None


async def test_an_approval_is_of_the_picture_that_shows_the_shot_and_circles_it(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        await do(anna, kind="circle", take=2)
        answer = await do(anna, kind="approve", seen=1)
        decision = answer.json()["shots"][0]["decision"]
        assert {name: decision[name] for name in ("kind", "by", "take", "stale")} == {
            "kind": "approve", "by": "Anna", "take": 2, "stale": False,
        }  # fmt: skip
        events = (await ReviewEvents(reviewed).of_board(BOARD))["SH010"]
        assert events[-1].picture == sha(PICTURES[1])
        failed = await do(anna, "SH020", kind="approve")
        assert (failed.status_code, "has no picture to approve" in failed.json()["error"]) == (422, True)


async def test_two_people_at_once_lose_nothing_and_nobody_is_overlooked(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, serving(reviewed) as other, member(url) as anna, member(other, "Bo") as bo:
        answers = await asyncio.gather(
            do(anna, kind="approve", take=1),
            do(bo, kind="circle", take=2),
            *(do(each, kind="comment", text=f"{number}") for number in range(5) for each in (anna, bo)),
        )
        statuses = sorted(each.status_code for each in answers[:2])
        assert statuses == [200, 409]
        loser = next(each for each in answers[:2] if each.status_code == 409)
        assert loser.json()["error"] == "overtaken"
        assert loser.json()["by"] in {"Anna", "Bo"}
        assert [each.status_code for each in answers[2:]] == [200] * 10
        # Of another server's events, a state may be a second old.
        async with asyncio.timeout(20):
            while len((await state(anna))["shots"][0]["comments"]) < 10 or await state(anna) != await state(bo):
                await asyncio.sleep(0.1)
        comments = (await state(anna))["by_shot"]["SH010"]["comments"]
        assert sorted(each["text"] for each in comments) == sorted([*"0011223344"])
        assert {each["by"] for each in comments} == {"Anna", "Bo"}
        # The pick is the winner's.
        winner = 1 if answers[0].status_code == 200 else 2
        assert (await picks(reviewed, BOARD))["SH010"].take == winner


async def test_the_last_of_several_circles_is_the_pick_whoever_writes_it_last(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        for seen in range(0, 12, 2):
            await asyncio.gather(
                do(anna, kind="circle", take=1 + seen // 2 % 2, seen=seen),
                do(anna, kind="circle", take=2 - seen // 2 % 2, seen=seen + 1),
                do(anna, kind="circle", take=1, seen=seen + 1),
            )
        events = (await ReviewEvents(reviewed).of_board(BOARD))["SH010"]
        assert (await picks(reviewed, BOARD))["SH010"].take == events[-1].take


async def test_a_new_picture_makes_an_approval_stale_in_the_next_run_and_comments_stay(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        await do(anna, kind="approve", take=1)
        await do(anna, kind="comment", text="the rain is too weak")
        await do(anna, "SH020", kind="again", text="雨夜")
        before = await state(anna)
        changed = take(1, b"another picture", frames=(frame(GREY),))
        later = manifest(
            shot("SH010", changed, take(2, PICTURES[1])), shot("SH020", take(1, PICTURES[1])), board=BOARD, number=2
        )
        await put_run(reviewed, later, (GREY, PICTURES[1]))
        async with asyncio.timeout(20):
            while (after := await state(anna))["run"] == before["run"]:
                await asyncio.sleep(0.1)
        one, two = after["by_shot"]["SH010"], after["by_shot"]["SH020"]
        assert (one["decision"]["stale"], one["decision"]["by"]) == (True, "Anna")
        assert [(each["text"], each["stale"]) for each in one["comments"]] == [("the rain is too weak", True)]
        assert (two["decision"]["kind"], two["decision"]["stale"]) == ("again", True)
        assert after["answer"]["again"] == 0
        assert after["version"] != before["version"]


async def test_a_wish_is_checked_against_the_rules_of_lists(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        assert (await anna.get(f"boards/{PART}/prompt", params={"shot": "SH010"})).json() == {"prompt": "雨"}
        assert (await do(anna, kind="again", text="more rain")).status_code == 200
        assert (await do(anna, kind="again", text="x" * 20_001, seen=1)).status_code == 400
        assert (await state(anna))["answer"] == {"chosen": 0, "again": 1}


async def test_rendering_again_stores_the_revised_list_and_says_the_command(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        nothing = await anna.post(f"boards/{PART}/render", json={})
        assert (nothing.status_code, nothing.json()["error"]) == (
            422, "the review is not carried out: no shot waits to be rendered again",
        )  # fmt: skip
        await do(anna, kind="again", text="more rain")
        await do(anna, "SH020", kind="again")
        answer = (await anna.post(f"boards/{PART}/render", json={})).json()
        assert answer["started"] is False
        words = shlex.split(answer["command"])
        (listed,) = [key for key in await reviewed.entries(keys.BOARDS) if "/shots-" in key]
        store = ["--store", reviewed.name, "--only", "SH010", "SH020"]
        assert words == ["previs", "run", reviewed.uri(listed), "--board", BOARD, *store]
        shots = json.loads(await reviewed.get(listed) or b"")["shots"]
        assert [(each["prompt"], each.get("takes")) for each in shots] == [("more rain", None), ("夜", 2)]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ({"kind": "approve", "take": 3}, 404),
        ({"kind": "circle", "take": 0}, 400),
        ({"kind": "circle", "take": "1; drop"}, 400),
        ({"kind": "comment", "text": "  \n "}, 422),
        ({"kind": "comment", "text": "x" * 4001}, 422),
        ({"kind": "resolve", "about": 7}, 404),
        ({"kind": "resolve"}, 404),
        ({"kind": "delete"}, 400),
        ({"kind": "comment", "text": "x", "more": 1}, 400),
        ({"kind": "comment", "text": "x", "shot": "SH999"}, 404),
        ({"kind": "comment", "text": "x", "shot": ["a"]}, 400),
    ],
)
async def test_what_is_no_action_is_refused_and_nothing_is_written(
    reviewed: FolderStore, action: dict[str, Any], status: int
) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        answer = await do(anna, **action)
        assert answer.status_code == status, answer.text
        assert reviewed.name not in answer.text
        assert await reviewed.entries(keys.REVIEWS) == {}


async def test_without_a_name_nothing_is_recorded(reviewed: FolderStore) -> None:
    async with serving(reviewed, "") as url, client(url) as local:
        answer = await do(local, kind="comment", text="x")
        assert (answer.status_code, answer.json()) == (428, {"error": "name"})
        assert (await local.post("name", json={"name": "  李\n雷 "})).status_code == 200
        assert (await do(local, kind="comment", text="x")).status_code == 200
        assert (await state(local))["by_shot"]["SH010"]["comments"][0]["by"] == "李 雷"


async def test_comments_are_resolved_reopened_and_shown_with_who_and_when(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna, member(url, "Bo") as bo:
        await do(anna, kind="comment", text="<b>x</b>\r\ny\u202e")
        await do(bo, kind="resolve", about=1)
        (comment,) = (await state(anna))["by_shot"]["SH010"]["comments"]
        assert (comment["text"], comment["resolved"], comment["take"]) == ("<b>x</b>\ny\\u202e", "Bo", 1)
        await do(anna, kind="reopen", about=1)
        assert (await state(anna))["by_shot"]["SH010"]["comments"][0]["resolved"] == ""
        assert "1 open comment" in (await anna.get("")).text


async def test_a_state_that_a_browser_has_is_not_sent_again(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        tag = (await anna.get(f"boards/{PART}/state")).headers["ETag"]
        again = await anna.get(f"boards/{PART}/state", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        await do(anna, kind="comment", text="x")
        assert (await anna.get(f"boards/{PART}/state", headers={"If-None-Match": tag})).status_code == 200


@FOLDER_AND_S3
async def test_frames_are_sent_whole_and_in_parts_with_their_types(store: Store) -> None:
    film = bytes(range(256)) * 8
    page = b"<script>1</script>"
    video = frame(film, ".mp4", media_type="video/mp4")
    hostile = frame(page, ".html", media_type="text/html")
    unknown = frame(b"points", ".obj", media_type="application/octet-stream")
    made = manifest(shot("1", take(1, frames=(video, hostile, unknown))), board=BOARD)
    await put_run(store, made, (film, page, b"points"))
    async with serving(store) as url, member(url) as anna:
        whole = await anna.get(RUN + video.key)
        assert (whole.content, whole.headers["Content-Type"]) == (film, "video/mp4")
        assert "immutable" in whole.headers["Cache-Control"]
        part = await anna.get(RUN + video.key, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, film[100:200])
        assert part.headers["Content-Range"] == f"bytes 100-199/{len(film)}"
        assert (await anna.get(RUN + video.key, headers={"Range": "bytes=9999-"})).status_code == 416
        for each in (hostile, unknown):
            sent = await anna.get(RUN + each.key)
            assert sent.headers["Content-Type"] == "application/octet-stream"
            assert sent.headers["Content-Disposition"].startswith("attachment")
            assert "sandbox" in sent.headers["Content-Security-Policy"]


async def test_a_frame_of_another_board_is_not_sent_under_this_one(reviewed: FolderStore) -> None:
    other = manifest(shot(1, take(1, GREY + b"x")), board="other", number=4)
    await put_run(reviewed, other, (GREY + b"x",))
    key = other.shots[0].takes[0].frames[0].key
    async with serving(reviewed) as url, member(url) as anna:
        assert (await anna.get(f"boards/other/runs/{run_name(4)}/{key}")).status_code == 200
        assert (await anna.get(RUN + key)).status_code == 404


async def test_the_page_is_the_boards_own_with_the_review_over_it(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        latest = await anna.get(f"boards/{PART}/")
        assert latest.headers["location"] == f"/{RUN}"
        page = await anna.get(RUN)
        assert page.headers["Content-Encoding"] == "gzip"
        assert 'data-shot="SH010"' in page.text
        assert page.text.count("review.js") == page.text.count("review.css") == 1
        assert "<script>" not in page.text
        for name in ("board.css", "board.js"):
            assert (await anna.get(RUN + name)).status_code == 200
        assert "connect-src 'self'" in html.unescape(page.text)
    stored = await reviewed.get(f"boards/{keys.part(BOARD)}/{run_name(1)}/index.html") or b""
    assert b"review" not in stored


async def test_hostile_words_of_a_board_end_no_script(reviewed: FolderStore) -> None:
    words = "</script><script>alert(1)</script></head></body>"
    made = manifest(shot(words, take(1, PICTURES[0]), prompt=words), board="x", title=words, number=5)
    await put_run(reviewed, made, PICTURES)
    async with serving(reviewed) as url, member(url) as anna:
        page = (await anna.get(f"boards/x/runs/{run_name(5)}/")).text
        assert "<script>alert" not in page
        assert page.count("</head>") == page.count("</body>") == 1
        action = {"kind": "comment", "shot": words, "text": words}
        assert (await anna.post("boards/x/events", json=action)).status_code == 200


async def test_a_board_whose_manifest_is_damaged_is_listed_and_others_are_shown(reviewed: FolderStore) -> None:
    await reviewed.put(f"boards/bad/{run_name(1)}/manifest.json", b"{", media_type="application/json")
    async with serving(reviewed) as url, member(url) as anna:
        listed = (await anna.get("")).text
        assert "cannot be read" in listed
        assert BOARD in listed
        answer = await anna.get("boards/bad/state")
        assert answer.status_code == 404
        assert reviewed.name not in answer.text


async def test_the_list_has_pictures_dates_shots_and_failures_in_the_browsers_language(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        english = (await anna.get("")).text
        assert "2 shots" in english
        assert "1 failed" in english
        assert "2026-10-31 17:40 UTC" in english
        chinese = (await anna.get("", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})).text
        assert '<html lang="zh">' in chinese
        assert "2 个镜头" in chinese


async def test_an_answer_of_the_page_is_that_of_prefects_form(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        await do(anna, kind="circle", take=2)
        await do(anna, "SH020", kind="again", text="雨夜")
    view = await Desk(reviewed, "", find=lambda: None).view(keys.part(BOARD))
    assert view.answer == ReviewAnswer({"SH010": 2}, {"SH020": "雨夜"})


async def test_s3_frames_are_fetched_once(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_run(s3_store, first_run(), PICTURES)
    fetched: list[str] = []
    original = S3Store.get_file

    async def counting(self: S3Store, key: str, *words: Any, **more: Any) -> bool:
        fetched.append(key)
        return await original(self, key, *words, **more)

    monkeypatch.setattr(S3Store, "get_file", counting)
    key = first_run().shots[0].takes[0].frames[0].key
    async with serving(s3_store) as url, member(url) as anna:
        answers = await asyncio.gather(*(anna.get(RUN + key) for _ in range(5)))
    assert {answer.content for answer in answers} == {PICTURES[0]}
    assert fetched == [key]


async def test_a_run_at_work_is_seen_by_its_heartbeats_without_prefect(reviewed: FolderStore) -> None:
    desk = Desk(reviewed, "", find=lambda: None)
    view = await desk.view(keys.part(BOARD))

    async def seen(beat: int, *, over: bool = False) -> bool:
        content = {"schema": "previs.beat/1", "run": "r", "beat": beat, "over": over}
        await reviewed.put(keys.heartbeat_key("r"), json.dumps(content).encode(), media_type="application/json")
        desk._activity.clear()
        return await desk.activity(view) is not None

    # One look proves nothing: an old record may have been left by a run that was killed.
    assert not await seen(9)
    assert await seen(10)
    assert not await seen(11, over=True)


async def test_the_page_marks_what_changed_since_the_last_run_and_sends_the_frame_of_that_run(
    reviewed: FolderStore,
) -> None:
    changed = shot("SH010", take(1, b"another picture", frames=(frame(GREY),)))
    await put_run(reviewed, manifest(changed, board=BOARD, number=2), (GREY,))
    async with serving(reviewed) as url, member(url) as anna:
        page = await anna.get(f"boards/{PART}/", follow_redirects=True)
        [before] = re.findall(r'data-before="([^"]+)"', page.text)
        assert before == f"../{run_name(1)}/{frame(PICTURES[0]).key}"
        old = await anna.get(str(page.url.join(before)))
        assert (old.status_code, old.content) == (200, PICTURES[0])
        assert "Changed" in page.text
