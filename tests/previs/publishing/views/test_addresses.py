import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from previs.publishing.views.addresses import for_artifact, for_page, markdown_link, scheme

PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "url",
    [
        "../../../frames/ab/c.png",
        "frames/a%20b.png",
        "x y.png",
        "https://s3/b/k?X=1&Y=2",
        "file:///srv/a.png",
        "HTTP://a/",
        PICTURE,
    ],
)
def test_harmless_addresses_may_be_used(url: str) -> None:
    assert for_page(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "vbscript:x",
        "blob:https://a/b",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png,<script>",
        "DATA:text/html,x",
        "//evil.example/share.png",
        "\\\\evil\\share.png",
        "/\\evil/share.png",
        "s3://bucket/key",
    ],
)
def test_no_other_address_is_used(url: str | None) -> None:
    assert for_page(url) is None


@given(st.text())
def test_what_may_be_used_has_a_known_scheme_or_none_after_a_browsers_own_cleaning(url: str) -> None:
    allowed = for_page(url)
    if allowed is not None:
        seen = "".join(c for c in allowed.strip("".join(map(chr, range(33)))) if c not in "\t\r\n")
        assert scheme(seen) in {"", "http", "https", "file", "data"}


@pytest.mark.parametrize("url", ["../a.png", "file:///a.png", "javascript:x"])
def test_an_artifact_shows_no_address_that_means_nothing_there(url: str) -> None:
    assert for_artifact(url) is None


def test_an_artifact_shows_public_and_inline_pictures() -> None:
    assert for_artifact("https://a/b.png") == "https://a/b.png"
    assert for_artifact(PICTURE) == PICTURE


@given(st.text())
def test_a_markdown_link_is_one_link_to_its_address_or_nothing(tail: str) -> None:
    made = markdown_link("open", f"https://a.example/{tail}")
    if made:
        children = MarkdownIt("commonmark").parseInline(made)[0].children or []
        assert [child.type for child in children] == ["link_open", "text", "link_close"]
        assert "|" not in made


def test_a_presigned_address_survives_as_a_markdown_link() -> None:
    url = "https://b.s3.amazonaws.com/k_1.png?X-Amz-Credential=A%2Fb&X-Amz-Signature=c"
    assert markdown_link("open", url) == f"[open]({url})"


@pytest.mark.parametrize("url", [None, "../a.png", PICTURE, "javascript:x", "file:///mnt/a.png"])
def test_what_cannot_be_opened_from_a_table_is_no_link(url: str | None) -> None:
    assert markdown_link("open", url) == ""
