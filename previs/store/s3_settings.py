"""Define and check the settings of a store in S3."""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from previs.store.keys import fault_of

WEEK_SECONDS: Final = 7 * 24 * 3600


class S3Fields(BaseModel):
    """Declare the settings of a store in S3, unchecked; forms show their titles and descriptions."""

    bucket: str = Field(title="Bucket", description="Name of the bucket.", min_length=1, examples=["our-storyboards"])
    prefix: str = Field(
        default="",
        title="Prefix",
        description="Folder in the bucket that the store uses; slashes at its ends are ignored.",
    )
    region: str | None = Field(
        default=None, title="Region", description="Such as eu-central-1; auto for Cloudflare R2."
    )
    endpoint_url: str | None = Field(
        default=None,
        title="Endpoint",
        description="URL of an S3 other than Amazon's, such as http://minio.studio.lan:9000.",
    )
    path_style: bool | None = Field(
        default=None,
        title="Path style",
        description=(
            "Put the bucket's name in the path (true) or in the host (false, which Aliyun OSS and Tencent COS need). "
            "Unset: in the path for every endpoint other than Amazon's."
        ),
    )
    profile: str | None = Field(
        default=None, title="Profile", description="Name of a profile in the AWS configuration files."
    )
    access_key_id: SecretStr | None = Field(
        default=None,
        title="Access key ID",
        description="Without key and profile, credentials come from the environment, AWS files or the machine's role.",
    )
    secret_access_key: SecretStr | None = Field(default=None, title="Secret access key")
    session_token: SecretStr | None = Field(default=None, title="Session token")
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, title="Encryption", description="Encryption to request from S3. Unset: the bucket's own rule."
    )
    kms_key_id: str | None = Field(
        default=None, title="KMS key", description="Key for encryption with KMS. Unset: the account's own key."
    )
    public_url: str | None = Field(
        default=None,
        title="Public address",
        description="URL under which the bucket's root can be read without a signature, such as a CDN's.",
    )
    page_assets: bool = Field(
        default=False,
        title="Style and script beside pages",
        description=(
            "Write a page's style and script into files beside it, for web hosts whose Content-Security-Policy forbids "
            "inline ones."
        ),
    )
    link_seconds: int = Field(
        default=WEEK_SECONDS,
        ge=1,
        le=WEEK_SECONDS,
        title="Life of links",
        description=(
            "Seconds for which a signed link works; S3 grants a week at most. Links signed with temporary credentials "
            "end with them."
        ),
    )


class S3Settings(S3Fields):
    """Hold checked settings of a store in S3."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        stripped = value.strip("/")
        fault = fault_of(stripped) if stripped else None
        if fault:
            msg = f"the prefix cannot be used: {fault}"
            raise ValueError(msg)
        return stripped

    @field_validator("endpoint_url", "public_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            msg = "an address starts with http:// or https:// and a host"
            raise ValueError(msg)
        if parts.username or parts.password or parts.query or parts.fragment:
            msg = "an address holds no user, password, query or fragment: give credentials in their own fields"
            raise ValueError(msg)
        return value.rstrip("/")

    @field_validator("endpoint_url")
    @classmethod
    def _check_host(cls, value: str | None) -> str | None:
        if value is None:
            return value
        from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url

        if is_valid_endpoint_url(value) or is_valid_ipv6_endpoint_url(value):
            return value
        msg = "the host of an endpoint has only letters, digits, dots and hyphens"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            msg = "access_key_id and secret_access_key go together: give both or neither"
            raise ValueError(msg)
        if self.session_token is not None and self.access_key_id is None:
            msg = "session_token goes with access_key_id and secret_access_key"
            raise ValueError(msg)
        if self.kms_key_id is not None and self.server_side_encryption not in {"aws:kms", "aws:kms:dsse"}:
            msg = 'kms_key_id goes with server_side_encryption "aws:kms" or "aws:kms:dsse"'
            raise ValueError(msg)
        return self
