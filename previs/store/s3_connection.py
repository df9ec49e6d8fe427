"""How to reach S3, and the one client that all requests share."""

import asyncio
import base64
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import HeadersDict
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from previs.store.keys import fault_of
from previs.store.s3_requests import PARTS_AT_ONCE
from previs.store.s3_wire import is_whole

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.model import OperationModel
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

WEEK_SECONDS: Final = 7 * 24 * 3600
_REQUESTS_AT_ONCE: Final = 16
_FILES_AT_ONCE: Final = 8


class S3Settings(BaseModel):
    """How to reach a place in S3.

    Without keys and profile the credentials are looked for where every AWS tool looks: environment, files, the
    machine's role.

    Attributes:
        bucket: its name.
        prefix: the folder in the bucket that the store keeps to; slashes at its ends do not matter.
        region: such as ``eu-central-1``; ``auto`` for Cloudflare R2.
        endpoint_url: of an S3 other than Amazon's, such as ``http://minio.studio.lan:9000``.
        path_style: whether the bucket's name is in the path (true) or in the host (false, which Aliyun OSS and Tencent
            COS need). Unset, it is in the path for endpoints other than Amazon's.
        profile: a name from the AWS configuration files.
        server_side_encryption: what S3 is asked to encrypt with; unset, the bucket's own rule holds.
        kms_key_id: for the two kinds with KMS; unset, the account's own key.
        public_url: where the bucket's root can be read without a signature, such as a CDN's address.
        link_seconds: how long a signed link works. A week is the most that S3 grants, and links signed with
            temporary credentials end with these.
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
    link_seconds: int = Field(WEEK_SECONDS, ge=1, le=WEEK_SECONDS)

    @field_validator("prefix")
    @classmethod
    def _prefix_is_a_folder(cls, value: str) -> str:
        stripped = value.strip("/")
        fault = fault_of(stripped) if stripped else None
        if fault:
            msg = f"the prefix cannot be used: {fault}"
            raise ValueError(msg)
        return stripped

    @field_validator("endpoint_url", "public_url")
    @classmethod
    def _address_is_plain(cls, value: str | None) -> str | None:
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
    def _host_is_one_that_boto_takes(cls, value: str | None) -> str | None:
        if value is None or is_valid_endpoint_url(value) or is_valid_ipv6_endpoint_url(value):
            return value
        msg = "the host of an endpoint has only letters, digits, dots and hyphens"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
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


class S3Connection:
    """One client, made at the first request, and the threads that use it.

    Args:
        settings: whose credentials, region and endpoint hold; its bucket and prefix are the caller's affair. With none,
            all of them are looked for where every AWS tool looks.
    """

    def __init__(self, settings: S3Settings | None = None) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._threads = ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="previs-s3")
        # Records, claims and beats are small, and must not wait behind films.
        self._threads_of_files = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="previs-s3-files")

    async def run(self, work: "Callable[[S3Client], T]", *, of_file: bool = False) -> T:
        """Do work with the client in a thread. Cancelled, the work may still be done.

        Args:
            work: what to do.
            of_file: whether a file is sent, which may take long.
        """
        threads = self._threads_of_files if of_file else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, lambda: work(self._client()))

    async def aclose(self) -> None:
        """Wait for the work under way and close all connections."""
        await asyncio.to_thread(self._close)

    def _client(self) -> "S3Client":
        with self._lock:
            if self._made is None:
                self._made = _make_client(self._settings)
            return self._made

    def _close(self) -> None:
        for threads in (self._threads_of_files, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None


def _make_client(settings: S3Settings | None) -> "S3Client":
    wanted: dict[str, Any] = {}
    style = None
    if settings is not None:
        style = settings.path_style
        wanted = {
            "profile_name": settings.profile,
            "region_name": settings.region,
            "aws_access_key_id": _revealed(settings.access_key_id),
            "aws_secret_access_key": _revealed(settings.secret_access_key),
            "aws_session_token": _revealed(settings.session_token),
        }
    config = Config(
        # Presigned links default to the old signature in some regions, which newer regions and R2 do not accept.
        signature_version="s3v4",
        # "when_supported", the default, sends trailing checksums, which R2, GCS and older MinIO do not take.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Not "adaptive": with one request in twelve told to slow down it lets about seven a second pass, and puts all
        # 16 threads to sleep for it. How long to go on asking is the caller's affair.
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": "auto" if style is None else "path" if style else "virtual"},
        max_pool_connections=_REQUESTS_AT_ONCE + _FILES_AT_ONCE * PARTS_AT_ONCE,
        connect_timeout=10,
        # Of silence, not of a whole transfer. An S3 that is well begins to answer within a second; the longest silence
        # of one that is busy is the joining of a large file's parts, during which Amazon's sends blanks every 10 s.
        read_timeout=30,
        tcp_keepalive=True,
    )
    client = boto3.session.Session(**wanted).client(
        "s3", endpoint_url=settings.endpoint_url if settings else None, config=config
    )
    client.meta.events.register("before-sign.s3.DeleteObjects", _sum_by_md5)
    client.meta.events.register("before-parse.s3", _refuse_what_was_cut)
    return client


def _refuse_what_was_cut(operation_model: "OperationModel", response_dict: dict[str, Any], **_: object) -> None:
    """Take an answer that has not arrived to its end for a connection that was lost.

    Raises:
        ConnectionClosedError: it has not.
    """
    method, headers, body = operation_model.http["method"], response_dict["headers"], response_dict["body"]
    if not is_whole(method, response_dict["status_code"], headers, body):
        if not isinstance(body, bytes):
            body.close()
        raise ConnectionClosedError(endpoint_url="S3")
    # Nobody here reads it, and one that was cut is a ValueError to botocore.
    kept = {name: value for name, value in headers.items() if name.lower() != "last-modified"}
    response_dict["headers"] = HeadersDict(kept)


def _sum_by_md5(request: "AWSRequest", **_: object) -> None:
    """Send the one checksum of a deletion that every S3 knows: botocore's own, a CRC, older ones do not accept."""
    for name in [name for name in request.headers if name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-"))]:
        del request.headers[name]
    del request.headers["Content-MD5"]
    body = request.body.encode() if isinstance(request.body, str) else request.body
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
