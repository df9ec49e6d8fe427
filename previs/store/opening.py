"""Open a store that is named by text: a path or URL, or a block that is saved in Prefect."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from previs.errors import StoreRefused
from previs.store.addresses import kind_of, local_path, shown
from previs.store.credentials import password_fault
from previs.store.folder import FolderStore
from previs.store.s3 import S3Store
from previs.store.s3_settings import S3Settings

LOCAL_FOLDER: Final = "storyboards"
BLOCK: Final = "block:"
DEFAULT_BLOCK: Final = "default"
AWS_BUCKET: Final = "s3-bucket"
"""Type of the S3 Bucket of prefect-aws, as in ``block:s3-bucket/NAME``."""

_PAGE: Final = "in Prefect's pages under Blocks"
_AWS_KINDS: Final = {
    AWS_BUCKET: ("S3 Bucket", "S3Bucket"),
    "aws-credentials": ("AWS Credentials", "AwsCredentials"),
    "minio-credentials": ("MinIO Credentials", "MinIOCredentials"),
}


def store_block(store: str) -> str | None:
    """Return the name of the block in ``block:NAME``, or None if the store is named by a path or URL."""
    return store.removeprefix(BLOCK) if store.startswith(BLOCK) else None


def no_store_block(name: str) -> StoreRefused:
    """Return the error for a store block that is not saved."""
    slug, _, bare = name.rpartition("/")
    if slug in _AWS_KINDS:
        return no_aws_block(slug, bare)
    reason = f"no frame store block named {bare!r} is saved in Prefect"
    return StoreRefused(f"{BLOCK}{name}", f"{reason}: {saving_store(bare)}")


def saving_store(name: str) -> str:
    """Return how to save a block of a store under a name."""
    code = f"from blocks import S3FrameStore; S3FrameStore(bucket='BUCKET').save('{name}')"
    return f'save an S3 Frame Store or a Folder Frame Store as {name!r} {_PAGE}, or in the checkout: python -c "{code}"'


def no_aws_block(slug: str, name: str) -> StoreRefused:
    """Return the error for a block of prefect-aws that is not saved."""
    title, kind = _AWS_KINDS[slug]
    code = f"from prefect_aws import {kind}; {kind}(…).save('{name}')"
    remedy = f"save one {_PAGE} ({title}), or in Python: {code}"
    return StoreRefused(f"{BLOCK}{slug}/{name}", f"no {title} named {name!r} is saved in Prefect: {remedy}")


def store_at(uri: str) -> S3Store | FolderStore:
    """Return the store at ``s3://bucket/prefix``, with credentials found as every AWS tool does, or in a folder.

    Raises:
        StoreRefused: The bucket or the prefix cannot be used, or it is a URL of neither S3 nor a folder.
        SourceNotFound: A ``file://`` URL names another machine.
    """
    kind = kind_of(uri)
    if kind not in {"s3", "path", "file"} or password_fault(uri):
        raise StoreRefused(shown(uri), "a store is s3://bucket/prefix or a folder; other settings are in its block")
    if kind != "s3":
        return FolderStore(Path(local_path(uri)).expanduser())
    bucket, _, prefix = uri[len("s3://") :].partition("/")
    return S3Store(s3_settings({"bucket": bucket, "prefix": prefix}))


def s3_settings(fields: dict[str, object]) -> S3Settings:
    """Return settings from fields by name.

    Raises:
        StoreRefused: Fields are wrong or contradict each other; the error names them and shows no value.
    """
    try:
        return S3Settings.model_validate(fields)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
        raise StoreRefused(shown(f"s3://{fields.get('bucket')}"), reasons) from error
