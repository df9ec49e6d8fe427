"""Define the Prefect blocks that hold a store: a bucket or a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from blocks.form_fields import LOGOS, Encryption, Required, Secret, Text, also_secret, unset
from previs.errors import StoreRefused
from previs.store import FolderStore, S3Store
from previs.store.opening import s3_settings
from previs.store.s3_settings import WEEK_SECONDS
from previs.text.similar import meant

_PATH_STYLES: Final[dict[str, bool | None]] = {"automatic": None, "in the path": True, "in the host": False}
_SECRETS: Final = ("access_key_id", "secret_access_key", "session_token")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class S3Service(_Section):
    """Hold which S3 it is."""

    model_config = ConfigDict(title="Service", json_schema_extra={"description": "Which S3 it is. Empty: Amazon's."})

    region: Text = Field(
        default_factory=unset, title="Region", description="Such as eu-central-1; auto for Cloudflare R2."
    )
    endpoint_url: Text = Field(
        default_factory=unset,
        title="Endpoint",
        description="URL of an S3 other than Amazon's, such as http://minio.studio.lan:9000.",
    )
    bucket_name: Literal["automatic", "in the path", "in the host"] = Field(
        default="automatic",
        title="Bucket name in URLs",
        description="Automatic: in the path, except on Amazon. Aliyun OSS and Tencent COS: in the host.",
    )


class S3Credentials(_Section):
    """Hold who asks; without any, credentials come from the environment, AWS files or the machine's role."""

    model_config = ConfigDict(
        title="Credentials",
        json_schema_extra={"description": "Empty: those of the environment, the AWS files or the machine's role."},
    )

    block: Text = Field(
        default_factory=unset,
        title="Saved credentials",
        description="A block of prefect-aws: aws-credentials/NAME or minio-credentials/NAME.",
        examples=["aws-credentials/studio"],
    )
    profile: Text = Field(
        default_factory=unset, title="Profile", description="Name of a profile in the AWS configuration files."
    )
    access_key_id: Secret = Field(
        default_factory=unset, title="Access key ID", description="With the secret access key; or leave both empty."
    )
    secret_access_key: Secret = Field(default_factory=unset, title="Secret access key")
    session_token: Secret = Field(
        default_factory=unset, title="Session token", description="Only of temporary credentials."
    )


class S3Encryption(_Section):
    """Hold which encryption is requested."""

    model_config = ConfigDict(
        title="Encryption", json_schema_extra={"description": "Which encryption is requested from S3."}
    )

    server_side_encryption: Encryption = Field(
        default_factory=unset, title="Method", description="Empty: the bucket's own rule."
    )
    kms_key_id: Text = Field(
        default_factory=unset, title="KMS key", description="For encryption with KMS. Empty: the account's own key."
    )


class S3Pages(_Section):
    """Hold how pages are published."""

    model_config = ConfigDict(
        title="Links and pages", json_schema_extra={"description": "How a board's frames and pages are reached."}
    )

    public_url: Text = Field(
        default_factory=unset,
        title="Public address",
        description="URL where the bucket's root can be read without a signature, such as a CDN's.",
    )
    link_seconds: int = Field(
        default=WEEK_SECONDS,
        ge=1,
        le=WEEK_SECONDS,
        title="Life of links",
        description="Seconds for which a signed link works: a week at most.",
    )
    page_assets: bool = Field(
        default=False,
        title="Style and script beside pages",
        description="For web hosts whose Content-Security-Policy forbids inline ones.",
    )


class S3FrameStore(Block):
    """Hold a bucket of S3 or of any service with its protocol: AWS, R2, GCS, MinIO, Ceph.

    The settings of the sections may also be given by themselves, as earlier versions saved them. What those left in a
    block that is saved again stays secret: Prefect merges the new values with the old.
    """

    model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra=also_secret(*_SECRETS))

    _block_type_name = "S3 Frame Store"
    _block_type_slug = "s3-frame-store"
    _description = "A bucket, and a folder in it, that keeps frames, records and boards."
    _logo_url = HttpUrl(
        "https://cdn.sanity.io/images/3ugk85nk/production/d74b16fe84ce626345adf235a47008fea2869a60-225x225.png"
    )
    _documentation_url = HttpUrl("https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html")

    bucket: Required = Field(title="Bucket", description="Name of the bucket.", examples=["our-storyboards"])
    prefix: str = Field(default="", title="Prefix", description="Folder in the bucket that the store uses.")
    service: S3Service = Field(default_factory=S3Service, title="Service")
    credentials: S3Credentials = Field(default_factory=S3Credentials, title="Credentials")
    encryption: S3Encryption = Field(default_factory=S3Encryption, title="Encryption")
    pages: S3Pages = Field(default_factory=S3Pages, title="Links and pages")

    @model_validator(mode="before")
    @classmethod
    def _sort_into_sections(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is given
        if not isinstance(given, Mapping):
            return given
        fields = dict(given)
        style = fields.pop("path_style", None)
        for section, kind in _SECTIONS.items():
            loose = {name: fields.pop(name) for name in kind.model_fields if name in fields}
            if kind is S3Service and style is not None:
                loose["bucket_name"] = "in the path" if style else "in the host"
            if fields.get(section) is None:
                fields[section] = loose
        return fields

    def open(self, found: Mapping[str, object] | None = None) -> S3Store:
        """Return the store, without a request to it.

        Args:
            found: Fields that the block of prefect-aws gives; the store's own replace region and endpoint.

        Raises:
            StoreRefused: The settings contradict each other.
        """
        fields = {"bucket": self.bucket, "prefix": self.prefix}
        for each in (self.service, self.credentials, self.encryption, self.pages):
            fields |= each.model_dump(exclude={"block", "bucket_name"}, exclude_none=True)
        if unknown := [name for name in self.model_extra or {} if name != "block_type_slug"]:
            known = [name for kind in _SECTIONS.values() for name in kind.model_fields]
            closest = {name: meant(name, known) for name in unknown}
            faults = [
                f"{name} is no setting" + (f": did you mean {near}?" if near else "") for name, near in closest.items()
            ]
            raise StoreRefused(f"s3://{self.bucket}", "; ".join(faults))
        if found is not None and (twice := [name for name in ("profile", *_SECRETS) if name in fields]):
            reason = f"{', '.join(twice)} and the block {self.credentials.block}: give only one of them"
            raise StoreRefused(f"s3://{self.bucket}", f"it has two credentials, {reason}")
        return S3Store(s3_settings({**(found or {}), **fields, "path_style": self._path_style(found)}))

    def _path_style(self, found: Mapping[str, object] | None) -> object:
        own = _PATH_STYLES[self.service.bucket_name]
        return (found or {}).get("path_style") if own is None else own


_SECTIONS: Final[dict[str, type[_Section]]] = {
    "service": S3Service,
    "credentials": S3Credentials,
    "encryption": S3Encryption,
    "pages": S3Pages,
}


class FolderFrameStore(Block):
    """Hold a folder on a disk that every worker sees."""

    _block_type_name = "Folder Frame Store"
    _block_type_slug = "folder-frame-store"
    _description = "A folder that keeps frames, records and boards."
    _logo_url = HttpUrl(f"{LOGOS}/filesystem.png")
    _documentation_url = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")

    folder: Required = Field(title="Folder", description="Path of the folder.", examples=["/mnt/boards"])
    page_assets: bool = Field(
        default=False,
        title="Style and script beside pages",
        description="For web hosts whose Content-Security-Policy forbids inline ones.",
    )

    def open(self) -> FolderStore:
        """Return the store; it creates the folder when it first writes."""
        return FolderStore(Path(self.folder).expanduser(), page_assets=self.page_assets)
