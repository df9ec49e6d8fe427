"""Nobody sees a board without the password or its link; nobody writes from another site or through another name."""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from previs.errors import ReviewRefused
from previs.review.guests import invite, revoke
from previs.review.web import ServeSettings
from previs.review.web.access import GUEST, SESSION, Access, Throttle
from previs.review.web.guard import MOST_BODY
from previs.store import FolderStore, keys
from tests.previs.records.published import manifest, put_run, run_name, sha, shot, take
from tests.previs.review.conftest import BOARD, PASSWORD, PICTURES, client, guest, member, serving

PART = quote(keys.part(BOARD))
RUN = f"boards/{PART}/runs/{run_name(1)}/"
FRAME = RUN + keys.frame_key(sha(PICTURES[0]), ".png")


@pytest.mark.parametrize("path", ["", f"boards/{PART}/", RUN, FRAME, f"boards/{PART}/state", f"boards/{PART}/picture"])
async def test_without_password_or_link_nothing_is_shown(reviewed: FolderStore, path: str) -> None:
    async with serving(reviewed) as url, client(url) as stranger:
        assert (await stranger.get(path)).status_code == 401
        page = await stranger.get(path, headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login")


async def test_the_password_opens_everything_and_signing_out_ends_that(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        assert "夜景 1" in (await anna.get("")).text
        assert (await anna.get(FRAME)).content == PICTURES[0]
        assert (await anna.post("logout")).status_code == 303
        assert (await anna.get(FRAME)).status_code == 401


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(reviewed: FolderStore) -> None:
    async with serving(reviewed, root_path="/review") as url, client(url.removesuffix("review/")) as browser:
        answer = await browser.post("login", data={"name": "Anna", "password": PASSWORD})
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(SESSION))
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/review/" in cookie
        assert "Secure" not in cookie
        behind_https = await browser.post(
            "login", data={"name": "Anna", "password": PASSWORD}, headers={"X-Forwarded-Proto": "https"}
        )
        assert "Secure" in next(
            each for each in behind_https.headers.get_list("set-cookie") if each.startswith(SESSION)
        )


async def test_a_session_outlives_the_server_and_ends_with_its_password(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        cookies = dict(anna.cookies)
    for password, status in ((PASSWORD, 200), ("another password", 401)):
        async with serving(reviewed, password) as url, client(url, **cookies) as browser:
            assert (await browser.get("")).status_code == status


@pytest.mark.parametrize(
    "forge",
    [
        lambda body, sign: f"{body}.{'0' * len(sign)}",
        lambda body, sign: f"{body}x.{sign}",
        lambda _, sign: f"{base64.urlsafe_b64encode(b'[9999999999, 1]').decode()}.{sign}",
        lambda *_: ".",
        lambda *_: "é.é",
        lambda *_: "x" * 5000,
    ],
)
async def test_a_forged_session_is_none(reviewed: FolderStore, forge: object) -> None:
    access = Access(reviewed, PASSWORD)
    async with serving(reviewed) as url, member(url) as anna:
        body, _, signature = anna.cookies[SESSION].partition(".")
    assert access._has_session(f"{body}.{signature}")
    assert not access._has_session(forge(body, signature))  # type: ignore[operator]


async def test_a_session_ends_after_its_time(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        cookie = anna.cookies[SESSION]
    until = json.loads(base64.urlsafe_b64decode(cookie.partition(".")[0] + "=="))[0]
    assert Access(reviewed, PASSWORD, clock=lambda: until - 1)._has_session(cookie)
    assert not Access(reviewed, PASSWORD, clock=lambda: until + 1)._has_session(cookie)


async def test_wrong_passwords_are_throttled(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, client(url) as browser:
        for _ in range(5):
            assert (await browser.post("login", data={"name": "x", "password": "wrong"})).status_code == 403
        answer = await browser.post("login", data={"name": "x", "password": PASSWORD})
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 61


def test_a_throttle_forgets_after_a_minute_and_counts_all_addresses_together() -> None:
    now = [0.0]
    throttle = Throttle(most_of_one=2, most_of_all=3, clock=lambda: now[0])
    for address in ("a", "b"):
        throttle.failed(address)
    assert throttle.wait("a") == 0
    throttle.failed("a")
    assert throttle.wait("a") == 60
    assert throttle.wait("c") == 60
    now[0] = 60.5
    assert throttle.wait("a") == 0


async def test_a_guest_sees_the_named_boards_only(reviewed: FolderStore) -> None:
    await put_run(reviewed, manifest(shot(1, take(1, PICTURES[1])), board="secret", number=3), PICTURES)
    _, secret = await invite(reviewed, "Bo", [BOARD], days=1, may="look")
    async with serving(reviewed) as url, guest(url, secret) as bo:
        assert (await bo.get(RUN)).status_code == 200
        listed = (await bo.get("")).text
        assert BOARD in listed
        assert "secret" not in listed
        for path in ("boards/secret/", "boards/secret/state", f"boards/secret/runs/{run_name(3)}/", "boards/nothing/"):
            answer = await bo.get(path)
            assert (answer.status_code, answer.json()) == (404, {"error": "there is no such board"})


async def test_a_link_that_ended_or_was_revoked_says_so_and_opens_nothing(reviewed: FolderStore) -> None:
    made, secret = await invite(reviewed, "Bo", [BOARD], days=1, may="decide")
    _, ended = await invite(reviewed, "Cy", [BOARD], days=-1, may="decide")
    async with serving(reviewed) as url, client(url) as browser:
        answer = await browser.get(f"guest/{ended}")
        assert answer.status_code == 410
        assert "The link has ended, was revoked, or is not complete." in answer.text
        assert not answer.cookies
        await revoke(reviewed, made.id)
        assert (await browser.get(f"guest/{secret}")).status_code == 410
        page = await browser.get(RUN, headers={"Accept": "text/html", "Cookie": f"{GUEST}={secret}"})
        assert (page.status_code, "This link does not work" in page.text) == (410, True)


@pytest.mark.parametrize(
    ("may", "allowed"),
    [("look", set()), ("comment", {"comment"}), ("decide", {"comment", "approve", "circle", "again"})],
)
async def test_a_guest_does_what_the_link_allows(reviewed: FolderStore, may: str, allowed: set[str]) -> None:
    _, secret = await invite(reviewed, "Bo", [BOARD], days=1, may=may)  # type: ignore[arg-type]
    async with serving(reviewed) as url, guest(url, secret) as bo:
        done = set()
        for seen, kind in enumerate(("comment", "approve", "circle", "again")):
            action = {"kind": kind, "shot": "SH010", "take": 1, "text": "x", "seen": 100 + seen}
            answer = await bo.post(f"boards/{PART}/events", json=action)
            assert answer.status_code in {200, 403}, answer.text
            done |= {kind} if answer.status_code == 200 else set()
        assert done == allowed
        assert (await bo.post(f"boards/{PART}/render", json={})).status_code == 403


ACTION = {"kind": "comment", "shot": "SH010", "text": "x"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_post_from_another_site_is_refused(reviewed: FolderStore, headers: dict[str, str]) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        answer = await anna.post(f"boards/{PART}/events", json=ACTION, headers=headers)
        assert (answer.status_code, answer.text) == (403, "the request comes from another site")
        assert (await anna.post("login", data={}, headers=headers)).status_code == 403
        assert (await anna.post(f"boards/{PART}/events", json=ACTION)).status_code == 200


async def test_without_a_password_only_this_machines_names_reach_it(reviewed: FolderStore) -> None:
    async with serving(reviewed, "") as url, client(url) as browser:
        assert (await browser.get("")).status_code == 200
        port = httpx.URL(url).port
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "[::2]:80"):
            answer = await browser.get("", headers={"Host": host})
            assert answer.status_code in {400, 421}, host
        for host in (f"localhost:{port}", "LOCALHOST", f"[::1]:{port}"):
            assert (await browser.get("", headers={"Host": host})).status_code == 200, host


async def test_names_that_are_given_are_the_only_ones(reviewed: FolderStore) -> None:
    async with serving(reviewed, names=("Review.Studio.lan",)) as url, client(url) as browser:
        assert (await browser.get("login", headers={"Host": "review.studio.lan"})).status_code == 200
        assert (await browser.get("login")).status_code == 421


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (ServeSettings(host="0.0.0.0"), "can be reached from other machines"),  # noqa: S104 - refused
        (ServeSettings(host="192.168.1.4"), "can be reached from other machines"),
        (ServeSettings(host="studio.lan"), "can be reached from other machines"),
        (ServeSettings(password="short"), "fewer than 8 characters"),  # noqa: S106 - refused
        (ServeSettings(root_path="/a/../b"), "no path of ASCII names"),
    ],
)
def test_unsafe_settings_are_refused(settings: ServeSettings, reason: str) -> None:
    with pytest.raises(ReviewRefused, match=reason):
        settings.checked()


async def test_large_bodies_are_refused_whatever_their_length_says(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        path = f"boards/{PART}/events"
        assert (await anna.post(path, content=b"x" * (MOST_BODY + 1))).status_code == 413

        async def pieces():  # type: ignore[no-untyped-def]  # noqa: ANN202
            for _ in range(3):
                yield b"x" * (MOST_BODY // 2)

        assert (await anna.post(path, content=pieces())).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "frames/../../../../etc/passwd",
        "frames/%2e%2e/%2e%2e/manifest.json",
        "frames/..%2f..%2fmanifest.json",
        "frames//etc/passwd",
        "manifest.json",
        "index.html",
        "frames/aa/" + "a" * 64 + ".png",
        "animatic.mp4",
        "..%2f..%2fpicks",
    ],
)
async def test_no_path_leads_to_other_files_of_the_store(reviewed: FolderStore, path: str) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        answer = await anna.get(httpx.URL(url + RUN + path))
        assert answer.status_code == 404
        assert b"schema" not in answer.content


@pytest.mark.parametrize("board", ["..", "%2e%2e", ".", "a%5Cb", "%00", "x" * 300, "a%2Fb"])
async def test_no_board_leads_out_of_the_boards_and_no_error_says_where_they_are(
    reviewed: FolderStore, board: str
) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        port = httpx.URL(url).port
        for path in (f"boards/{board}/state", f"boards/{board}/", f"boards/{PART}/runs/{board}/"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            cookies = "; ".join(f"{name}={value}" for name, value in anna.cookies.items())
            # A client library would tidy the path.
            head = f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert int(answer.split()[1]) in {404, 502}, answer
            assert reviewed.name.encode() not in answer


@pytest.mark.parametrize("name", ["../../settings.py", "%2e%2e%2fapp.py", "review.html", ""])
async def test_no_path_leads_to_other_files_of_the_program(reviewed: FolderStore, name: str) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        assert (await anna.get(f"static/{name}")).status_code == 404


async def test_a_frame_that_a_link_leads_out_of_the_store_is_not_sent(reviewed: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"secret")
    frame = Path(reviewed.name) / FRAME.removeprefix(RUN)
    frame.unlink()
    frame.symlink_to(outside)
    async with serving(reviewed) as url, member(url) as anna:
        assert (await anna.get(FRAME)).status_code == 404


async def test_every_answer_has_the_headers(reviewed: FolderStore) -> None:
    async with serving(reviewed) as url, member(url) as anna:
        for path in ("", RUN, FRAME, f"boards/{PART}/state", "static/review.js", "nothing", "login"):
            headers = (await anna.get(path, headers={"Accept": "text/html"})).headers
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert (
                "frame-ancestors 'none'" in headers["Content-Security-Policy"]
                or "sandbox" in headers["Content-Security-Policy"]
            )
            assert headers["X-Frame-Options"] == "DENY"
            assert "server" not in headers


async def test_under_a_path_of_a_proxy_all_links_hold(reviewed: FolderStore) -> None:
    # The proxy strips the path.
    async with serving(reviewed, root_path="/review") as url, client(url.removesuffix("review/")) as proxied:
        answer = await proxied.post("login", data={"name": "A", "password": PASSWORD})
        assert answer.headers["location"] == "/review/"
        proxied.cookies.jar.clear()
        cookies = "; ".join(each.partition(";")[0] for each in answer.headers.get_list("set-cookie"))
        listed = await proxied.get("", headers={"Cookie": cookies})
        assert 'href="/review/static/review.css"' in listed.text
        assert f'href="/review/boards/{PART}/"' in listed.text
        latest = await proxied.get(f"boards/{PART}/", headers={"Cookie": cookies})
        assert latest.headers["location"] == f"/review/{RUN}"
        assert (await proxied.get(RUN, headers={"Cookie": cookies})).status_code == 200
