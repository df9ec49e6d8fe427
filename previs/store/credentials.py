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
# What presigned URLs of Amazon, Google, Azure, CloudFront, Aliyun, Tencent, Huawei, Volcano Engine and Akamai, and web
# services, call their signatures and keys.
_SECRET: Final = re.compile(
    r"(.*[-_])?(sig|sign|signature|credential|policy|key|secret|password|passwd|pwd|auth|authorization)"
    r"|.*(apikey|token_*|access_?(key)?id)|hdn[a-z]+|__gda__|q-ak",
    re.IGNORECASE,
)
_DEEPEST: Final = 4
_REMEDY: Final = "everybody who sees the run could use it: save the file, and give its path or an s3:// URL"
_PASSWORD: Final = f"it has a user or a password, and {_REMEDY}"


def password_fault(uri: str) -> str:
    """Return what is wrong with a URL that has a user or a password; empty if it has neither."""
    return _PASSWORD if USER.match(uri) else ""


def credential_fault(uri: str) -> str:
    """Return what is wrong with a URL that has a user, a password, a signature or a key; empty if it has none."""
    for url in _urls_in(uri):
        if fault := password_fault(url):
            return fault
        if name := next((name for name, _ in _fields(url) if _SECRET.fullmatch(name)), None):
            return f"it has a signature or key ({name}), and {_REMEDY}"
    return password_fault(uri)


def _fields(url: str) -> list[tuple[str, str]]:
    """Return names and values of a URL's query and fragment."""
    query, _, fragment = url.partition("?")[2].partition("#") if "?" in url else ("", "", url.partition("#")[2])
    return [*parse_qsl(query, keep_blank_values=True), *parse_qsl(fragment, keep_blank_values=True)]


def _urls_in(uri: str) -> Iterator[str]:
    """Yield an HTTP URL and those in its fields, as a proxy or a share names them, up to a depth."""
    found = [uri]
    for _ in range(_DEEPEST):
        found = [url for url in found if kind_of(url) == "http"]
        yield from found
        found = [value for url in found for _, value in _fields(url)]


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
