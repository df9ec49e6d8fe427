"""What stands on Prefect's pages can be used there."""

import pytest

from tasks.artifacts import artifact_key, link_to_board


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("https://cdn.studio/boards/a/index.html", "[Board](https://cdn.studio/boards/a/index.html)"),
        ("file:///mnt/boards/a%20b/index.html", "Board: `/mnt/boards/a b/index.html`"),
    ],
)
def test_a_page_on_a_disk_is_told_by_its_path_as_browsers_open_no_such_link(page: str, shown: str) -> None:
    assert link_to_board(page) == shown


def test_boards_have_keys_of_their_own_that_prefect_takes() -> None:
    names = ["night-city", "Night City", "夜城", "夜城/第1集", "a" * 80]
    keys = [artifact_key(name, "shots") for name in names]
    assert len(set(keys)) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert artifact_key("night-city", "shots") == "night-city-shots"
