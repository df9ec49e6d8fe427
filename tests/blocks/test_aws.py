"""Check that blocks of the real prefect-aws give a store what they hold, and that a sentence says what is missing."""

import sys
from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import create_backend_app
from pydantic import SecretStr
from werkzeug.serving import make_server

from blocks import S3FrameStore
from blocks.aws import S3BucketStore, _fields_of, saved_bucket, saved_credentials
from blocks.stores import saved_store
from previs.errors import StoreRefused
from previs.store import S3Settings
from previs.store.s3_connection import make_client

if TYPE_CHECKING:
    from prefect_aws import AwsCredentials

KEY = "key-0815-secret"
ROLE = "arn:aws:iam::123456789012:role/boards"


# Importing prefect_aws takes a fifth of the time to collect all tests, in each process.
def aws(**fields: Any) -> "AwsCredentials":
    from prefect_aws import AwsCredentials  # noqa: PLC0415

    return AwsCredentials(aws_access_key_id="AKID", aws_secret_access_key=SecretStr(KEY), **fields)


def test_a_bucket_is_a_store_with_its_credentials_and_endpoint() -> None:
    from prefect_aws import AwsClientParameters, MinIOCredentials, S3Bucket  # noqa: PLC0415

    client = AwsClientParameters(endpoint_url="http://minio:9000", verify=False, config={"read_timeout": 99})
    minio = MinIOCredentials(minio_root_user="root", minio_root_password=KEY, aws_client_parameters=client)
    store = S3BucketStore(block=S3Bucket(bucket_name="film", bucket_folder="/board/", credentials=minio)).open()
    settings = store.settings
    assert store.name == "s3://film/board"
    assert settings.endpoint_url == "http://minio:9000"
    assert settings.access_key_id == SecretStr("root")
    assert settings.secret_access_key == SecretStr(KEY)
    made = make_client(settings)
    assert (made.meta.config.read_timeout, made.meta.config.connect_timeout) == (99, 10)
    assert made._endpoint.http_session._verify is False
    assert KEY not in f"{store!r} {settings!r}"


def test_the_stores_own_region_and_endpoint_replace_those_of_its_credentials() -> None:
    found = _fields_of(aws(region_name="eu-west-1", profile_name="", assume_role_arn=" "), "aws-credentials/a")
    store = S3FrameStore(bucket="b", region="eu-central-1", block="aws-credentials/a").open(found)
    expected = S3Settings(bucket="b", region="eu-central-1", access_key_id="AKID", secret_access_key=KEY)
    assert store.settings.model_copy(update={"client_options": {}}) == expected


def test_a_store_has_credentials_of_one_kind() -> None:
    store = S3FrameStore(bucket="b", block="aws-credentials/a", profile="studio")
    with pytest.raises(StoreRefused, match="two credentials, profile and the block aws-credentials/a: give only one"):
        store.open(_fields_of(aws(), "aws-credentials/a"))


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = make_server("127.0.0.1", 0, create_backend_app("sts"), threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("sts")
def test_a_role_is_assumed_and_its_credentials_sign() -> None:
    fields = _fields_of(aws(assume_role_arn=ROLE, region_name="us-east-1"), "aws-credentials/a")
    link = make_client(S3Settings(bucket="b", **fields)).generate_presigned_url(
        "get_object", {"Bucket": "b", "Key": "k"}
    )
    assert "X-Amz-Security-Token=" in link
    assert "AKID%2F" not in link


def test_a_config_that_botocore_does_not_know_is_refused() -> None:
    from prefect_aws import AwsClientParameters  # noqa: PLC0415

    with pytest.raises(StoreRefused, match="aws-credentials/a cannot be used: botocore refuses the Config"):
        _fields_of(aws(aws_client_parameters=AwsClientParameters(config={"no_such": 1})), "aws-credentials/a")


@pytest.mark.parametrize("reference", ["studio", "aws-credentials/", "s3-bucket/studio", "nonsense/x"])
async def test_credentials_are_named_with_their_type(reference: str) -> None:
    with pytest.raises(StoreRefused, match="write aws-credentials/NAME or minio-credentials/NAME"):
        await saved_credentials(reference)


async def test_a_block_that_is_no_store_is_refused() -> None:
    with pytest.raises(StoreRefused, match="no block of type comfyui-farm is a store: use s3-frame-store"):
        await saved_store("comfyui-farm/studio")


async def test_without_prefect_aws_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_aws", None)
    for needed in (saved_bucket("studio"), saved_credentials("minio-credentials/studio")):
        with pytest.raises(
            StoreRefused, match=r"not installed: run pip install --editable '\.\[aws\]' in the checkout"
        ):
            await needed
