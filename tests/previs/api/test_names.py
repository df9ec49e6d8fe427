"""The names at the top of previs are there when they are used, and cost nothing before."""

import subprocess
import sys

import pytest

import previs

HEAVY = ("PIL", "av", "boto3", "httpx", "prefect", "pydantic", "websockets", "yaml")
IMPORTED = f"""
import sys, previs
before = [name for name in {HEAVY} if name in sys.modules]
assert callable(previs.connect)
prefect = "prefect" in sys.modules
sys.exit(f"{{before}} {{prefect}}" if before or prefect else 0)
"""


def test_importing_previs_loads_nothing_heavy_and_using_it_no_prefect() -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", previs.__all__)
def test_every_name_is_there_and_says_what_it_is_for(name: str) -> None:
    assert name in dir(previs)
    assert getattr(previs, name).__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'previs' has no attribute 'conect'"):
        previs.conect  # type: ignore[attr-defined]  # noqa: B018 - the access raises
