"""Define and check the settings of a store in S3."""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

from collections.abc import Mapping
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from previs.store.keys import fault_of

WEEK_SECONDS: Final = 7 * 24 * 3600


class S3Settings(BaseModel):
    """Hold checked settings of a store in S3. Blanks around a value are dropped, and an empty text means none.

    Attributes:
        bucket: Name of the bucket.
        prefix: Folder in the bucket; slashes at its ends are ignored.
        region: Such as eu-central-1; auto for Cloudflare R2.
        endpoint_url: URL of an S3 other than Amazon's.
        path_style: Whether the bucket's name is in the path; None: for every endpoint other than Amazon's.
        profile: Profile in the AWS configuration files.
        access_key_id: None, without a profile: credentials come from the environment, AWS files or the machine's role.
        server_side_encryption: Encryption to request; None: the bucket's own rule.
        kms_key_id: Key for encryption with KMS; None: the account's own key.
        public_url: URL under which the bucket's root can be read without a signature.
        page_assets: Whether a page's style and script are files beside it.
        link_seconds: Seconds for which a signed link works.
        role: Request of STS's AssumeRole, with its RoleArn; its credentials are renewed before they expire.
        client_options: Other arguments for botocore's client, such as verify.
        client_config: Options of botocore's Config; they replace those of previs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bucket: str = Field(min_length=1)
    prefix: str = ""
    region: str | None = None
    endpoint_url: str | None = None
    path_style: bool | None = None
    profile: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    kms_key_id: str | None = None
    public_url: str | None = None
    page_assets: bool = False
    link_seconds: int = Field(default=WEEK_SECONDS, ge=1, le=WEEK_SECONDS)
    # They may hold an external ID, or a proxy's password.
    role: dict[str, Any] = Field(default_factory=dict, repr=False)
    client_options: dict[str, Any] = Field(default_factory=dict, repr=False)
    client_config: dict[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, fields: Any) -> Any:  # noqa: ANN401 - whatever is given
        if not isinstance(fields, Mapping):
            return fields
        given = {name: without_blanks(value) for name, value in fields.items()}
        return {name: value for name, value in given.items() if value is not None}

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


def without_blanks(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return a text or secret without blanks around it, None if nothing is left, and any other value as it is."""
    if isinstance(value, SecretStr):
        return SecretStr(stripped) if (stripped := value.get_secret_value().strip()) else None
    return value.strip() or None if isinstance(value, str) else value
