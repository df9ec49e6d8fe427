from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from previs.errors import SourceNotFound
from previs.store.addresses import base_of, kind_of, local_path, resolve, sheet_export, shown, stem_of

names = st.text(st.characters(codec="utf-8"), max_size=30) | st.text("a./\\:%?# ~参", max_size=16)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("ref1.jpg", "path"),
        ("/abs/参考.jpg", "path"),
        ("C:\\refs\\a.png", "path"),
        ("SC01: wide.jpg", "path"),
        ("SC01:wide.jpg", "path"),
        ("file:///a", "file"),
        ("file:/a", "file"),
        ("S3://bucket/a", "s3"),
        ("HTTPS://host/a", "http"),
        ("data:image/png;base64,AA", "data"),
        ("shot:SQ010_SH010", "shot"),
        ("ftp://host/a", "unknown"),
        ("gs://bucket/a", "unknown"),
    ],
)
def test_the_kind_of_a_name_follows_from_its_scheme(uri: str, kind: str) -> None:
    assert kind_of(uri) == kind


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("lists/shots.json", "lists"),
        ("shots.json", "."),
        ("/film/夜 景/shots.json", "/film/夜 景"),
        ("file:///film/%E5%A4%9C%20x/shots.json", "/film/夜 x"),
        ("file://localhost/film/shots.json", "/film"),
        ("s3://bucket/夜 景/a#b/shots.json", "s3://bucket/夜 景/a#b/"),
        ("s3://bucket/shots.json", "s3://bucket/"),
        ("https://host/film/shots.json?sig=a/b#c", "https://host/film/"),
        ("https://host", "https://host/"),
        ("data:application/json,[]", "data:"),
    ],
)
def test_the_base_of_a_list_is_where_it_lies(uri: str, base: str) -> None:
    assert base_of(uri) == base


@pytest.mark.parametrize(
    ("uri", "stem"),
    [
        ("lists/夜 景.v2.json", "夜 景.v2"),
        ("harbour", "harbour"),
        ("100%25.csv", "100%25"),
        ("file:///film/%E5%A4%9C%20x.json", "夜 x"),
        ("s3://bucket/夜 景/a#b?c%25.json", "a#b?c%25"),
        ("s3://bucket", ""),
        ("https://host/film/%E5%A4%9C%20x.json?sig=a/b.c#d", "夜 x"),
        ("https://host/%ff.json", "\ufffd"),
        ("https://host", ""),
        ("https://host?a=/b.json", ""),
        ("http://[", ""),
        ("data:application/json,[]", ""),
        ("ftp://host/a.json", ""),
        ("", ""),
    ],
)
def test_the_stem_of_a_name_is_its_file_name(uri: str, stem: str) -> None:
    assert stem_of(uri) == stem


_SHEETS = "https://docs.google.com/spreadsheets"


@pytest.mark.parametrize(
    ("uri", "export"),
    [
        ("/d/1AbC_dEf-12345/edit#gid=0", "/d/1AbC_dEf-12345/export?format=csv&gid=0"),
        ("/d/1AbC_dEf-12345/edit?usp=sharing&gid=77#gid=77", "/d/1AbC_dEf-12345/export?format=csv&gid=77"),
        ("/u/1/d/1AbC_dEf-12345/view", "/u/1/d/1AbC_dEf-12345/export?format=csv"),
        ("/d/1AbC_dEf-12345", "/d/1AbC_dEf-12345/export?format=csv"),
        ("/d/e/2PACX-1vQabcdef/pubhtml?gid=5", "/d/e/2PACX-1vQabcdef/pub?output=csv&single=true&gid=5"),
        ("/d/1AbC_dEf-12345/export?format=xlsx", None),
        ("/d/1AbC_dEf-12345 /edit", None),
        ("/create", None),
    ],
)
def test_an_address_of_google_sheets_becomes_that_of_its_csv(uri: str, export: str | None) -> None:
    assert sheet_export(_SHEETS + uri) == (export and _SHEETS + export)
    assert sheet_export("https://example.com" + uri) is None


def test_a_google_sheet_is_named_by_its_id() -> None:
    assert stem_of(f"{_SHEETS}/d/1AbC_dEf-123456/edit#gid=0") == "sheet 1AbC_dEf-123"


def test_a_file_of_another_machine_has_no_stem() -> None:
    with pytest.raises(SourceNotFound, match="cannot name another machine"):
        stem_of("file://host/a.json")


@given(names, st.sampled_from(["", "s3://bucket/", "https://host/", "data:", "x://"]))
def test_any_name_has_a_stem_without_slashes(name: str, start: str) -> None:
    assert "/" not in stem_of(start + name)


@pytest.mark.parametrize(
    ("url", "base", "full"),
    [
        ("ref1.jpg", "/film", "/film/ref1.jpg"),
        ("refs\\参考 1.jpg", "/film", "/film/refs/参考 1.jpg"),
        ("100%25.jpg", "/film", "/film/100%25.jpg"),
        ("../shared/a.jpg", "/film/x", "/film/x/../shared/a.jpg"),
        ("a.jpg", "file:///film/%E5%A4%9C", "/film/夜/a.jpg"),
        ("a.jpg", ".", "a.jpg"),
        ("~/a.jpg", "/film", "/film/~/a.jpg"),
        ("refs/参考 #1.jpg", "s3://bucket/film/", "s3://bucket/film/refs/参考 #1.jpg"),
        ("a/../b.jpg", "s3://bucket/film", "s3://bucket/film/b.jpg"),
        ("参考 1.jpg", "https://host/film/", "https://host/film/%E5%8F%82%E8%80%83%201.jpg"),
        ("a%20b.jpg", "https://host/film/", "https://host/film/a%20b.jpg"),
        ("100%.jpg", "https://host/", "https://host/100%25.jpg"),
        ("a#1.jpg?v=2", "https://host/film/", "https://host/film/a%231.jpg?v=2"),
        ("../a.jpg", "https://host/film/x/", "https://host/film/a.jpg"),
        ("a.jpg", "https://user:pw@host:8443/film/", "https://user:pw@host:8443/film/a.jpg"),
    ],
)
def test_a_relative_name_is_joined_to_the_lists_base(url: str, base: str, full: str) -> None:
    assert resolve(url, base) == full


@pytest.mark.parametrize("base", ["/film", "s3://bucket/film/", "https://host/", "data:"])
@pytest.mark.parametrize(
    "url", ["s3://other/a.jpg", "https://other/a.jpg", "http://other/a", "data:,x", "shot:1", "ftp://other/a"]
)
def test_an_address_stays_as_it_is(url: str, base: str) -> None:
    assert resolve(url, base) == url
    assert resolve(url, base, inline=True) == url


LOCAL = [
    "/etc/passwd",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "C:\\secret",
    "c:secret",
    "\\\\server\\share\\a",
    "//x/a",
]


@pytest.mark.parametrize("url", LOCAL)
def test_a_local_list_may_name_local_files(url: str) -> None:
    assert resolve(url, "/film") == url


@pytest.mark.parametrize("url", LOCAL)
@pytest.mark.parametrize(
    ("base", "inline"),
    [("s3://bucket/film/", False), ("https://host/", False), ("data:", False), ("/store/references", True)],
)
def test_a_list_from_elsewhere_may_not(url: str, base: str, inline: bool) -> None:  # noqa: FBT001 - pytest fills it by name
    with pytest.raises(SourceNotFound, match="only a shot list that is a local file may name local files"):
        resolve(url, base, inline=inline)


@pytest.mark.parametrize(
    ("url", "base", "inline"),
    [
        ("../a.jpg", "s3://bucket/film/", False),
        ("x/../../a.jpg", "s3://bucket/film/", False),
        ("..\\a.jpg", "s3://bucket/film/", False),
        ("../a.jpg", "https://host/", False),
        ("../../a.jpg", "https://host/film/", False),
        ("../a.jpg", "/store/references", True),
        ("x/C:/a.jpg", "/store/references", True),
    ],
)
def test_a_name_that_leads_out_is_refused(url: str, base: str, inline: bool) -> None:  # noqa: FBT001 - pytest fills it by name
    with pytest.raises(SourceNotFound, match="lead"):
        resolve(url, base, inline=inline)


@pytest.mark.parametrize("base", ["/film", "s3://bucket/film/", "https://host/film/"])
def test_a_name_that_is_empty_is_refused(base: str) -> None:
    with pytest.raises(SourceNotFound, match="an empty name"):
        resolve("", base)


def test_a_relative_name_in_a_list_without_a_url_is_refused() -> None:
    with pytest.raises(SourceNotFound, match="needs a list with a path or URL"):
        resolve("a.jpg", "data:")


def test_a_file_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SourceNotFound, match="another machine"):
        local_path("file://server/share/a.jpg")


@given(names)
@example("..%2f..%2fa")
@example("%2e%2e/a")
@example("a/.//..//../x")
@example("/\\evil.example/x")
def test_no_name_of_a_page_leaves_its_host(name: str) -> None:
    try:
        full = resolve(name, "https://host:8443/film/a/")
    except SourceNotFound:
        return
    if kind_of(name) == "path":
        assert urlsplit(full)[:2] == ("https", "host:8443")
        assert ".." not in urlsplit(full).path.split("/")
        assert full.isascii()


@given(names)
def test_no_name_in_s3_leaves_its_prefix(name: str) -> None:
    try:
        full = resolve(name, "s3://bucket/film")
    except SourceNotFound:
        return
    if kind_of(name) == "path":
        assert full.startswith("s3://bucket/film/")
        assert not {"", ".", ".."} & set(full.removeprefix("s3://").split("/"))


@given(names)
@example("a/..\\../x")
def test_no_name_of_an_inline_list_leaves_the_folder(name: str) -> None:
    try:
        full = resolve(name, "/store/references", inline=True)
    except SourceNotFound:
        return
    if kind_of(name) == "path":
        assert PurePath(full).parts[:3] == ("/", "store", "references")
        assert ".." not in PurePath(full).parts


@given(st.text("ab参 #%?.", min_size=1, max_size=10).filter(lambda name: name.strip(".")))
def test_a_path_as_a_file_address_is_the_same_path(name: str) -> None:
    path = Path("/film") / name
    assert local_path(path.as_uri()) == str(path)


@given(st.text("ab参 #.", min_size=1, max_size=10).filter(lambda name: name.strip(".")))
def test_a_name_beside_a_page_is_the_name_that_the_server_sees(name: str) -> None:
    assert unquote(urlsplit(resolve(name, "https://host/film/")).path) == f"/film/{name}"


@pytest.mark.parametrize(
    ("uri", "fit"),
    [
        ("", "an empty name"),
        ("https://user:pw@host/a.jpg?X-Amz-Signature=abc#token", "https://host/a.jpg?…"),
        ("ftp://user:pw@host/a", "ftp://host/a"),
        ("https://host/a", "https://host/a"),
        ("data:image/png;base64,iVBORw0KGgo", "data:image/png;base64,…"),
        ("s3://bucket/夜 景?.jpg", "s3://bucket/夜 景?.jpg"),
        ("a\x1b[31m\r\nb", "a\\x1b[31m\\r\\nb"),
        ("a" * 300, "a" * 200 + "…"),
    ],
)
def test_a_name_is_shown_without_secrets_and_control_characters(uri: str, fit: str) -> None:
    assert shown(uri) == fit
