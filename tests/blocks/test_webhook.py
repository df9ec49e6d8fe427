"""Check that the webhook's block holds an address and a secret, refuses invalid ones and shows neither."""

import base64
import json
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook as PrefectsOwn
from pydantic import SecretStr, ValidationError

from blocks.webhook import Webhook
from previs.notifications.webhook import EVENTS

URL = "https://hooks.example/T0/path-4711?key=q-0815"
SECRET, HEADER = "whsec_" + base64.b64encode(b"k" * 24).decode(), "Bearer h-2342"
SECRETS = ("path-4711", "q-0815", SECRET, SECRET.removeprefix("whsec_"), "h-2342", URL)


def block(**fields: Any) -> Webhook:
    return Webhook(**({"url": URL} | fields))


def full() -> Webhook:
    return block(secret=SECRET, headers={"Authorization": HEADER}, events=["board.ready"])


def test_an_address_is_enough() -> None:
    receiver = block().receiver()
    assert (receiver.url, receiver.key, receiver.headers) == (URL, None, {})
    assert receiver.events == frozenset(EVENTS)


def test_all_that_the_block_holds_is_in_the_receiver() -> None:
    receiver = full().receiver()
    assert (receiver.key, receiver.headers) == (b"k" * 24, {"Authorization": HEADER})
    assert receiver.events == {"board.ready"}
    assert receiver.name == "https://hooks.example"


def test_a_secret_left_empty_in_a_form_is_none() -> None:
    assert block(secret="").receiver().key is None
    assert block(secret=" \n").receiver().key is None  # noqa: S106 - no secret


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "hooks.example/path-4711"},
        {"url": "https://user:path-4711@hooks.example"},
        {"url": f"ftp://hooks.example/{SECRET}"},
        {"secret": "whsec_path-4711 ü"},
        {"secret": "whsec_"},
        {"secret": "path-4711"},
        {"headers": {"X-Key": "path-4711\r\nX-Evil: 1"}},
        {"headers": {"X Key": "path-4711"}},
        {"headers": {"Webhook-Signature": "path-4711"}},
        {"events": []},
        {"events": ["board.read"]},
    ],
    ids=str,
)
def test_invalid_values_are_refused_and_not_shown(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        block(**fields)
    shown_texts = f"{caught.value} {caught.value!r} {[each['msg'] for each in caught.value.errors()]}"
    assert not [secret for secret in SECRETS if secret in shown_texts]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("hooks.example", "write it like https://pipeline.studio.example/hooks/boards"),
        ("https://me:pw@hooks.example", "set the header Authorization instead"),
    ],
)
def test_an_address_that_is_refused_comes_with_a_way_out(url: str, remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        block(url=url)


def test_no_secret_is_shown() -> None:
    shown = full()
    shown_texts = [repr(shown), str(shown), shown.model_dump_json(), f"{shown.model_dump()}", repr(shown.receiver())]
    assert not [(secret, text) for text in shown_texts for secret in SECRETS if secret in text]


def test_prefect_keeps_address_secret_and_headers_secret() -> None:
    secret = {name.partition(".")[0] for name in Webhook.model_json_schema()["secret_fields"]}
    assert secret == {"url", "secret", "headers"}


def test_the_form_explains_itself_and_offers_the_events() -> None:
    schema = Webhook.model_json_schema()
    own = [name for name in Webhook.model_fields if name not in Block.model_fields]
    assert [name for name in own if not schema["properties"][name].get("title")] == []
    assert [name for name in own if not schema["properties"][name].get("description")] == []
    assert schema["properties"]["events"]["items"]["enum"] == list(EVENTS)
    assert schema["required"] == ["url"]


def test_it_is_no_other_block_of_prefects() -> None:
    assert Webhook.get_block_type_slug() == "storyboard-webhook"
    assert Webhook.get_block_type_slug() != PrefectsOwn.get_block_type_slug()
    assert Webhook.get_block_type_name() != PrefectsOwn.get_block_type_name()


def test_the_values_that_prefect_saves_make_the_same_block() -> None:
    kept = json.loads(full().model_dump_json(context={"include_secrets": True}))
    assert (
        Webhook(**{name: kept[name] for name in ("url", "secret", "events", "headers")}).receiver() == full().receiver()
    )
    assert isinstance(full().url, SecretStr)
