"""Check that no answer of what should be an S3 raises anything but the errors of previs; on real sockets."""

import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from benchmarks.mutations import wrong_bytes
from previs.errors import PrevisError
from previs.store import S3Settings, S3Store
from tests.previs.comfyui.client.http_server import answering, response

LISTING = b"""<?xml version="1.0"?><ListBucketResult><Name>b</Name><Prefix>p/</Prefix><KeyCount>1</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>p/a.png</Key><ETag>"1"</ETag>
<LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>3</Size></Contents></ListBucketResult>"""
HEADERS = {
    "Last_Modified": ("", "99", "Thu, 99 Foo 99999 99:99:99"),
    "Content_Length": ("9" * 5000, "-1", "x"),
    "ETag": ("\x80", '"'),
    "x_amz_missing_meta": ("x", "9" * 5000),
    "x_amz_mp_parts_count": ("x",),
    "x_amz_tag_count": ("x",),
    "x_amz_tagging_count": ("x",),
    "x_amz_object_size": ("x", "9" * 5000),
    "x_amz_object_lock_retain_until_date": ("x",),
    "x_amz_delete_marker": ("x",),
    "x_amz_server_side_encryption_bucket_key_enabled": ("7",),
    "Expires": ("x",),
    "Location": ("http://[::1",),
    "Retry_After": ("x",),
    "Content_Disposition": ("\0",),
}


async def _ask(*asked: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Ask for each once; errors of previs are expected, and have a sentence."""
    for work in asked:
        try:
            await work()
        except PrevisError as error:
            str(error).encode()


def _store(url: str) -> S3Store:
    given = {"access_key_id": "AKIDFORTESTSONLY0001", "secret_access_key": "secret"}
    settings = S3Settings(bucket="b", prefix="p", region="us-east-1", endpoint_url=url, path_style=True, **given)
    return S3Store(settings, patience=0)


@pytest.mark.parametrize("name", HEADERS)
async def test_headers_of_any_content_raise_only_errors_of_previs(name: str) -> None:
    for value in HEADERS[name]:
        content = response(200, b"abc", "text/plain", **{name: value})
        async with answering(lambda _, content=content: content) as (url, _), _store(url) as store:
            await _ask(partial(store.get, "a"))


async def test_listings_of_any_shape_raise_only_errors_of_previs() -> None:
    source = random.Random(1)
    wrong = iter(lambda: wrong_bytes(source, LISTING, [LISTING]), None)
    async with answering(lambda _: response(200, next(wrong), "application/xml")) as (url, _), _store(url) as store:
        await _ask(*[partial(store.entries, "frames/")] * 4)
