"""Without its extra the simulator says what to install."""

import subprocess
import sys

# In the order in which the simulator imports them, so that each failed import leaves the next ones undone.
HIDE = """
import sys
for name in ("starlette", "yaml", "python_multipart", "uvicorn"):
    sys.modules[name] = None
    try:
        import previs.simulator
    except ModuleNotFoundError as error:
        print(error)
    del sys.modules[name]
"""


def test_an_import_without_the_extra_says_what_to_install_and_names_other_modules_as_python_does() -> None:
    ended = subprocess.run([sys.executable, "-c", HIDE], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    advice = "which is not installed: pip install 'previs[simulator]'"
    assert ended.stdout.splitlines() == [
        f"The simulator needs starlette, {advice}",
        "import of yaml halted; None in sys.modules",
        f"The simulator needs python_multipart, {advice}",
        f"The simulator needs uvicorn, {advice}",
    ]
