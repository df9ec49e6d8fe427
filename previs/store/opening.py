"""Open the store that an address names."""

from pathlib import Path

from pydantic import ValidationError

from previs.errors import StoreRefused
from previs.store.addresses import kind_of, local_path
from previs.store.folder import FolderStore
from previs.store.s3 import S3Store
from previs.store.s3_connection import S3Settings


def store_at(uri: str) -> S3Store | FolderStore:
    """The store at ``s3://bucket/prefix``, with credentials found as every AWS tool does, or in a folder.

    Raises:
        StoreRefused: the address is none.
    """
    if kind_of(uri) != "s3":
        return FolderStore(Path(local_path(uri)).expanduser())
    bucket, _, prefix = uri[len("s3://") :].partition("/")
    return S3Store(s3_settings({"bucket": bucket, "prefix": prefix}))


def s3_settings(fields: dict[str, object]) -> S3Settings:
    """Settings from fields by name.

    Raises:
        StoreRefused: they are wrong or contradict each other; the sentence says which, and shows no value.
    """
    try:
        return S3Settings.model_validate(fields)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
        raise StoreRefused(f"s3://{fields.get('bucket')}", reasons) from error
