"""Without its extra the simulator says what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("hidden", ["starlette", "uvicorn", "python_multipart"])
def test_an_import_without_the_extra_says_what_to_install(hidden: str) -> None:
    code = f"import sys; sys.modules[{hidden!r}] = None; import previs.simulator"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ended.returncode == 1
    sentence = f"The simulator needs {hidden}, which is not installed: pip install 'previs[simulator]'"
    assert ended.stderr.splitlines()[-1] == f"ModuleNotFoundError: {sentence}"


def test_another_missing_module_is_reported_as_it_is() -> None:
    code = "import sys; sys.modules['yaml'] = None; import previs.simulator"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert "previs[simulator]" not in ended.stderr
