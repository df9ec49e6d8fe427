"""Credentials in URLs become no parameter, event or record."""

import json
from pathlib import Path
from typing import Any

import pytest

from previs.command.nightly_boards import AddOrder, add_board
from previs.command.run import RunOrder
from previs.errors import ShotListFaults, SourceNotFound, StoreRefused
from previs.ingest.offload import shots_parameter
from previs.notifications.events import make_ready
from previs.store import FolderStore
from previs.store.credentials import credential_fault, credentials_in, without_credentials
from previs.store.opening import store_at

SECRET = "geheim4711"  # noqa: S105 - opens nothing
WITH = [
    f"https://somebody:{SECRET}@files.example/list.json",
    f"https://{SECRET}@files.example/list.json",
    f"HTTPS://a:{SECRET}@files.example",
    f"ftp://a:{SECRET}@files.example/list.json",
    f"https://b.s3.amazonaws.com/list.json?X-Amz-Algorithm=A&X-Amz-Signature={SECRET}",
    f"https://storage.googleapis.com/b/list.json?X-Goog-Signature={SECRET}",
    f"https://acc.blob.core.windows.net/c/list.json?sv=2024&sig={SECRET}",
    f"https://d.cloudfront.net/list.json?Policy=p&Signature={SECRET}",
    f"https://files.example/list.json?access_token={SECRET}",
    f"https://files.example/list.json?api_key={SECRET}#x",
    f"https://files.example/list.json?TOKEN={SECRET}",
    f"https://b.oss-cn-beijing.aliyuncs.com/list.json?OSSAccessKeyId={SECRET}&Expires=1",
    f"https://b.oss-cn-beijing.aliyuncs.com/list.json?x-oss-signature={SECRET}",
    f"https://b.cos.ap-beijing.myqcloud.com/list.json?q-sign-algorithm=sha1&q-ak=a&q-signature={SECRET}",
    f"https://b.obs.cn-north-4.myhuaweicloud.com/list.json?AccessKeyId=a&x-obs-security-token={SECRET}",
    f"https://b.tos-cn-beijing.volces.com/list.json?X-Tos-Signature={SECRET}",
    f"https://files.akamaized.net/list.json?hdnts=exp=1~acl=/*~hmac={SECRET}",
    f"https://files.akamaized.net/list.json?__token__={SECRET}",
    f"https://f.backblazeb2.com/list.json?Authorization={SECRET}",
    f"https://files.example/list.json#access_token={SECRET}",
    f"https://proxy.example/?url=https%3A%2F%2Fa%3A{SECRET}%40files.example%2Flist.json",
    f"https://proxy.example/?u=https%3A%2F%2Ffiles.example%2F%3Fu%3Dhttps%253A%252F%252Fb%253Fsig%253D{SECRET}",
    f"https://a:b/{SECRET}@files.example/list.json",
    f"https://a:b#{SECRET}?@files.example/list.json",
    f"s3://AKID:{SECRET}@bucket/list.json",
    f"file://a:{SECRET}@host/list.json",
]
# As people type them who leave out the scheme or a slash.
BARE = [
    f"a:{SECRET}@files.example/list.json",
    f"https:/a:{SECRET}@files.example/list.json",
    f"https:{SECRET}@files.example/list.json",
    f"files.example/list.json?X-Amz-Signature={SECRET}",
]
WITHOUT = [
    "https://files.example/list.json",
    "https://files.example/list.json?version=3&raw=1",
    "https://files.example/list.json?design=1&monkey=2&author=x&page_no=3#top",
    "https://proxy.example/?url=https%3A%2F%2Ffiles.example%2Flist.json",
    "https://files.example/a@b.json",
    "https://files.example/?mail=a@b",
    "https://files.example:8443/a@b.json",
    "2026/10:30@set.json",
    "s3://bucket/a:b@c.json",
    "C:\\lists\\a@b.json",
    "s3://bucket/list.json?sig=1",
    "/mnt/lists/a@b?sig=1.json",
    "a prompt: who@home",
]


def shot(url: str) -> dict[str, Any]:
    return {"shot_id": 1, "prompt": "rain", "duration": 2, "references": [{"reference_id": "a", "url": url}]}


@pytest.mark.parametrize("uri", WITH)
async def test_a_url_with_credentials_becomes_no_parameter_no_event_and_no_nightly_board(
    uri: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceNotFound) as run:
        await RunOrder(uri).parameters()
    with pytest.raises(SourceNotFound) as workflow:
        await RunOrder("list.json", workflow=uri).parameters()
    with pytest.raises(SourceNotFound) as nightly:
        await add_board(AddOrder(str(tmp_path), uri))
    with pytest.raises(ShotListFaults) as event:
        make_ready(uri)
    with pytest.raises(ShotListFaults) as of_workflow:
        make_ready([shot("a.png")], workflow=uri)
    with pytest.raises(ShotListFaults) as of_picture:
        make_ready([shot(uri)])
    for caught in (run, workflow, nightly, event, of_workflow, of_picture):
        assert SECRET not in str(caught.value)
        assert "everybody who sees the run could use it" in str(caught.value)
    assert await FolderStore(tmp_path).entries("") == {}


@pytest.mark.parametrize("uri", BARE)
async def test_a_parameter_with_credentials_is_refused_even_if_it_is_no_complete_url(uri: str, tmp_path: Path) -> None:
    for refused in (RunOrder(uri).parameters(), add_board(AddOrder(str(tmp_path), uri))):
        with pytest.raises(SourceNotFound, match="everybody who sees the run could use it") as caught:
            await refused
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("store", [WITH[0], WITH[4], f"s3://AKID:{SECRET}@bucket/film"])
def test_a_store_is_a_bucket_or_a_folder_and_its_error_shows_no_credentials(store: str) -> None:
    with pytest.raises(StoreRefused, match=r"a store is s3://bucket/prefix or a folder") as caught:
        store_at(store)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("uri", WITHOUT)
async def test_other_names_are_as_they_were(uri: str) -> None:
    assert credential_fault(uri) == ""
    assert without_credentials([uri]) == [uri]
    assert (await RunOrder(uri).parameters())["shots"].endswith(uri)


@pytest.mark.parametrize("uri", WITH)
async def test_an_inline_list_with_credentials_is_stored_instead_of_becoming_a_parameter(
    uri: str, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    place = await shots_parameter([shot(uri)], store)
    assert isinstance(place, str)
    [key] = await store.entries("lists/")
    assert (place, json.loads(await store.get(key) or b"")) == (store.uri(key), [shot(uri)])
    assert await shots_parameter([shot("a.png")], store) == [shot("a.png")]


def test_a_record_keeps_what_is_given_but_no_credentials() -> None:
    given = {"settings": {"reference_images": [*WITH, *WITHOUT]}, "cfg": 7, "more": [None, True, {"a": WITH[0]}]}
    masked = without_credentials(given)
    assert SECRET not in json.dumps(masked)
    assert masked["settings"]["reference_images"][len(WITH) :] == WITHOUT
    assert (masked["cfg"], masked["more"][:2]) == (7, [None, True])
    assert len(list(credentials_in(given))) == len(WITH) + 1
