"""A server that speaks ComfyUI's protocol and draws storyboard frames instead of rendering them.

For demonstrations and tests: real sockets, a real queue, the frames and bodies of ComfyUI 0.3.64 in their order.
"""

from previs.simulator.faults import ALWAYS, Faults
from previs.simulator.journal import Event
from previs.simulator.script import Cue, ScriptFaults, read_script
from previs.simulator.server import Simulator
from previs.simulator.serving import serve
from previs.simulator.validation import ValidationResult, validate

__all__ = [
    "ALWAYS",
    "Cue",
    "Event",
    "Faults",
    "ScriptFaults",
    "Simulator",
    "ValidationResult",
    "read_script",
    "serve",
    "validate",
]
