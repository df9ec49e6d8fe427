"""Classify failed S3 requests by error code, HTTP status or exception class, never by message text.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those of MinIO, R2 and Ceph.
"""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore import exceptions as boto

if TYPE_CHECKING:
    from botocore.parsers import ResponseParserError

    S3Error = boto.BotoCoreError | boto.ClientError | ResponseParserError

Kind = Literal["absent", "taken", "unsupported", "refused", "trouble"]


@dataclass(frozen=True, slots=True)
class Classification:
    """Say what a caller can do about a failed request.

    Attributes:
        kind: ``absent``: the object does not exist; ``taken``: it exists, but was to be created; ``unsupported``: this
            S3 has no such request or condition; ``refused``: a person must change something; ``trouble``: a retry may
            help.
        reason: Sentence for people, without secrets.
    """

    kind: Kind
    reason: str


NO_S3: Final = "the server that answers is not S3: check the endpoint, such as its port"
_RELOGIN: Final = "the credentials have expired: get new ones, for a single sign-on with `aws sso login`"
_WRONG_KEY: Final = "the access key id is not known: check it, and that endpoint and account belong together"
_WRONG_CLOCK: Final = "this machine's clock is wrong by more than the server tolerates: set it"
_REFUSED_CODES: Final = {
    "NoSuchBucket": "there is no such bucket: create it, or correct its name",
    "InvalidBucketName": "no bucket can have this name",
    "AllAccessDisabled": "all access to this bucket is disabled",
    "AccountProblem": "the account has a problem that its owner must settle",
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "UnrecognizedClientException": _WRONG_KEY,
    "SignatureDoesNotMatch": "the signature is not accepted: the secret access key is not that of the access key id",
    "ExpiredToken": _RELOGIN,
    "ExpiredTokenException": _RELOGIN,
    "TokenRefreshRequired": _RELOGIN,
    "InvalidToken": "the session token is not accepted: it belongs to another access key or is damaged",
    "RequestTimeTooSkewed": _WRONG_CLOCK,
    "RequestExpired": _WRONG_CLOCK,
    "InvalidObjectState": "the object is archived: restore it first",
    "QuotaExceeded": "the quota is used up",
    "XMinioStorageFull": "the server's disks are full",
}
# The response to HEAD has no body; botocore then uses the status as code.
_DENIED: Final = {"AccessDenied", "AccessDeniedException", "Forbidden", "403", "401", "Unauthorized"}
_ABSENT: Final = {"NoSuchKey", "NotFound", "404"}
_TAKEN: Final = {"PreconditionFailed", "412"}
_UNSUPPORTED: Final = {"NotImplemented", "501"}
_OTHER_REGION: Final = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301", "307",
}  # fmt: skip
_TEMPORARY_CODES: Final = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "TooManyRequests", "BandwidthLimitExceeded", "OperationAborted", "RequestLimitExceeded",
    "IncompleteBody", "NoSuchUpload", "XMinioServerNotInitialized", "ConditionalRequestConflict",
}  # fmt: skip
_TEMPORARY_STATUS: Final = {408, 425, 429}
_SERVER_ERROR: Final = 500
_SETTINGS: Final = (
    boto.ConfigParseError, boto.ConfigNotFound, boto.CredentialRetrievalError, boto.EndpointProviderError,
    boto.InvalidEndpointConfigurationError, boto.InvalidProxiesConfigError, boto.MissingDependencyException,
    boto.InvalidConfigError, boto.UnknownSignatureVersionError, boto.UnsupportedS3ConfigurationError,
)  # fmt: skip
# The first row that matches applies.
_CLASSES: Final[tuple[tuple[tuple[type[Exception], ...], Classification], ...]] = (
    (
        (boto.NoCredentialsError, boto.NoAuthTokenError),
        Classification("refused", "there are no credentials: give an access key, a profile, or the machine a role"),
    ),
    ((boto.TokenRetrievalError, boto.SSOError, boto.LoginError), Classification("refused", _RELOGIN)),
    ((boto.ProfileNotFound,), Classification("refused", "there is no such profile in the AWS configuration files")),
    ((boto.PartialCredentialsError,), Classification("refused", "the credentials that were found are not complete")),
    (
        (boto.InvalidRegionError, boto.NoRegionError),
        Classification("refused", "the region is not a name like eu-central-1"),
    ),
    (
        (boto.ParamValidationError, boto.InvalidDNSNameError, boto.UnsupportedS3ArnError),
        Classification("refused", "S3 rejects this bucket name or key"),
    ),
    ((boto.ReadTimeoutError, boto.ConnectTimeoutError), Classification("trouble", "no answer in time")),
    (
        (boto.ConnectionClosedError, boto.ResponseStreamingError, boto.IncompleteReadError),
        Classification("trouble", "the connection was cut during a request"),
    ),
    ((boto.EndpointConnectionError,), Classification("trouble", "no connection to its endpoint")),
)


def s3_errors() -> "tuple[type[boto.BotoCoreError], type[boto.ClientError], type[ResponseParserError]]":
    """Return the exceptions of a failed request."""
    from botocore.parsers import ResponseParserError

    return boto.BotoCoreError, boto.ClientError, ResponseParserError


def classify(error: "S3Error", permission: str = "another permission") -> Classification:
    """Classify a failed request.

    Args:
        error: Error from boto3.
        permission: Permission that the request needs, such as ``s3:PutObject on s3://bucket/prefix/*``.
    """
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ClientError):
        return _classify_response(error, permission)
    if isinstance(error, ResponseParserError):
        return Classification("refused", NO_S3)
    if certificate_refused(error):
        return Classification(
            "refused", "the endpoint's TLS certificate is expired, of another host or an unknown issuer"
        )
    for classes, classification in _CLASSES:
        if isinstance(error, classes):
            return classification
    if isinstance(error, _SETTINGS):
        return Classification("refused", f"its settings or credentials cannot be used ({type(error).__name__})")
    return Classification("trouble", f"the request failed ({type(error).__name__})")


def certificate_refused(error: BaseException) -> bool:
    """Return whether an error was caused, at any depth, by a TLS certificate that cannot be verified."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        if isinstance(current, ssl.SSLCertVerificationError):
            return True
        seen.add(id(current))
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    return False


def error_of_key(fault: Mapping[str, Any]) -> boto.ClientError | None:
    """Return the error of one key in the response to a deletion, or None if the object did not exist."""
    code = str(fault.get("Code", ""))
    return None if code in _ABSENT else boto.ClientError({"Error": {"Code": code}}, "DeleteObject")


def _classify_response(error: boto.ClientError, permission: str) -> Classification:
    facts: dict[str, Any] = dict(error.response.get("Error") or {})
    meta: dict[str, Any] = dict(error.response.get("ResponseMetadata") or {})
    code, status = str(facts.get("Code", "")), int(meta.get("HTTPStatusCode") or 0)
    if code in _ABSENT:
        return Classification("absent", "there is no such object")
    if code in _TAKEN:
        return Classification("taken", "the object exists already")
    if code in _UNSUPPORTED:
        return Classification("unsupported", f"it does not support this request ({_status_and_code(code, status)})")
    if code in _TEMPORARY_CODES or status in _TEMPORARY_STATUS or status >= _SERVER_ERROR:
        kind: Kind = "refused" if code in _REFUSED_CODES else "trouble"
        return Classification(kind, _REFUSED_CODES.get(code, f"it answered {_status_and_code(code, status)}"))
    return Classification("refused", _refusal_reason(code, status, permission, _region(facts, meta)))


def _refusal_reason(code: str, status: int, permission: str, region: str) -> str:
    if code in _OTHER_REGION and region:
        return f"the bucket is in another region: set region to {_plain(region)}"
    if code in _OTHER_REGION:
        return "the bucket is in another region or at another endpoint: set region or endpoint_url to its own"
    if code in _DENIED:
        return f"access denied: the credentials need {permission}"
    if code.startswith("KMS."):
        return f"the encryption key cannot be used ({_plain(code)})"
    return _REFUSED_CODES.get(
        code, f"it answered {_status_and_code(code, status)} to a request that needs {permission}"
    )


def _region(facts: dict[str, Any], meta: dict[str, Any]) -> str:
    return str(facts.get("Region") or (meta.get("HTTPHeaders") or {}).get("x-amz-bucket-region") or "")


def _status_and_code(code: str, status: int) -> str:
    return str(status) if code in {"", str(status)} else f"{status} {_plain(code)}"


def _plain(text: str) -> str:
    """Return a text from a server, shortened and without characters that could mislead a reader or a terminal."""
    return re.sub(r"[^A-Za-z0-9._-]", "", text)[:64] or "without a name"
