"""Share one S3 client and its threads between all requests of a store."""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

import asyncio
import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import ConnectionClosedError

from previs.store.s3_log import hide_secrets
from previs.store.s3_requests import PARTS_AT_ONCE
from previs.store.s3_role import assume_role
from previs.store.s3_settings import S3Settings
from previs.store.s3_wire import is_complete

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.loaders import Loader
    from botocore.model import OperationModel
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

_REQUESTS_AT_ONCE: Final = 16
_FILES_AT_ONCE: Final = 8
_MAKING: Final = threading.Lock()
_CONVERTED: Final = frozenset({"integer", "long", "timestamp"})
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
_LISTED_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


class S3Connection:
    """Run requests in threads with one client, which is made at the first request.

    Args:
        settings: Credentials, region and endpoint; the caller names bucket and key. None: whatever every AWS tool would
            find in the environment, the AWS files or the machine's role.
    """

    def __init__(self, settings: S3Settings | None = None) -> None:
        # A client is not bound to a bucket.
        self._settings = settings or S3Settings(bucket="any")
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._threads = ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="previs-s3")
        # Records, leases and heartbeats are small, and must not wait behind films.
        self._file_threads = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="previs-s3-files")

    async def run(self, work: "Callable[[S3Client], T]", *, of_file: bool = False) -> T:
        """Run work with the client in a thread; work that is cancelled may still be done.

        Args:
            work: Blocking function of the client.
            of_file: Whether it sends a file, which may take long.
        """
        threads = self._file_threads if of_file else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, lambda: work(self._client()))

    async def aclose(self) -> None:
        """Wait for the work under way and close all connections."""
        await asyncio.to_thread(self._close)

    def _client(self) -> "S3Client":
        with self._lock:
            if self._made is None:
                self._made = make_client(self._settings)
            return self._made

    def _close(self) -> None:
        for threads in (self._file_threads, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None


def make_client(settings: S3Settings) -> "S3Client":
    """Create a client with the settings' credentials, region and endpoint.

    Every client has a session of its own, since a session keeps its credentials and profile.
    """
    from botocore.session import Session

    # botocore promises thread safety only for clients, and the loader is shared:
    # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html
    with _MAKING:
        session = Session(profile=settings.profile)
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time_of)
        if settings.access_key_id and settings.secret_access_key:
            token = settings.session_token
            session.set_credentials(
                settings.access_key_id.get_secret_value(),
                settings.secret_access_key.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        if settings.role:
            assume_role(session, settings.role, settings.region)
        client = session.create_client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            config=_config(settings),
            **settings.client_options,
        )
    hide_secrets()
    client.meta.events.register("before-sign.s3.DeleteObjects", _send_md5)
    client.meta.events.register("before-parse.s3", _refuse_incomplete)
    return cast("S3Client", client)


def _config(settings: S3Settings) -> "Config":
    from botocore.config import Config

    style, given = settings.path_style, settings.client_config
    addressing = {} if style is None else {"addressing_style": "path" if style else "virtual"}
    own: dict[str, Any] = {
        # Presigned links default to the old signature in some regions; newer regions and R2 reject it.
        "signature_version": "s3v4",
        # "when_supported", the default, sends trailing checksums; R2, GCS and older MinIO reject them.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        # "adaptive" lets about seven requests a second pass when one in twelve is told to slow down, and all 16
        # threads sleep meanwhile. The caller decides how long to retry.
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "max_pool_connections": _REQUESTS_AT_ONCE + _FILES_AT_ONCE * PARTS_AT_ONCE,
        "connect_timeout": 10,
        # Seconds of silence, not of a whole transfer. A healthy S3 begins to answer within a second. The longest
        # silence of a busy one is the joining of a large file's parts; Amazon sends blanks every 10 s meanwhile.
        "read_timeout": 30,
        "tcp_keepalive": True,
    }
    s3 = {"addressing_style": "auto"} | given.get("s3", {}) | addressing
    return Config(**(own | given | {"s3": s3}))


@cache
def _loader(data_path: str | None) -> "Loader":
    """Return the shared loader of botocore's service descriptions: a client costs 60 ms without it, 8 ms with it."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _time_of(value: Any) -> datetime:  # noqa: ANN401 - botocore passes what it found
    """Return a time as listings write it, or as botocore reads it, which takes two thirds of the time of a listing."""
    if isinstance(value, str) and _LISTED_TIME.fullmatch(value):
        return datetime.fromisoformat(value)
    from botocore.utils import parse_timestamp

    parsed: datetime = parse_timestamp(value)
    return parsed


def _refuse_incomplete(operation_model: "OperationModel", response_dict: dict[str, Any], **_: object) -> None:
    """Treat a response that did not arrive completely as a lost connection.

    Raises:
        ConnectionClosedError: The response is incomplete.
    """
    method, headers, body = operation_model.http["method"], response_dict["headers"], response_dict["body"]
    if not is_complete(method, response_dict["status_code"], headers, body):
        if not isinstance(body, bytes):
            body.close()
        raise ConnectionClosedError(endpoint_url="S3")
    from botocore.awsrequest import HeadersDict

    # previs reads no number or time of a header but the length, and botocore raises ValueError for a wrong one.
    unread = set(_numbers_and_times(operation_model))
    kept = {name: value for name, value in headers.items() if name.lower() not in unread}
    response_dict["headers"] = HeadersDict(kept)


def _numbers_and_times(operation_model: "OperationModel") -> Iterator[str]:
    """Yield the headers of a response that botocore converts, in lower case, but for the length."""
    members = operation_model.output_shape.members if operation_model.output_shape else {}
    for name, shape in members.items():
        at = shape.serialization
        if name != "ContentLength" and at.get("location") == "header" and shape.type_name in _CONVERTED:
            yield at.get("name", name).lower()


def _send_md5(request: "AWSRequest", **_: object) -> None:
    """Replace botocore's checksum of a deletion, a CRC that older S3s reject, by MD5, which every S3 knows."""
    for name in [name for name in request.headers if name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-"))]:
        del request.headers[name]
    del request.headers["Content-MD5"]
    body = request.body.encode() if isinstance(request.body, str) else request.body
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()
