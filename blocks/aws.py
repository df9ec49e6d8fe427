"""Read credentials and buckets from blocks of prefect-aws, the extra ``previs[aws]``."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, model_validator

from blocks.saved import saved
from previs.errors import StoreRefused
from previs.store import S3Store
from previs.store.opening import AWS_BUCKET, BLOCK, no_aws_block, s3_settings
from previs.store.s3_settings import without_blanks

_CREDENTIALS: Final = {"aws-credentials": "AwsCredentials", "minio-credentials": "MinIOCredentials"}
_ADDRESSING: Final = {"path": True, "virtual": False}


def _as_s3_bucket(schema: dict[str, Any]) -> None:
    schema.update(title="S3Bucket", block_type_slug=AWS_BUCKET, properties={}, required=["bucket_name"])
    schema.pop("description", None)


class S3BucketStore(BaseModel):
    """Hold a saved S3Bucket of prefect-aws as a store.

    Forms offer such blocks by their type's name alone: to import prefect-aws takes 0.4 s of CPU time.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, json_schema_extra=_as_s3_bucket)

    block: Any = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _take_block(cls, given: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever is given
        if isinstance(given, Mapping) and set(given) == {"block"}:
            given = given["block"]
        if isinstance(given, Block) and given.get_block_type_slug() == AWS_BUCKET:
            return {"block": given}
        msg = "it is no saved S3 Bucket"
        raise ValueError(msg)

    def open(self) -> S3Store:
        """Return the store, without a request to it.

        Raises:
            StoreRefused: The settings contradict each other.
        """
        name = f"s3://{self.block.bucket_name}"
        fields = {"bucket": self.block.bucket_name, "prefix": self.block.bucket_folder}
        return S3Store(s3_settings(fields | _fields_of(self.block.credentials, name)))

    @classmethod
    def get_block_type_name(cls) -> str:
        """Return the name of the type of block."""
        return "S3 Bucket"


async def saved_bucket(name: str) -> S3BucketStore | None:
    """Return the S3Bucket that is saved under a name, or None if there is none.

    Raises:
        StoreRefused: prefect-aws is not installed, or the block's settings cannot be used.
        SourceNotFound, PrefectUnavailable, PrefectRefused: As in :func:`blocks.saved.saved`.
    """
    block = await saved(_kind("S3Bucket", f"{BLOCK}{AWS_BUCKET}/{name}"), name)
    return None if block is None else S3BucketStore(block=block)


async def saved_credentials(reference: str) -> dict[str, object]:
    """Return the settings of a store that a saved AwsCredentials or MinIOCredentials gives.

    Args:
        reference: ``aws-credentials/NAME`` or ``minio-credentials/NAME``.

    Raises:
        StoreRefused: The reference cannot be used, no such block is saved, or prefect-aws is not installed.
        SourceNotFound, PrefectUnavailable, PrefectRefused: As in :func:`blocks.saved.saved`.
    """
    slug, _, name = reference.removeprefix(BLOCK).partition("/")
    if slug not in _CREDENTIALS or not name:
        known = " or ".join(f"{each}/NAME" for each in _CREDENTIALS)
        raise StoreRefused(f"the store's block of credentials {reference!r}", f"write {known}")
    block = await saved(_kind(_CREDENTIALS[slug], f"{BLOCK}{slug}/{name}"), name)
    if block is None:
        raise no_aws_block(slug, name)
    return _fields_of(block, f"{slug}/{name}")


def _kind(name: str, needed: str) -> type[Block]:
    try:
        kind: type[Block] = getattr(import_module("prefect_aws"), name)
    except ImportError as error:
        remedy = "run pip install --editable '.[aws]' in the checkout, also on workers and in their image"
        raise StoreRefused(needed, f"it is a block of prefect-aws, which is not installed: {remedy}") from error
    return kind


def _fields_of(block: Any, name: str) -> dict[str, object]:  # noqa: ANN401 - prefect-aws may not be installed
    """Return the settings of a store from an AwsCredentials or MinIOCredentials."""
    is_minio = block.get_block_type_slug() == "minio-credentials"
    options, config = _client_parameters(block.aws_client_parameters, name)
    fields: dict[str, object] = {"region": block.region_name, "endpoint_url": options.pop("endpoint_url", None)}
    if is_minio:
        fields |= {"access_key_id": block.minio_root_user, "secret_access_key": block.minio_root_password}
    else:
        fields |= {
            "access_key_id": block.aws_access_key_id,
            "secret_access_key": block.aws_secret_access_key,
            "session_token": block.aws_session_token,
            "profile": block.profile_name,
        }
        if role := without_blanks(block.assume_role_arn):
            request = block.assume_role_kwargs.get_params_override()
            fields["role"] = {"RoleSessionName": "previs", **request, "RoleArn": role}
    style = _ADDRESSING.get(config.get("s3", {}).get("addressing_style"))
    given = {name: value for name, value in fields.items() if without_blanks(value) is not None}
    return given | {"path_style": style, "client_options": options, "client_config": config}


def _client_parameters(parameters: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 - as above
    """Return what a block says of the client, fit for JSON, and the options of its Config apart.

    Raises:
        StoreRefused: botocore does not know the options.
    """
    try:
        options: Mapping[str, Any] = parameters.get_params_override()
    except (TypeError, ValueError) as error:
        raise StoreRefused(name, f"botocore refuses the Config of its client parameters: {error}") from error
    plain = {
        name: str(value) if name == "verify" and not isinstance(value, bool) else value
        for name, value in options.items()
    }
    plain.pop("config", None)
    return plain, dict(parameters.config or {})
