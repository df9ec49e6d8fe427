"""Render shots from another program: connect to ComfyUI servers, build graphs, render them, and find what they made.

Needs no Prefect. ``import previs`` offers the names of this package and the errors that they raise, and loads them when
they are first used.
"""

from previs.api.connecting import connect
from previs.api.graphs import BoundGraph
from previs.api.outputs import OutputFile, Outputs, ShotResult
from previs.api.servers import ServerStatus
from previs.api.session import Session

__all__ = ["BoundGraph", "OutputFile", "Outputs", "ServerStatus", "Session", "ShotResult", "connect"]
