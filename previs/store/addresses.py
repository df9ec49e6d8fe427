"""Parse and resolve names of files: paths, ``file://``, ``s3://``, ``https://``, ``http://`` and ``data:`` URLs.

``s3://`` URLs and paths contain no escapes; escapes in ``https://`` URLs are kept.
"""

import re
from pathlib import PurePath, PurePosixPath
from typing import Final, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from previs.errors import SourceNotFound
from previs.text.visible import visible

Kind = Literal["path", "file", "s3", "http", "data", "shot", "unknown"]

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE)
_KINDS: Final[dict[str, Kind]] = {"file": "file", "s3": "s3", "http": "http", "https": "http"}
_BARE_KINDS: Final[dict[str, Kind]] = {"data": "data", "shot": "shot"}
# On Windows a drive without a slash leads to that drive's own working directory.
_ABSOLUTE: Final = re.compile(r"[/\\]|[a-z]:", re.IGNORECASE)
_NOT_AN_ESCAPE: Final = re.compile(r"%(?![0-9a-f]{2})", re.IGNORECASE)
# A password may hold / ? or # though it should not; what follows a host's colon and is no port is one.
USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)(?:[^/?#]*@|[^/?#@\s:]*:(?!\d+(?:[/?#]|$))[^\s@]*@)", re.IGNORECASE)
_SHOWN_CHARACTERS: Final = 200
_GOOGLE_SHEET: Final = re.compile(
    r"(https?://docs\.google\.com/(?:a/[\w.-]+/)?spreadsheets/(?:u/\d+/)?d/(?P<id>(?:e/)?[\w-]{10,200}))(?P<rest>[/?#].*)?",
    re.IGNORECASE,
)
_GOOGLE_TAB: Final = re.compile(r"[?&#]gid=(\d{1,20})")


def kind_of(uri: str) -> Kind:
    """Return the kind of a name; ``shot`` is another shot's frame, ``unknown`` a scheme that previs cannot read."""
    found = _SCHEME.match(uri)
    if found is None:
        return "path"
    scheme = found[1].lower()
    if scheme in _BARE_KINDS:
        return _BARE_KINDS[scheme]
    if found[2]:
        return _KINDS.get(scheme, "unknown")
    return "file" if scheme == "file" and uri[found.end() :].startswith("/") else "path"


def shown(uri: str) -> str:
    """Return a name for messages and logs: short, without user, password, query, fragment or control characters."""
    if not uri:
        return "an empty name"
    kind = kind_of(uri)
    if kind == "data":
        uri = uri.partition(",")[0][:40] + ",…"
    else:
        uri = USER.sub(r"\1", uri)
        bare = re.split(r"[?#]", uri, maxsplit=1)[0]
        if kind in {"http", "unknown"} and bare != uri:
            uri = f"{bare}?…"
    if len(uri) > _SHOWN_CHARACTERS:
        uri = uri[:_SHOWN_CHARACTERS] + "…"
    return visible(uri)


def sheet_export(uri: str) -> str | None:
    """Return the URL of the CSV of a Google Sheets address, of the tab that it names or the first; None for others."""
    found = _GOOGLE_SHEET.fullmatch(uri)
    rest = found["rest"] or "" if found else ""
    if found is None or rest.startswith(("/export", "/pub?")):
        return None
    tab = _GOOGLE_TAB.search(rest)
    of_tab = f"&gid={tab[1]}" if tab else ""
    if found["id"].startswith("e/"):
        return f"{found[1]}/pub?output=csv&single=true{of_tab}"
    return f"{found[1]}/export?format=csv{of_tab}"


def local_path(uri: str) -> str:
    """Return the path that a path or a ``file://`` URL names.

    Raises:
        SourceNotFound: The URL names another machine.
    """
    if kind_of(uri) != "file":
        return uri
    rest = uri[len("file:") :]
    if rest.startswith("//"):
        host, _, tail = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise SourceNotFound(shown(uri), "a file URL cannot name another machine: write file:///folder/name")
        rest = f"/{tail}"
    return url2pathname(rest)


def stem_of(uri: str) -> str:
    """Return a file's name without its suffix and escapes, or an empty text if there is no file name.

    Raises:
        SourceNotFound: The name is a ``file://`` URL of another machine.
    """
    kind = kind_of(uri)
    if kind in {"path", "file"}:
        return PurePath(local_path(uri)).stem
    if found := _GOOGLE_SHEET.fullmatch(uri):
        return f"sheet {found['id'].rpartition('/')[2][:12]}"
    if kind == "http":
        uri = unquote(re.split(r"[?#]", uri, maxsplit=1)[0])
    elif kind != "s3":
        return ""
    return PurePosixPath(uri.partition("://")[2].partition("/")[2]).stem


def base_of(uri: str) -> str:
    """Return the base of relative names in a list: a folder's path, or a URL that ends with a slash.

    Raises:
        SourceNotFound: The list is at a ``file://`` URL of another machine.
    """
    kind = kind_of(uri)
    if kind in {"path", "file"}:
        return str(PurePath(local_path(uri)).parent)
    if kind == "s3":
        bucket, _, key = uri[len("s3://") :].partition("/")
        folder = key.rpartition("/")[0]
        return f"s3://{bucket}/{folder}/" if folder else f"s3://{bucket}/"
    if kind == "http":
        bare = re.split(r"[?#]", uri, maxsplit=1)[0]
        return bare[: bare.rfind("/") + 1] if bare.count("/") > len("//") else f"{bare}/"
    return f"{kind}:"


def resolve(url: str, base: str, *, inline: bool = False) -> str:
    """Return the full path or URL of a file that a list names.

    URLs stay as they are; a relative name, with slashes of either kind, is joined to the base. Only a list that is
    itself a local file may name local files by absolute path, by ``file://`` or above its own folder: any other list
    could have this machine read what its sender has no right to see. A relative name never leads out of the list's
    prefix in S3 or off its web server.

    Args:
        url: Name in the list.
        base: Base of the list, from :func:`base_of`; for an inline list the folder of its references.
        inline: Whether the list was sent as text, so that a folder as base does not prove that it is a local file.

    Raises:
        SourceNotFound: The name is empty, leads out, or may not be used by this list.
    """
    kind, base_kind = kind_of(url), kind_of(base)
    local_list = base_kind in {"path", "file"} and not inline
    if kind == "file" or (kind == "path" and _ABSOLUTE.match(url)):
        if not local_list:
            raise SourceNotFound(
                shown(url),
                "only a shot list that is a local file may name local files: use a name relative to the list, "
                "s3:// or https://",
            )
        return url
    if kind != "path":
        return url
    if base_kind in {"path", "file"}:
        return _in_folder(url, local_path(base), may_climb=local_list)
    if base_kind == "s3":
        return base.rstrip("/") + "/" + "/".join(_steps(url, url, []))
    if base_kind == "http":
        return _on_server(url, base)
    raise SourceNotFound(shown(url), "a relative name needs a list with a path or URL: use s3:// or https://")


def _in_folder(url: str, folder: str, *, may_climb: bool) -> str:
    if may_climb:
        if not url:
            raise SourceNotFound(shown(url), "give a path or URL")
        return str(PurePath(folder, url.replace("\\", "/")))
    steps = _steps(url, url, [])
    if any(":" in step for step in steps):
        raise SourceNotFound(shown(url), "a colon in a name leads to another drive on Windows")
    return str(PurePath(folder, *steps))


def _on_server(url: str, base: str) -> str:
    try:
        page = urlsplit(base)
    except ValueError as error:
        raise SourceNotFound(shown(base), "it is not a valid URL") from error
    name, _, query = url.partition("?")
    above = [step for step in page.path.split("/") if step]
    escaped = quote(_NOT_AN_ESCAPE.sub("%25", name.replace("\\", "/")), safe="/%")
    path = "/" + "/".join(_steps(url, escaped, above))
    return urlunsplit((page.scheme, page.netloc, path, quote(query, safe="%=&+/:?@!$'()*,;"), ""))


def _steps(url: str, name: str, above: list[str]) -> list[str]:
    """Return the steps from the top: those ``above``, then the name's, with ``.`` and ``..`` resolved."""
    steps = list(above)
    for step in name.replace("\\", "/").split("/"):
        if step == ".." and not steps:
            raise SourceNotFound(shown(url), "the name leads out of the list's folder")
        if step == "..":
            steps.pop()
        elif step not in {"", "."}:
            steps.append(step)
    if steps == above[: len(steps)]:
        raise SourceNotFound(shown(url), "it names no file")
    return steps
