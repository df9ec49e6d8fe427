"""Render storyboards from shot lists on ComfyUI servers, and keep them in a store."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from previs.api import BoundGraph, OutputFile, Outputs, ServerStatus, Session, ShotResult, connect
    from previs.comfyui.client.address import Address
    from previs.errors import FixTheInput, PrevisError, TryAgain
    from previs.store import FolderStore, S3Settings, S3Store

__all__ = [
    "Address",
    "BoundGraph",
    "FixTheInput",
    "FolderStore",
    "OutputFile",
    "Outputs",
    "PrevisError",
    "S3Settings",
    "S3Store",
    "ServerStatus",
    "Session",
    "ShotResult",
    "TryAgain",
    "connect",
]

_ELSEWHERE = {
    "Address": "previs.comfyui.client.address",
    "FixTheInput": "previs.errors",
    "FolderStore": "previs.store",
    "PrevisError": "previs.errors",
    "S3Settings": "previs.store",
    "S3Store": "previs.store",
    "TryAgain": "previs.errors",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any name of the API
    if name not in __all__:
        msg = f"module 'previs' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_ELSEWHERE.get(name, "previs.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
