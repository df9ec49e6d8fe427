"""Check that the block of notices holds services, refuses wrong ones by their scheme alone, and shows none."""

import json
from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.notices import Notices
from previs.notifications.notices import NOTICE_EVENTS

TOKEN = "tok-4711-0815"  # noqa: S105 - opens nothing
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
MAIL = f"mailto://li:{TOKEN}@studio.example"
SECRETS = (TOKEN, "TIiajkdnlazkcOXrIdevi7FQ", "A1BRTD4JD", SLACK, MAIL)


def block(*urls: str, **fields: Any) -> Notices:
    return Notices(urls=list(urls), **fields)


def test_urls_are_enough() -> None:
    made = block(SLACK, MAIL)
    assert [each.name for each in made.services()] == ["Slack (slack://)", "E-Mail (mailto://)"]
    assert (made.events, made.language, made.picture, made.signed_link) == (list(NOTICE_EVENTS), "board", True, False)


def test_lines_left_empty_in_a_form_are_dropped() -> None:
    assert len(block(SLACK, "", " ").services()) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"urls": [SLACK, f"slakc://{TOKEN}"]}, "the URL that begins with slakc://: apprise knows no such service"),
        ({"urls": [f"slack://{TOKEN}"]}, "the URL that begins with slack://: a part of it is missing or wrong"),
        ({"urls": [TOKEN]}, "a URL without a scheme"),
        ({"urls": []}, "at least 1"),
        ({"urls": [""]}, "at least 1"),
        ({"urls": [MAIL] * 21}, "at most 20"),
        ({"urls": TOKEN}, "list"),
        ({"urls": [MAIL], "events": []}, "at least 1"),
        ({"urls": [MAIL], "events": ["shot.failed"]}, "shots.failed"),
        ({"urls": [MAIL], "language": "de"}, "'board', 'en' or 'zh'"),
    ],
    ids=str,
)
def test_invalid_values_are_refused_and_not_shown(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        Notices(**fields)
    shown = f"{caught.value} {caught.value!r} {[each['msg'] for each in caught.value.errors()]}"
    assert not [secret for secret in SECRETS if secret in shown]


def test_no_secret_is_shown() -> None:
    made = block(SLACK, MAIL)
    shown = [repr(made), str(made), made.model_dump_json(), f"{made.model_dump()}", repr(made.services())]
    assert not [(secret, text) for text in shown for secret in SECRETS if secret in text]


def test_prefect_keeps_urls_secret() -> None:
    assert Notices.model_json_schema()["secret_fields"] == ["urls"]


def test_the_form_explains_itself_and_offers_the_events() -> None:
    schema = Notices.model_json_schema()
    own = [name for name in Notices.model_fields if name not in Block.model_fields]
    assert [name for name in own if not schema["properties"][name].get("title")] == []
    assert [name for name in own if not schema["properties"][name].get("description")] == []
    assert schema["properties"]["events"]["items"]["enum"] == list(NOTICE_EVENTS)
    assert schema["required"] == ["urls"]


def test_the_values_that_prefect_saves_make_the_same_block() -> None:
    kept = json.loads(block(SLACK, MAIL, language="zh").model_dump_json(context={"include_secrets": True}))
    again = Notices(**{name: kept[name] for name in ("urls", "events", "language", "picture", "signed_link")})
    assert [each.get_secret_value() for each in again.urls] == [SLACK, MAIL]
