"""Extract the workflow that ComfyUI saves in pictures, films and sounds."""

import io
from collections.abc import Iterable

from previs.errors import Fault, FrameDamaged, WorkflowFaults
from previs.pictures import metadata
from previs.pictures.byte_reader import ByteReader
from previs.pictures.signatures import LONGEST, format_of

# In order of preference: the graph that ran, then the editor's workflow it came from.
_GRAPHS = ("prompt", "workflow")
# VideoHelperSuite writes both as one JSON object into a film's comment.
_COMMENT = "comment"
# Automatic1111, Forge and others write this one.
_PARAMETERS = "parameters"
_NAMES = frozenset({*_GRAPHS, _PARAMETERS})
_WITH_EXIF = frozenset({"WEBP", "JPEG"})
_READABLE = frozenset({"PNG", "MP4", *_WITH_EXIF, *metadata.RECORDINGS})
_PLAIN_FORMATS = frozenset({"JSON", "HTML"})
_START = 100  # characters
_FILE = "the file"
_REMEDY = "use the file as ComfyUI saved it, or the graph's JSON"
_NO_WORKFLOW = (
    "it has no workflow in it: another program saved it, it was converted or sent through a chat, or ComfyUI ran with "
    f"--disable-metadata; {_REMEDY}"
)
_JPEG_PREVIEW = f"it has no workflow in it: ComfyUI writes none into JPEG, which it uses for previews only; {_REMEDY}"
_OTHER_TOOL = (
    "Automatic1111, Forge or a similar tool made it, and their parameters are not a graph: "
    'write them as settings, {"checkpoint": …, "sampler": …}'
)


def workflow_in(content: bytes, *, name: str) -> bytes:
    """Return the JSON of the workflow in a picture's, film's or sound's metadata, or the file itself if it is text.

    If there are both a graph in API format (which ran) and one in the editor's format, the former is returned. The
    JSON is untrusted, and is not parsed here. ``name`` names the file in faults.

    Raises:
        WorkflowFaults: The file is a picture, film or sound without a workflow, or cannot hold one.
    """
    kind = format_of(content[:LONGEST])
    if kind is None or kind in _PLAIN_FORMATS:
        return content
    if kind not in _READABLE:
        remedy = f"previs cannot read a workflow from this kind of file: {_REMEDY}"
        raise WorkflowFaults(name, (Fault(_FILE, "", kind, remedy),))
    texts: dict[str, str] = {}
    try:
        for key, text in _texts(content, kind, name):
            texts.setdefault(key, text)
    except FrameDamaged as error:
        # Texts found before the damage are complete.
        if (graph := _graph(texts)) is None:
            raise WorkflowFaults(name, (Fault(_FILE, "", kind, error.reason),)) from error
    else:
        graph = _graph(texts)
    if graph is None:
        raise WorkflowFaults(name, (Fault(_FILE, "", kind, _missing(kind, texts)),))
    return graph.encode(errors="replace")


def _texts(content: bytes, kind: str, name: str) -> Iterable[tuple[str, str]]:
    reader = ByteReader(io.BytesIO(content), name)
    if kind == "PNG":
        from previs.workflow.formats.parsing import LARGEST  # noqa: PLC0415 - no decoder needs what this imports

        return metadata.png_texts(reader, _NAMES, LARGEST)
    if kind in _WITH_EXIF:
        return metadata.exif_texts(reader, kind)
    if kind == "MP4":
        return metadata.film_texts(reader)
    return metadata.recording_texts(content, kind, name)


def _graph(texts: dict[str, str]) -> str | None:
    """Return the first text that looks like a graph's JSON; other programs write prose under the same names."""
    comment = texts.get(_COMMENT, "")
    found = [texts.get(key, "") for key in _GRAPHS]
    found += [comment] if any(f'"{key}"' in comment for key in _GRAPHS) else []
    return next((text for text in found if _is_object(text)), None)


def _is_object(text: str) -> bool:
    """Return whether a text looks like a JSON object, or like one encoded as a JSON string."""
    return text[:_START].lstrip(' \t\r\n"\\').startswith("{")


def _missing(kind: str, texts: dict[str, str]) -> str:
    if _PARAMETERS in texts:
        return _OTHER_TOOL
    return _JPEG_PREVIEW if kind == "JPEG" else _NO_WORKFLOW
