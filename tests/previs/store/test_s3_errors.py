import ssl
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from previs.store.s3_errors import Classification, classify

if TYPE_CHECKING:
    from previs.store.s3_errors import S3Error

NEED = "s3:PutObject on s3://film/boards/*"


def answered(code: str, status: int, **facts: str) -> boto.ClientError:
    headers = {"x-amz-bucket-region": facts.pop("header_region")} if "header_region" in facts else {}
    response: Any = {
        "Error": {"Code": code, "Message": "words that are never looked at", **facts},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return boto.ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (answered("NoSuchKey", 404), "absent", ""),
        (answered("404", 404), "absent", ""),
        (answered("NoSuchBucket", 404), "refused", "no such bucket"),
        (answered("AccessDenied", 403), "refused", NEED),
        (answered("403", 403), "refused", NEED),
        (answered("AccessDenied", 403, Region="us-east-1"), "refused", NEED),
        (answered("InvalidAccessKeyId", 403, AWSAccessKeyId="AKIA1"), "refused", "access key id is not known"),
        (answered("SignatureDoesNotMatch", 403), "refused", "secret access key is not that"),
        (answered("ExpiredToken", 400), "refused", "have expired"),
        (answered("RequestTimeTooSkewed", 403), "refused", "clock"),
        (answered("PermanentRedirect", 301, header_region="eu-west-1"), "refused", "set region to eu-west-1"),
        (answered("301", 301, header_region="eu-west-1"), "refused", "set region to eu-west-1"),
        (answered("AuthorizationHeaderMalformed", 400, Region="ap-east-1"), "refused", "set region to ap-east-1"),
        (answered("PermanentRedirect", 301), "refused", "set region or endpoint_url"),
        (answered("KMS.DisabledException", 400), "refused", "encryption key cannot be used (KMS.DisabledException)"),
        (answered("XMinioStorageFull", 507), "refused", "disks are full"),
        (answered("InvalidArgument", 400), "refused", "400 InvalidArgument"),
        (answered("PreconditionFailed", 412), "taken", "already"),
        (answered("412", 412), "taken", "already"),
        (answered("ConditionalRequestConflict", 409), "trouble", "409 ConditionalRequestConflict"),
        (answered("NotImplemented", 501), "unsupported", "501 NotImplemented"),
        (answered("NotImplemented", 400), "unsupported", "400 NotImplemented"),
        (answered("501", 501), "unsupported", "501"),
        (answered("SlowDown", 503), "trouble", "503 SlowDown"),
        (answered("InternalError", 500), "trouble", "500 InternalError"),
        (answered("503", 503), "trouble", "503"),
        (answered("RequestTimeout", 400), "trouble", "RequestTimeout"),
        (answered("", 429), "trouble", "it answered 429"),
        (boto.NoCredentialsError(), "refused", "no credentials"),
        (boto.SSOTokenLoadError(error_msg="x"), "refused", "aws sso login"),
        (boto.ProfileNotFound(profile="x"), "refused", "no such profile"),
        (boto.ParamValidationError(report="x"), "refused", "rejects this bucket name"),
        (boto.InvalidRegionError(region_name="x"), "refused", "eu-central-1"),
        (boto.PartialCredentialsError(provider="x", cred_var="y"), "refused", "not complete"),
        (boto.ConfigParseError(path="x"), "refused", "ConfigParseError"),
        (ResponseParserError("x"), "refused", "not S3"),
        (boto.EndpointConnectionError(endpoint_url="http://x"), "trouble", "no connection"),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), "trouble", "no answer in time"),
        (boto.ReadTimeoutError(endpoint_url="http://x"), "trouble", "no answer in time"),
        (boto.ConnectionClosedError(endpoint_url="http://x"), "trouble", "was cut"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "trouble", "was cut"),
        (boto.HTTPClientError(error="x"), "trouble", "HTTPClientError"),
    ],
)
def test_a_failure_is_judged_by_code_status_or_class(error: "S3Error", kind: str, reason: str) -> None:
    found = classify(error, NEED)
    assert found.kind == kind
    assert reason in found.reason
    assert "words that are never looked at" not in found.reason
    assert "AKIA1" not in found.reason


def test_a_certificate_that_cannot_be_verified_is_a_refusal() -> None:
    error = boto.SSLError(endpoint_url="https://x", error=ssl.SSLError("x"))
    error.__cause__ = OSError(ssl.SSLCertVerificationError("x"))
    assert classify(error, NEED) == Classification(
        "refused", "the endpoint's TLS certificate is expired, of another host or an unknown issuer"
    )
    assert classify(boto.SSLError(endpoint_url="https://x", error=ssl.SSLError("x")), NEED).kind == "trouble"


@given(st.text(max_size=200), st.integers(300, 599))
def test_a_servers_words_cannot_smuggle_anything_into_a_message(code: str, status: int) -> None:
    reason = classify(answered(code, status), NEED).reason
    assert reason.isprintable()
    assert len(reason) < 250
