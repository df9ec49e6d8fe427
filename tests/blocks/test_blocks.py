"""Check that blocks hold addresses and secrets, refuse invalid ones and show no secret."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from prefect.blocks.core import Block
from prefect.client.schemas import BlockDocument, BlockSchema
from pydantic import SecretStr, ValidationError

import blocks
from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from previs.comfyui.protocol.deadlines import Limits
from previs.errors import FarmRefused, StoreRefused
from previs.ingest.access import Allowed
from previs.store import S3Settings

KINDS = [getattr(blocks, name) for name in blocks.__all__]
URL = "http://render-01:8188"
TOKEN, KEY, ACCESS = "tok-4711-secret", "key-0815-secret", "AKID-secret"


def farm(*servers: str, **fields: Any) -> ComfyUIFarm:
    return ComfyUIFarm(servers=list(servers or [URL]), **fields)


def secret_blocks() -> list[Block]:
    return [
        farm(token=SecretStr(TOKEN), headers={"X-Key": SecretStr(KEY), "X-Plain": KEY}),
        S3FrameStore(bucket="b", access_key_id=ACCESS, secret_access_key=KEY, session_token=TOKEN),
    ]


def test_a_farm_without_secrets_has_its_servers_addresses() -> None:
    addresses = farm(URL, "https://studio.example/comfy").addresses()
    assert [(address.url, dict(address.headers)) for address in addresses] == [
        (URL, {}),
        ("https://studio.example/comfy", {}),
    ]
    assert [address.name for address in addresses] == [URL, "https://studio.example/comfy"]


def test_token_and_headers_go_to_every_server() -> None:
    block = farm(URL, "http://b:8188", token=SecretStr(TOKEN), headers={"CF-Access-Client-Id": SecretStr(KEY)})
    for address in block.addresses():
        assert address.headers == {"CF-Access-Client-Id": KEY, "Authorization": f"Bearer {TOKEN}"}


def test_a_servers_address_is_one_however_it_is_written() -> None:
    block = farm(URL, f"{URL}/", f" {URL} ")
    assert block.servers == [URL] * 3
    assert [address.url for address in block.addresses()] == [URL]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8188", "https://[::1]:8188", "http://host/a/b"])
def test_an_address_is_accepted(url: str) -> None:
    assert farm(url).servers == [url]


@pytest.mark.parametrize(
    "url", ["", "render-01:8188", "ftp://render-01", "http://", "http:///path", "ws://a:8188", "/a"]
)
def test_an_invalid_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValidationError, match="write it like http://render-01:8188"):
        farm(url)


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@a:8188", f"http://{KEY}@a:8188", f"http://a:8188/?token={KEY}", f"http://a:8188#{KEY}"]
)
def test_an_address_with_credentials_is_refused_with_a_way_out(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        farm(url)
    [problem] = caught.value.errors()
    assert "save a ComfyUI farm block and put credentials into its headers or token" in problem["msg"]
    assert KEY not in problem["msg"]


@pytest.mark.parametrize("url", ["http://a:port", "http://a:99999", "http://a b:8188", "http://[::1"])
def test_a_host_or_port_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        farm(url)


def test_a_refused_address_shows_no_credentials_even_in_its_traceback() -> None:
    with pytest.raises(ValidationError) as caught:
        farm(f"http://user:{KEY}@a:8188")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("secret", [f"{KEY}\r\nX-Evil: 1", f"密码 {KEY}", f"{KEY}\x00"])
def test_an_invalid_header_value_is_refused_and_not_shown(secret: str) -> None:
    for fields in ({"token": secret}, {"headers": {"X-Key": secret}}):
        with pytest.raises(ValidationError) as caught:
            farm(**fields)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["X Key", "X-Key:", "", "密", "X\n"])
def test_an_invalid_header_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        farm(headers={name: KEY})


def test_a_line_end_that_came_with_a_pasted_token_is_left_out() -> None:
    [address] = farm(token=SecretStr(f"{TOKEN}\n")).addresses()
    assert address.headers == {"Authorization": f"Bearer {TOKEN}"}


def test_servers_share_the_blocks_certificate_settings() -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    first, second = farm("https://a", "https://b", certificate_authority=pem).addresses()
    assert first.tls is second.tls
    assert (first.tls.authority, first.tls.verify) == (pem.strip(), True)
    [unverified] = farm("https://a", verify_certificates=False).addresses()
    assert unverified.tls.context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_an_authority_left_empty_in_a_form_is_none(empty: str | None) -> None:
    [address] = farm("https://a", certificate_authority=empty).addresses()
    assert address.tls.authority is None


@pytest.mark.parametrize("authority", ["/nowhere/authority.pem", "-----BEGIN CERTIFICATE-----\nno\n"])
def test_an_authority_that_cannot_be_read_stops_the_run_before_it_begins(authority: str) -> None:
    block = farm("http://a", "https://b", certificate_authority=authority)
    with pytest.raises(FarmRefused, match=r"Certificate authority .* give the text of a PEM file, or its path"):
        block.addresses()


def test_without_encryption_no_authority_is_read() -> None:
    assert farm(certificate_authority="/nowhere/authority.pem").addresses()[0].tls_context is None


def test_a_farm_has_at_least_one_server() -> None:
    with pytest.raises(ValidationError):
        ComfyUIFarm(servers=[])


def test_limits_are_those_of_the_block() -> None:
    assert farm().limits() == Limits()
    assert farm(render_seconds=300).limits() == Limits(render=300)
    assert (farm().places, farm().patience_seconds, farm().run_seconds) == (2, 600, 12 * 3600)


def test_a_farm_limits_the_size_of_frames() -> None:
    assert [each.largest_file for each in farm("https://a").addresses()] == [8_000_000_000]
    assert [each.largest_file for each in farm("https://a", frame_gigabytes=0.5).addresses()] == [500_000_000]


@pytest.mark.parametrize(
    "fields",
    [
        {"places": 0},
        {"places": 17},
        {"render_seconds": 0},
        {"patience_seconds": 0},
        {"run_seconds": 0},
        {"run_seconds": 24 * 3600},
        {"frame_gigabytes": 0},
    ],
    ids=str,
)
def test_a_limit_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        farm(**fields)


def saved_earlier(**data: Any) -> ComfyUIFarm:
    """Return the block of a document that was saved when silence had a limit."""
    document = BlockDocument(
        name="studio",
        data={"servers": [URL], "render_seconds": 300, "silence_seconds": 60} | data,
        block_schema_id=uuid4(),
        block_type_id=uuid4(),
        block_schema=BlockSchema(checksum="", fields={}, block_type_id=uuid4()),
    )
    return ComfyUIFarm._from_block_document(document)


def test_the_defaults_of_an_earlier_block_are_not_used_and_a_run_reports_it() -> None:
    block = saved_earlier()
    assert block.limits() == Limits()
    [notice] = block.notices()
    assert notice.startswith("render_seconds 300 of the farm block is not used, as it was the default")


def test_a_limit_that_an_earlier_block_sets_is_used() -> None:
    block = saved_earlier(render_seconds=900)
    assert (block.limits(), block.notices()) == (Limits(render=900), [])


@pytest.mark.parametrize("made", [farm, saved_earlier])
def test_a_limit_on_silence_is_accepted_and_reported(made: Callable[..., ComfyUIFarm]) -> None:
    [notice] = made(silence_seconds=5, render_seconds=9).notices()
    assert notice.startswith("silence_seconds 5 of the farm block has no effect any more: ")


def test_no_form_offers_a_limit_on_silence() -> None:
    assert "silence_seconds" not in ComfyUIFarm.model_json_schema()["properties"]


def test_a_field_that_a_farm_does_not_have_is_reported() -> None:
    assert farm(render_second=5).notices() == ["'render_second' is no field of a ComfyUI farm block, and has no effect"]


def test_a_block_that_prefect_passes_on_has_no_notices() -> None:
    assert ComfyUIFarm.model_validate(farm().model_dump()).notices() == []


@pytest.mark.parametrize("block", secret_blocks(), ids=lambda block: type(block).__name__)
def test_no_secret_is_shown(block: Block) -> None:
    shown = [repr(block), str(block), block.model_dump_json(), f"{block.model_dump()}"]
    assert not [text for text in shown for secret in (TOKEN, KEY, ACCESS) if secret in text]
    assert json.loads(block.model_dump_json())


@pytest.mark.parametrize("block", secret_blocks(), ids=lambda block: type(block).__name__)
def test_prefect_knows_which_values_to_keep_secret(block: Block) -> None:
    keys = {"access_key_id", "secret_access_key", "session_token"}
    expected = {
        ComfyUIFarm: {"token", "headers", "headers.*"},
        # Values of earlier versions stay in a document that is saved again.
        S3FrameStore: keys | {f"credentials.{key}" for key in keys},
    }
    assert set(type(block).model_json_schema()["secret_fields"]) == expected[type(block)]


def test_an_opened_farm_or_store_shows_no_secret_either() -> None:
    made_farm, made_store = secret_blocks()
    assert isinstance(made_farm, ComfyUIFarm)
    assert isinstance(made_store, S3FrameStore)
    opened = made_store.open()
    shown = f"{made_farm.addresses()!r} {opened!r} {opened.name} {opened.settings!r}"
    assert not [secret for secret in (TOKEN, KEY, ACCESS) if secret in shown]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not blocks.AllowedSources])
def test_a_block_that_is_a_parameter_has_a_field_that_must_be_given(kind: type[Block]) -> None:
    # A union's first member without a required field would accept the values of any block.
    with pytest.raises(ValidationError, match="Field required"):
        kind()


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocks_form_explains_itself(kind: type[Block]) -> None:
    schema = kind.model_json_schema()
    parts = {"block": schema} | schema.get("definitions", {})
    fields = [about for part in parts.values() for about in part["properties"].values()]
    # A union with null shows a switch between the types.
    assert not [about for about in fields if "anyOf" in about or about.get("default", "") is None]
    texts = [part["description"] for part in parts.values()] + [about.get("description", "") for about in fields]
    assert not [text for text in texts if len(text) > 105 or "`" in text or "\n" in text]
    # A section has the title of its own schema.
    titled = [about for about in (*fields, *parts.values()) if about is not schema and "$ref" not in about]
    titles = [about["title"] for about in titled]
    assert not [title for title in titles if not title[0].isupper() or "_" in title or title.startswith("S3")]
    assert kind._logo_url is not None
    assert kind._documentation_url is not None


def test_blocks_are_saved_under_names_that_stay() -> None:
    slugs = [kind.get_block_type_slug() for kind in (ComfyUIFarm, S3FrameStore, FolderFrameStore)]
    assert slugs == ["comfyui-farm", "s3-frame-store", "folder-frame-store"]


def test_an_s3_block_that_an_earlier_version_saved_is_loaded_with_its_secrets() -> None:
    saved: dict[str, Any] = {
        "bucket": "our-storyboards",
        "prefix": "夜景",
        "region": None,
        "endpoint_url": "http://minio.studio.lan:9000",
        "path_style": None,
        "profile": None,
        "access_key_id": ACCESS,
        "secret_access_key": KEY,
        "session_token": None,
        "server_side_encryption": None,
        "kms_key_id": None,
        "public_url": None,
        "link_seconds": 604800,
    }
    fields = {"secret_fields": ["access_key_id", "secret_access_key", "session_token"]}
    # Without a name: Prefect sends an event to its server when it loads a document with one.
    document = BlockDocument(
        is_anonymous=True,
        data=saved,
        block_schema_id=uuid4(),
        block_schema=BlockSchema(checksum="sha256:0", fields=fields, block_type_id=uuid4()),
        block_type_id=uuid4(),
    )
    block = S3FrameStore._load_from_block_document(document)
    assert block.open().settings == S3Settings(**saved)
    # Saving over a document merges the new data with the old, which then has no effect.
    again = json.loads(block.model_dump_json(context={"include_secrets": True}))
    assert again["credentials"]["secret_access_key"] == KEY
    again["service"]["endpoint_url"] = ""
    merged = S3FrameStore.model_validate(saved | again)
    assert merged.open().settings == S3Settings(**saved | {"endpoint_url": None})


@pytest.mark.parametrize(("style", "shown"), [(True, "in the path"), (False, "in the host"), (None, "automatic")])
def test_how_an_earlier_block_addresses_its_bucket_stays(style: bool | None, shown: str) -> None:  # noqa: FBT001 - a value
    block = S3FrameStore(bucket="b", path_style=style)
    assert (block.service.bucket_name, block.open().settings.path_style) == (shown, style)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(StoreRefused, match="regoin is no setting: did you mean region"):
        S3FrameStore(bucket="b", regoin="eu").open()


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_what_a_form_leaves_empty_is_not_given(blank: str) -> None:
    fields = ("region", "endpoint_url", "profile", "access_key_id", "secret_access_key", "session_token")
    more = ("server_side_encryption", "kms_key_id", "public_url", "prefix", "block")
    assert S3FrameStore(bucket=" b ", **dict.fromkeys([*fields, *more], blank)).open().settings == S3Settings(
        bucket="b"
    )
    assert S3Settings(bucket="b", **dict.fromkeys(fields, blank)) == S3Settings(bucket="b")
    assert farm(token=blank, render_seconds=blank).addresses()[0].headers == {}
    for refused in (S3FrameStore, FolderFrameStore):
        with pytest.raises(ValidationError):
            refused(bucket=blank, folder=blank)
    allowed = blocks.AllowedSources(hosts=[blank], networks=[blank], buckets=[blank], folders=[blank])
    # An empty folder would be the whole checkout.
    assert allowed.allowed_stores() == allowed.allowed() == Allowed()


def test_blanks_around_a_value_are_dropped() -> None:
    given = S3FrameStore(bucket=" b", region="eu-central-1 ", access_key_id=" A\n", secret_access_key=f"{KEY}\n")
    expected = S3Settings(
        bucket="b", region="eu-central-1", access_key_id=SecretStr("A"), secret_access_key=SecretStr(KEY)
    )
    assert given.open().settings == expected


def test_an_s3_block_opens_the_store_of_its_settings() -> None:
    fields: dict[str, Any] = {
        "bucket": "our-storyboards",
        "prefix": "/夜景/",
        "region": "auto",
        "endpoint_url": "http://minio.studio.lan:9000",
        "path_style": True,
        "access_key_id": ACCESS,
        "secret_access_key": KEY,
        "session_token": TOKEN,
        "server_side_encryption": "aws:kms",
        "kms_key_id": "arn:aws:kms:eu:1:key/2",
        "public_url": "https://cdn.example",
        "link_seconds": 60,
    }
    store = S3FrameStore(**fields).open()
    assert store.settings == S3Settings(**fields)
    assert store.name == "s3://our-storyboards/夜景"
    assert store.public
    assert store.settings.secret_access_key is not None
    assert store.settings.secret_access_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"access_key_id": ACCESS}, "go together"),
        ({"session_token": TOKEN}, "session_token goes with"),
        ({"kms_key_id": "k"}, "kms_key_id goes with"),
        ({"endpoint_url": f"http://user:{KEY}@minio:9000"}, "endpoint_url"),
        ({"public_url": "cdn.example"}, "public_url"),
        ({"prefix": "../up"}, "prefix"),
    ],
)
def test_settings_of_s3_that_cannot_work_are_refused_in_a_sentence_without_secrets(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StoreRefused, match=reason) as caught:
        S3FrameStore(bucket="b", **fields).open()
    assert not [secret for secret in (TOKEN, KEY, ACCESS) if secret in f"{caught.value} {caught.value!r}"]


@pytest.mark.parametrize("fields", [{"bucket": ""}, {"link_seconds": 0}, {"link_seconds": 8 * 24 * 3600}], ids=str)
def test_a_value_out_of_range_is_refused_by_the_form(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        S3FrameStore(**({"bucket": "b"} | fields))


def test_a_folder_block_opens_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = FolderFrameStore(folder="~/故事 板").open()
    assert store.name == str(tmp_path / "故事 板")
    assert not (tmp_path / "故事 板").exists()
    with pytest.raises(ValidationError):
        FolderFrameStore(folder="")
