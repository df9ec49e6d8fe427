"""What people name files by: paths, ``file://``, ``s3://``, ``https://`` and ``http://`` addresses, ``data:`` URIs.

In ``s3://`` addresses and paths nothing is escaped; in ``https://`` addresses what is escaped stays so.
"""

import re
from pathlib import PurePath, PurePosixPath
from typing import Final, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from previs.errors import SourceNotFound

Kind = Literal["path", "file", "s3", "http", "data", "shot", "unknown"]

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE)
_KINDS: Final[dict[str, Kind]] = {"file": "file", "s3": "s3", "http": "http", "https": "http"}
_BARE_KINDS: Final[dict[str, Kind]] = {"data": "data", "shot": "shot"}
# A drive without a slash is absolute enough: on Windows it leads to that drive's own working directory.
_ABSOLUTE: Final = re.compile(r"[/\\]|[a-z]:", re.IGNORECASE)
_NOT_AN_ESCAPE: Final = re.compile(r"%(?![0-9a-f]{2})", re.IGNORECASE)
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_SHOWN_CHARACTERS: Final = 200


def kind_of(uri: str) -> Kind:
    """What sort of name it is; ``shot`` is another shot's frame, ``unknown`` a scheme that nothing here reads."""
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
    """A name fit for messages and logs: no user, password, query or fragment, no control characters, not too long."""
    if not uri:
        return "an empty name"
    kind = kind_of(uri)
    if kind == "data":
        uri = uri.partition(",")[0][:40] + ",…"
    elif kind in {"http", "unknown"}:
        bare = re.split(r"[?#]", _USER.sub(r"\1", uri), maxsplit=1)[0]
        uri = bare if bare == _USER.sub(r"\1", uri) else f"{bare}?…"
    if len(uri) > _SHOWN_CHARACTERS:
        uri = uri[:_SHOWN_CHARACTERS] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in uri)


def local_path(uri: str) -> str:
    """The path that a path or a ``file://`` address names.

    Raises:
        SourceNotFound: the address names another machine.
    """
    if kind_of(uri) != "file":
        return uri
    rest = uri[len("file:") :]
    if rest.startswith("//"):
        host, _, tail = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise SourceNotFound(shown(uri), "a file address cannot name another machine: write file:///folder/name")
        rest = f"/{tail}"
    return url2pathname(rest)


def stem_of(uri: str) -> str:
    """A file's name without its suffix, as a person would write it; empty where the name names no file.

    Raises:
        SourceNotFound: it is a ``file://`` address of another machine.
    """
    kind = kind_of(uri)
    if kind in {"path", "file"}:
        return PurePath(local_path(uri)).stem
    if kind == "http":
        uri = unquote(re.split(r"[?#]", uri, maxsplit=1)[0])
    elif kind != "s3":
        return ""
    return PurePosixPath(uri.partition("://")[2].partition("/")[2]).stem


def base_of(uri: str) -> str:
    """The place of a list, which names in it are relative to: a folder's path, or an address ending with a slash.

    Raises:
        SourceNotFound: it is a ``file://`` address of another machine.
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
    """The full name of something that a list names.

    Addresses stay as they are; a relative name, with slashes of either kind, is joined to the list's place. Only a
    list that is itself a local file may name local files by absolute path, by ``file://`` or above its own folder:
    any other could have this machine read what its sender has no right to see. Nobody's relative name leads out of
    the list's prefix in S3 or off its web server.

    Args:
        url: as the list has it.
        base: the list's place, from :func:`base_of`; for an inline list the folder that holds its references.
        inline: the list was sent as text and has no place: where ``base`` is a folder, it is no proof of origin.

    Raises:
        SourceNotFound: the name is empty, leads out, or may not be used by this list.
    """
    kind, home = kind_of(url), kind_of(base)
    local_list = home in {"path", "file"} and not inline
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
    if home in {"path", "file"}:
        return _beside_file(url, local_path(base), may_climb=local_list)
    if home == "s3":
        return base.rstrip("/") + "/" + "/".join(_steps(url, url, []))
    if home == "http":
        return _beside_page(url, base)
    raise SourceNotFound(shown(url), "a relative name needs a list that has a place: use s3:// or https://")


def _beside_file(url: str, folder: str, *, may_climb: bool) -> str:
    if may_climb:
        if not url:
            raise SourceNotFound(shown(url), "give a path or an address")
        return str(PurePath(folder, url.replace("\\", "/")))
    steps = _steps(url, url, [])
    if any(":" in step for step in steps):
        raise SourceNotFound(shown(url), "a colon in a name leads to another drive on Windows")
    return str(PurePath(folder, *steps))


def _beside_page(url: str, base: str) -> str:
    try:
        page = urlsplit(base)
    except ValueError as error:
        raise SourceNotFound(shown(base), "it is no web address") from error
    name, _, query = url.partition("?")
    above = [step for step in page.path.split("/") if step]
    escaped = quote(_NOT_AN_ESCAPE.sub("%25", name.replace("\\", "/")), safe="/%")
    path = "/" + "/".join(_steps(url, escaped, above))
    return urlunsplit((page.scheme, page.netloc, path, quote(query, safe="%=&+/:?@!$'()*,;"), ""))


def _steps(url: str, name: str, above: list[str]) -> list[str]:
    """The way from the top: what is ``above``, then the name, with its ``.`` and ``..`` worked out."""
    steps = list(above)
    for step in name.replace("\\", "/").split("/"):
        if step == ".." and not steps:
            raise SourceNotFound(shown(url), "the name leads out of the place where the list is")
        if step == "..":
            steps.pop()
        elif step not in {"", "."}:
            steps.append(step)
    if steps == above[: len(steps)]:
        raise SourceNotFound(shown(url), "it names no file")
    return steps
