"""The review in a real browser: people click and press keys, and see what others do."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from previs.boards.picks import picks
from previs.review.events import ReviewEvents
from previs.review.guests import invite, revoke
from previs.review.prefect_api import PrefectApi
from previs.review.web.labels import CHINESE
from previs.store import FolderStore, keys
from tests.previs.pdf.boards import png
from tests.previs.publishing.views.browser import Tab, needs_chromium
from tests.previs.records.published import frame, manifest, put_run, run_name, shot, take
from tests.previs.review.conftest import (
    BOARD,
    PASSWORD,
    PICTURES,
    PrefectStandIn,
    first_run,
    in_thread,
    serving_in_thread,
)

pytestmark = needs_chromium
PART = keys.part(BOARD)
GREEN = png((20, 160, 60))


def sign_in(tab: Tab, url: str, name: str) -> None:
    tab.open(f"{url}login")
    tab.click("[name=name]")
    tab.type(name)
    tab.click("[name=password]")
    tab.type(PASSWORD)
    tab.click("button")
    tab.until("document.querySelector('.review-boards')")


@contextlib.contextmanager
def person(tab: Tab, url: str, name: str = "") -> Iterator[Tab]:
    """Open the board for a person of that name who has signed in, if there is one."""
    if name:
        answer = httpx.post(f"{url}login", data={"name": name, "password": PASSWORD}, headers={"Origin": url[:-1]})
        for key, value in answer.cookies.items():
            tab.ask("Network.setCookie", url=url, name=key, value=value)
        tab.open(f"{url}boards/{PART}/")
        tab.until("document.querySelector('.review-row')")
    try:
        yield tab
        # The browser logs each refusal itself.
        assert [each for each in tab.complaints if "status of 4" not in each] == []
    finally:
        tab.open("about:blank")


@pytest.fixture
def boards(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "store")
    asyncio.run(put_run(made, first_run(lang="en"), PICTURES))
    return made


def events(store: FolderStore, shot: str = "SH010") -> list[str]:
    return [event.kind for event in asyncio.run(ReviewEvents(store).of_board(BOARD)).get(shot, [])]


def test_a_take_is_circled_a_shot_approved_and_commented_by_clicks(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards) as url, person(tab, url, "Anna") as anna:
        anna.click("#shot-1 [data-take='2'] .review-circle")
        anna.until("document.querySelector('#shot-1 [data-take=\"2\"]').dataset.circled === 'true'")
        assert asyncio.run(picks(boards, BOARD))["SH010"].take == 2
        anna.click("#shot-1 .review-approve")
        anna.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        assert anna.text("#shot-1 .review-status").startswith("Approved · Anna · take 2 · ")
        anna.click("#shot-1 .review-row button:nth-child(3)")
        anna.until("document.activeElement.tagName === 'TEXTAREA'")
        anna.type("<img src=x onerror='window.hacked = 1'> 更多雨")
        anna.click("#shot-1 .review-form .review-main")
        anna.until("document.querySelector('#shot-1 .review-thread li')")
        assert "<img src=x onerror='window.hacked = 1'> 更多雨" in anna.text("#shot-1 .review-thread")
        assert anna.value("window.hacked") is None
        assert anna.value("document.querySelectorAll('.review-thread img').length") == 0
        anna.click("#shot-1 .review-thread .review-link")
        anna.until("document.querySelector('.review-resolved')")
        assert "resolved by Anna" in anna.text("#shot-1 .review-thread")
        assert events(boards) == ["circle", "approve", "comment", "resolve"]
        assert anna.text(".review-counts") == "1 of 2 approved"


def test_keys_do_what_clicks_do(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards) as url, person(tab, url, "Anna") as anna:
        for key in ("j", "2", "a"):
            anna.press(key)
        anna.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        anna.press("u")
        anna.until("document.querySelector('#shot-1').dataset.review === ''")
        anna.press("c")
        anna.until("document.activeElement.tagName === 'TEXTAREA'")
        # Keys are letters in a text.
        anna.type("a1jk")
        anna.press("Escape")
        anna.press("j")
        assert anna.value("document.activeElement.id") == "shot-2"
        anna.press("k")
        assert anna.value("document.activeElement.id") == "shot-1"
        assert events(boards) == ["circle", "approve", "withdraw"]


def test_a_shot_is_asked_for_again_with_another_prompt(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards) as url, person(tab, url, "Anna") as anna:
        anna.click("#shot-1 .review-again")
        anna.until("document.activeElement.tagName === 'TEXTAREA' && document.activeElement.value === '雨'")
        anna.type(" and more of it")
        anna.click("#shot-1 .review-form .review-main")
        anna.until("document.querySelector('#shot-1').dataset.review === 'again'")
        assert "and more of it" in anna.text("#shot-1 .review-status q")
        assert anna.text(".review-live") == "Render again\n1 shot to render again"
        anna.click(".review-live .review-main")
        anna.until("document.querySelector('.review-command')")
        assert anna.text(".review-command").startswith("previs run ")


def test_of_two_people_at_once_the_one_who_was_overtaken_is_told_by_whom(tab: Tab, boards: FolderStore) -> None:
    with (
        serving_in_thread(boards) as url,
        person(tab, url, "Anna") as anna,
        tab.beside() as other,
        person(other, url, "李雷") as bo,
    ):
        anna.until("document.querySelector('#shot-1').dataset.review === ''")
        bo.until("document.querySelector('#shot-1').dataset.review === ''")
        # He presses before his page looks again.
        bo.value("""window.fetch = ((own) => (path, more) => {
          window.pressed ||= Boolean(more?.method);
          return window.pressed ? own(path, more) : new Promise(() => {});
        })(window.fetch); 0""")
        anna.click("#shot-1 .review-approve")
        anna.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        bo.click("#shot-1 [data-take='2'] .review-circle")
        bo.until("document.querySelector('#shot-1 .review-notice').innerText")
        bo.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        said = bo.text("#shot-1 .review")
        assert "Anna decided on this shot just now. Look, and decide again." in said
        assert events(boards) == ["approve"]


def test_a_new_run_is_announced_and_its_pictures_make_approvals_stale(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards) as url, person(tab, url, "Anna") as anna:
        anna.click("#shot-1 .review-approve")
        anna.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        changed = take(1, b"", frames=(frame(GREEN),))
        later = manifest(shot("SH010", changed), shot("SH020", take(1, PICTURES[1])), board=BOARD, number=2, lang="en")
        asyncio.run(put_run(boards, later, (GREEN, PICTURES[1])))
        anna.until("document.querySelector('.review-show')")
        assert anna.text(".review-live").split("\n")[:2] == ["This board was published again.", "Show it"]
        anna.click(".review-show")
        anna.until(f"location.pathname.includes('{run_name(2)}') && document.querySelector('.review-stale')")
        assert "the picture has changed since" in anna.text("#shot-1 .review-status")
        assert anna.value("document.querySelector('#shot-1').dataset.review") == "approve stale"
        # The earlier run is for looking only.
        anna.open(f"{url}boards/{PART}/runs/{run_name(1)}/")
        anna.until("document.querySelector('.review-show')")
        assert anna.value("document.querySelector('#shot-1 .review-approve').checkVisibility()") is False


def test_a_guest_opens_a_link_and_is_shut_out_when_it_ends(tab: Tab, boards: FolderStore) -> None:
    guest, secret = asyncio.run(invite(boards, "Client", [BOARD], days=1, may="comment"))
    with serving_in_thread(boards) as url, person(tab, url) as client:
        client.open(f"{url}guest/{secret}")
        client.until("document.querySelector('#shot-1 .review-row')")
        assert client.value("document.querySelector('#shot-1 .review-approve').checkVisibility()") is False
        client.click("#shot-1 .review-row button:nth-child(3)")
        client.type("lovely")
        client.click("#shot-1 .review-form .review-main")
        client.until("document.querySelector('#shot-1 .review-thread li')")
        assert client.text("#shot-1 .review-thread").startswith("Client · ")
        asyncio.run(revoke(boards, guest.id))
        client.until("document.querySelector('h1').innerText === 'This link does not work'")


def test_a_paused_run_is_answered(tab: Tab, boards: FolderStore) -> None:
    prefect = PrefectStandIn()
    prefect.pause(BOARD, run_name(1))
    with (
        in_thread(prefect.address) as address,
        serving_in_thread(boards, prefect=lambda: PrefectApi(address)) as url,
        person(tab, url, "Anna") as anna,
    ):
        anna.click("#shot-1 [data-take='2'] .review-circle")
        anna.until("document.querySelector('.review-live .review-main')")
        assert anna.text(".review-live").startswith("A run waits for this review.")
        anna.click(".review-live .review-main")
        anna.until("document.querySelector('.review-live').innerText.includes('The run has the review and goes on.')")
    ((_, body),) = prefect.asked
    assert body == {"run_input": {"chosen": [{"shot": "SH010", "take": 2}], "again": []}}


def test_without_a_password_the_name_is_asked_once(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards, "") as url, person(tab, url) as local:
        local.open(f"{url}boards/{PART}/")
        local.click("#shot-1 .review-approve")
        local.until("document.querySelector('.review-dialog input')")
        local.click(".review-dialog input")
        local.type("Cy")
        local.click(".review-dialog .review-main")
        local.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        local.press("u")
        local.until("document.querySelector('#shot-1').dataset.review === ''")
        assert events(boards) == ["approve", "withdraw"]


def test_a_chinese_board_has_a_chinese_review(tab: Tab, boards: FolderStore) -> None:
    asyncio.run(put_run(boards, first_run(lang="zh", number=7), PICTURES))
    with serving_in_thread(boards) as url, person(tab, url, "李雷") as li:
        li.click("#shot-1 .review-approve")
        li.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        li.click("#shot-1 .review-again")
        li.until("document.querySelector('.review-form')")
        shown = " ".join(li.text(selector) for selector in ("#shot-1 .review", ".review-bar"))
        for english, chinese in CHINESE.items():
            if english.isascii() and len(english) > 3 and english != chinese:
                assert english not in shown
        assert "已通过" in shown


def test_the_pages_fit_a_phone(tab: Tab, boards: FolderStore) -> None:
    with serving_in_thread(boards) as url, person(tab, url, "Anna") as anna:
        anna.sized(390, 844)
        for path in ("", f"boards/{PART}/"):
            anna.open(url + path)
            assert anna.value("document.documentElement.scrollWidth <= innerWidth") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_the_review(tab: Tab, boards: FolderStore, scheme: str) -> None:
    with serving_in_thread(boards) as url, person(tab, url) as anna:
        anna.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        anna.open(f"{url}login")
        assert anna.faults() == []
        sign_in(anna, url, "Anna")
        assert anna.faults() == []
        anna.open(f"{url}boards/{PART}/")
        anna.click("#shot-1 .review-approve")
        anna.until("document.querySelector('#shot-1').dataset.review === 'approve'")
        anna.click("#shot-1 .review-row button:nth-child(3)")
        anna.type("more rain")
        anna.click("#shot-1 .review-form .review-main")
        anna.until("document.querySelector('#shot-1 .review-thread li')")
        anna.click("#shot-2 .review-again")
        anna.until("document.querySelector('.review-form')")
        assert anna.faults() == []
