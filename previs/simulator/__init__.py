"""A server that speaks ComfyUI's protocol and draws storyboard frames instead of rendering them.

For demonstrations and tests: real sockets, a real queue, the frames and bodies of ComfyUI 0.3.64 in their order.
"""

from previs.simulator.faults import ALWAYS, Faults
from previs.simulator.server import Simulator, serve
from previs.simulator.validation import Verdict, validate

__all__ = ["ALWAYS", "Faults", "Simulator", "Verdict", "serve", "validate"]
