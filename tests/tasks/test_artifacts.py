"""Check links and keys of artifacts against what Prefect's pages accept."""

import pytest

from tasks.artifacts import artifact_key, link_to_board


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("https://cdn.studio/boards/a/index.html", "[Board](https://cdn.studio/boards/a/index.html)"),
        ("file:///mnt/boards/a%20b/index.html", "Board: `/mnt/boards/a b/index.html`"),
    ],
)
def test_a_page_on_a_disk_is_shown_by_its_path_because_browsers_do_not_open_file_links(page: str, shown: str) -> None:
    assert link_to_board(page) == shown


def test_each_board_has_its_own_key_that_prefect_accepts() -> None:
    names = ["night-city", "Night City", "夜城", "夜城/第1集", "a" * 80]
    names += [artifact_key(name, "").rstrip("-") for name in names[1:]]
    keys = [artifact_key(name, kind, page) for name in names for kind in ("shots", "contact-sheet") for page in (1, 2)]
    assert len(set(keys)) == len(keys)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert artifact_key("night-city", "shots") == "night-city-shots"
    assert artifact_key("night-city", "shots", 2) == "night-city-shots-2"
