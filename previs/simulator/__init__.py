"""Simulate a ComfyUI server that draws storyboard frames instead of rendering them.

For demonstrations and tests: it has real sockets and a real queue, and sends the frames and bodies of ComfyUI 0.3.64 or
0.33.0 in the same order. It needs the extra ``previs[simulator]``.
"""

_EXTRA = ("starlette", "uvicorn", "python_multipart")

try:
    from previs.simulator.app import make_app
    from previs.simulator.faults import ALWAYS, Faults
    from previs.simulator.journal import Event
    from previs.simulator.script import Cue, ScriptFaults, read_script
    from previs.simulator.server import Simulator
    from previs.simulator.serving import serve
    from previs.simulator.validation import ValidationResult, validate
    from previs.simulator.versions import VERSIONS, VersionName
except ModuleNotFoundError as error:
    missing = str(error.name).partition(".")[0]
    if missing not in _EXTRA:
        raise
    sentence = f"The simulator needs {missing}, which is not installed: pip install 'previs[simulator]'"
    raise ModuleNotFoundError(sentence, name=missing) from error

__all__ = [
    "ALWAYS",
    "VERSIONS",
    "Cue",
    "Event",
    "Faults",
    "ScriptFaults",
    "Simulator",
    "ValidationResult",
    "VersionName",
    "make_app",
    "read_script",
    "serve",
    "validate",
]
