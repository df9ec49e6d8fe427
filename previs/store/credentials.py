"""Find credentials in URLs, which must not become parameters, events or records: many people see those."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from previs.errors import SourceNotFound
from previs.store.addresses import USER, kind_of, shown

# As people write it who leave out the scheme or a slash.
_BARE_USER: Final = re.compile(
    r"https?:/*[^/?#\s]*@|(?:https?:/*)?[^/\\\s:@]*:(?![/\\]|\d+(?:[/?#]|$))[^\s@]*@[^\s@/\\]", re.IGNORECASE
)
_BARE_HOST: Final = re.compile(r"[^/\\?#\s@]+\.[^/\\?#\s@]+/[^?#\s]*\?")
# Presigned URLs of Amazon, Google, Azure and CloudFront, and what web services call their keys.
_SECRET: Final = re.compile(
    r"(x-(amz|goog)-)?(signature|credential|security-token)|sig|sign|policy|awsaccesskeyid|googleaccessid|.*token"
    r"|(.*[-_])?(key|apikey|secret|password|passwd|pwd|auth)|apikey",
    re.IGNORECASE,
)
_REMEDY: Final = "everybody who sees the run could use it: save the file, and give its path or an s3:// URL"
_PASSWORD: Final = f"it has a user or a password, and {_REMEDY}"


def password_fault(uri: str) -> str:
    """Return what is wrong with a URL that has a user or a password; empty if it has neither."""
    return _PASSWORD if USER.match(uri) else ""


def credential_fault(uri: str) -> str:
    """Return what is wrong with a URL that has a user, a password, a signature or a key; empty if it has none."""
    query = uri.partition("?")[2].partition("#")[0]
    if kind_of(uri) == "http" and (
        name := next((name for name, _ in parse_qsl(query, keep_blank_values=True) if _SECRET.fullmatch(name)), None)
    ):
        return f"it has a signature or key ({name}), and {_REMEDY}"
    return password_fault(uri)


def parameter_fault(text: str) -> tuple[str, str]:
    """Return how a parameter may be shown, and what is wrong with it if it has credentials, else an empty text.

    A person types parameters, perhaps without a URL's scheme; the text of a list is not so typed.
    """
    if fault := credential_fault(text):
        return shown(text), fault
    if kind_of(text) == "path":
        if _BARE_USER.match(text):
            return shown(re.split(r"[?#]", text.rpartition("@")[2], maxsplit=1)[0]), _PASSWORD
        if _BARE_HOST.match(text):
            return shown(text.partition("?")[0]), credential_fault(f"https://{text}")
    return shown(text), ""


def refuse_credentials(uri: object) -> None:
    """Refuse a URL with credentials.

    Raises:
        SourceNotFound: The URL has a user, a password, a signature or a key; the error does not show them.
    """
    if isinstance(uri, str):
        name, fault = parameter_fault(uri)
        if fault:
            raise SourceNotFound(name, fault)


def credentials_in(content: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield every URL with credentials in plain JSON, however deep."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, str):
            if credential_fault(value):
                yield value
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def without_credentials(content: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return plain JSON in which URLs with credentials have lost them, as messages show such URLs."""
    if isinstance(content, str):
        return shown(content) if credential_fault(content) else content
    if isinstance(content, Mapping):
        return {name: without_credentials(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_credentials(value) for value in content]
    return content
