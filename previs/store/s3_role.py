"""Use the credentials of a role, renewed before they expire."""

# ruff: noqa: PLC0415 - most commands need no S3, and boto3 takes longer to import than all the rest

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session


def assume_role(session: "Session", request: Mapping[str, Any], region: str | None) -> None:
    """Make a session assume a role with the credentials that it finds; its first request asks STS.

    Args:
        session: Session of botocore.
        request: Request of AssumeRole, with its RoleArn.
        region: Region whose STS is asked; None for the session's own.

    Raises:
        NoCredentialsError: The session finds no credentials.
    """
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    source = session.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(session.create_client, region_name=region),
        source_credentials=source,
        role_arn=request["RoleArn"],
        extra_args={name: value for name, value in request.items() if name != "RoleArn"},
    )
    credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    session._credentials = credentials  # type: ignore[attr-defined]  # noqa: SLF001 - it has no public setter
