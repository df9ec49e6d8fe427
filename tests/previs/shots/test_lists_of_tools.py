"""Lists after the habits of usual tools, in many languages, are read as their people mean them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from previs.errors import ShotListFaults
from previs.shots import read_shot_list

LISTS = Path(__file__).parents[2] / "cases" / "lists"
EXPECTED: list[dict[str, Any]] = yaml.safe_load((LISTS / "expected.yaml").read_text("utf-8"))


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected["file"])
def test_a_list_is_read_as_the_table_says(expected: dict[str, Any]) -> None:
    content = (LISTS / expected["file"]).read_bytes()
    if "refused" in expected:
        with pytest.raises(ShotListFaults, match=f"- {expected['refused']}: "):
            read_shot_list(content, name=expected["file"])
        return
    made = read_shot_list(content, name=expected["file"])
    assert [shot.shot_id for shot in made.shots] == expected["ids"]
    assert made.shots[-1].given() == expected["last"]
    assert made.given().keys() - {"shots"} == expected.get("list", {}).keys()
    assert made.fps == expected.get("list", {}).get("fps", 24)
    assert list(made.notices) == expected.get("notices", [])


def test_every_list_is_in_the_table() -> None:
    assert {path.name for path in LISTS.iterdir()} == {each["file"] for each in EXPECTED} | {"expected.yaml"}
