"""The workflow that ComfyUI keeps in the pictures, films and sounds it saves."""

import io
from collections.abc import Iterable

from previs.errors import Fault, FrameDamaged, WorkflowFaults
from previs.pictures import metadata
from previs.pictures.byte_reader import ByteReader
from previs.pictures.signatures import LONGEST, format_of
from previs.workflow.formats.parsing import LARGEST

# What was run goes before what it was made from.
_GRAPHS = ("prompt", "workflow")
# VideoHelperSuite writes both of them as one JSON object into a film's comment.
_COMMENT = "comment"
# Automatic1111 and its kin.
_PARAMETERS = "parameters"
_NAMES = frozenset({*_GRAPHS, _PARAMETERS})
_WITH_EXIF = frozenset({"WEBP", "JPEG"})
_READ = frozenset({"PNG", "MP4", *_WITH_EXIF, *metadata.RECORDINGS})
_TEXTS = frozenset({"JSON", "HTML"})
_LOOKED_AT = 100  # characters
_FILE = "the file"
_INSTEAD = "give the file as ComfyUI saved it, or the graph's JSON"
_SAVED_BY_OTHERS = (
    "without a workflow in it: another program saved it, it was converted or sent through a chat, or ComfyUI runs with "
    f"--disable-metadata; {_INSTEAD}"
)
_PREVIEW = f"without a workflow in it: ComfyUI writes none into JPEG, which it uses for previews only; {_INSTEAD}"
_OTHER_TOOL = (
    "made by Automatic1111, Forge or the like, whose parameters are no graph: "
    'give them as settings, {"checkpoint": …, "sampler": …}'
)


def workflow_in(content: bytes, *, name: str) -> bytes:
    """The JSON of the workflow that a file holds: in a picture's, film's or sound's metadata, or the file itself.

    Of a graph in API format (what was run) and one in the editor's own format, the former is given. The JSON is not
    read here: it is a stranger's.

    Args:
        content: the whole file.
        name: for faults.

    Raises:
        WorkflowFaults: It is a picture, film or sound without a workflow, or nothing that can hold one.
    """
    kind = format_of(content[:LONGEST])
    if kind is None or kind in _TEXTS:
        return content
    if kind not in _READ:
        remedy = f"no workflow can be read from this kind of file: {_INSTEAD}"
        raise WorkflowFaults(name, (Fault(_FILE, "", kind, remedy),))
    texts: dict[str, str] = {}
    try:
        for key, text in _texts(content, kind, name):
            texts.setdefault(key, text)
    except FrameDamaged as error:
        # What was found before the damage is whole.
        if (graph := _graph(texts)) is None:
            raise WorkflowFaults(name, (Fault(_FILE, "", kind, error.reason),)) from error
    else:
        graph = _graph(texts)
    if graph is None:
        raise WorkflowFaults(name, (Fault(_FILE, "", kind, _lack(kind, texts)),))
    return graph.encode(errors="replace")


def _texts(content: bytes, kind: str, name: str) -> Iterable[tuple[str, str]]:
    reader = ByteReader(io.BytesIO(content), name)
    if kind == "PNG":
        return metadata.png_texts(reader, _NAMES, LARGEST)
    if kind in _WITH_EXIF:
        return metadata.exif_texts(reader, kind)
    if kind == "MP4":
        return metadata.film_texts(memoryview(content))
    return metadata.recording_texts(content, kind, name)


def _graph(texts: dict[str, str]) -> str | None:
    """Whichever text looks like a graph's JSON; other programs write words under the same names."""
    found = [text for key in _GRAPHS if _is_object(text := texts.get(key, ""))]
    comment = texts.get(_COMMENT, "")
    if _is_object(comment) and any(f'"{key}"' in comment for key in _GRAPHS):
        found.append(comment)
    return next(iter(found), None)


def _is_object(text: str) -> bool:
    """Whether a text is a JSON object, or one that was written as JSON text once more."""
    return text[:_LOOKED_AT].lstrip(' \t\r\n"\\').startswith("{")


def _lack(kind: str, texts: dict[str, str]) -> str:
    if _PARAMETERS in texts:
        return _OTHER_TOOL
    return _PREVIEW if kind == "JPEG" else _SAVED_BY_OTHERS
