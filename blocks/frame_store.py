"""The store: where frames, records and boards are kept."""

from pathlib import Path
from typing import Annotated, Literal

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from previs.store import FolderStore, S3Settings, S3Store
from previs.store.opening import s3_settings


class S3FrameStore(Block):
    """A bucket of S3 or of anything that speaks its protocol: AWS, R2, GCS, MinIO, Ceph."""

    _block_type_name = "S3 Frame Store"
    _block_type_slug = "s3-frame-store"
    _description = "A bucket, and a folder in it, that keeps frames, records and boards."

    bucket: str = Field(title="Bucket", description="Its name.", min_length=1, examples=["our-storyboards"])
    prefix: str = Field(default="", title="Prefix", description="The folder in the bucket to keep to.")
    region: str | None = Field(default=None, title="Region", description="Such as eu-central-1; auto for R2.")
    endpoint_url: str | None = Field(
        default=None, title="Endpoint", description="Of an S3 other than Amazon's: http://minio.studio.lan:9000."
    )
    path_style: bool | None = Field(
        default=None,
        title="Path style",
        description="Whether the bucket's name is in the path; unset, it is for endpoints other than Amazon's.",
    )
    profile: str | None = Field(default=None, title="Profile", description="A name from the AWS configuration files.")
    access_key_id: SecretStr | None = Field(
        default=None,
        title="Access key ID",
        description="Unset, credentials are looked for where every AWS tool looks.",
    )
    secret_access_key: SecretStr | None = Field(default=None, title="Secret access key")
    session_token: SecretStr | None = Field(default=None, title="Session token")
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, title="Encryption", description="What S3 is asked to encrypt with."
    )
    kms_key_id: str | None = Field(default=None, title="KMS key", description="For encryption with KMS.")
    public_url: str | None = Field(
        default=None,
        title="Public address",
        description="Where the bucket's root can be read without a signature, such as a CDN's address.",
    )
    link_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] = Field(
        default=7 * 24 * 3600, title="Life of links", description="Seconds that a signed link works; a week at most."
    )

    def open(self) -> S3Store:
        """The store; nothing is asked of the network yet.

        Raises:
            StoreRefused: the settings contradict each other.
        """
        fields = {name: getattr(self, name) for name in S3Settings.model_fields}
        return S3Store(s3_settings(fields))


class FolderFrameStore(Block):
    """A folder on a disk that every worker sees."""

    _block_type_name = "Folder Frame Store"
    _block_type_slug = "folder-frame-store"
    _description = "A folder that keeps frames, records and boards."

    folder: str = Field(title="Folder", description="Its path.", min_length=1, examples=["/mnt/boards"])

    def open(self) -> FolderStore:
        """The store; the folder is made when it is first needed."""
        return FolderStore(Path(self.folder).expanduser())
