"""Read workflows from a file's bytes or from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.classes import NodeClass
from previs.errors import Fault, WorkflowFaults
from previs.workflow.binding.bindings_file import BindingsFile
from previs.workflow.formats.editor import Converted, classes_in, convert, is_editor_file
from previs.workflow.formats.parsing import parse_json, plain_copy
from previs.workflow.formats.unsupported import too_many_keys, unrecognized_file, unsupported_file
from previs.workflow.saved import SavedGraph, read_converted, read_graph
from previs.workflow.settings.model import WorkflowSettings
from previs.workflow.settings.reading import read_settings

_WORKFLOW = "the workflow"
_NODE_KEYS = frozenset({"class_type", "inputs"})
# Keys of a node that servers read; older servers add others to the graphs in pictures: "is_changed": [NaN].
_READ_KEYS = ("class_type", "inputs", "_meta")
_MOST_NODES = 10_000
# Keys that hold graphs in requests to servers, in pictures' metadata and in results of the editor's scripts. The graph
# that was run comes before the editor's file of it.
_WRAPPINGS = ("prompt", "output", "workflow")
# SaveVideo of some versions writes JSON of JSON of JSON.
_MOST_WRAPPINGS = 6
_NO_CLASSES: Mapping[str, NodeClass | None] = {}
_NEEDS_SERVER = (
    "saved in the format of ComfyUI's editor, which can be read only with a server's node classes: "
    "name a farm whose servers can be reached (previs bind … --farm URL); or open this graph in ComfyUI, use "
    '"Export (API)" (in older versions, enable the developer mode, then "Save (API Format)") and give that file'
)


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """Represent an opened workflow, of known format and not yet read.

    Made by :func:`open_workflow`.

    Attributes:
        name: Path, URL, or ``the workflow settings``, for faults.
        content: Plain JSON.
        classes: Names of the node classes that help to read it; empty for settings.
    """

    name: str
    content: Mapping[str, Any] = field(repr=False)
    classes: frozenset[str]
    _known: tuple[Fault, ...] = ()

    @property
    def needs_classes(self) -> bool:
        """Return whether reading needs :attr:`classes`: the file has the editor's format."""
        return is_editor_file(self.content)

    def read(
        self, classes: Mapping[str, NodeClass | None] = _NO_CLASSES, explicit: BindingsFile | None = None
    ) -> WorkflowSettings | SavedGraph:
        """Read settings or a graph; bindings in ``explicit`` take precedence.

        The editor's format needs the node classes of servers, with None for a class that no server has.

        Raises:
            WorkflowFaults: Everything that is wrong with the workflow.
        """
        if not self.needs_classes and not _is_graph(self.content):
            return read_settings(self.content, name=self.name, known=self._known)
        if not self.needs_classes:
            return read_graph(self.content, name=self.name, known=self._known, classes=classes, explicit=explicit)
        return read_converted(self._converted(classes), name=self.name, classes=classes, explicit=explicit)

    def _converted(self, classes: Mapping[str, NodeClass | None]) -> Converted:
        if self._known:
            raise WorkflowFaults(self.name, self._known)
        if not classes:
            raise WorkflowFaults(self.name, (Fault(_WORKFLOW, "", "", _NEEDS_SERVER),))
        converted = convert(self.content, classes, name=self.name)
        if fault := _too_many(converted.graph):
            raise WorkflowFaults(self.name, (fault,))
        return converted


def open_workflow(source: bytes | Mapping[str, Any], *, name: str) -> WorkflowFile:
    """Distinguish settings, graphs in API format and graphs in the editor's format by their content.

    A graph may be nested in a request or in a picture's metadata: ``{"prompt": …, "workflow": …}``. ``prompt`` is
    preferred: it is what was run. For pictures and videos, pass the result of :func:`previs.pictures.workflow_in`.

    Raises:
        WorkflowFaults: The source is none of these.
    """
    content = _unwrapped(parse_json(source, name=name) if isinstance(source, bytes) else source, name)
    if fault := unsupported_file(content):
        raise WorkflowFaults(name, (fault,))
    is_graph = _is_graph(content)
    if fault := _too_many(content) if is_graph else None if is_editor_file(content) else too_many_keys(content):
        raise WorkflowFaults(name, (fault,))
    if isinstance(source, bytes) and (fault := unrecognized_file(source, content)):
        raise WorkflowFaults(name, (fault,))
    if is_graph:
        copy, faults = plain_copy(_known_keys(content), name=name, prefix="node ")
    else:
        copy, faults = plain_copy(content, name=name)
    return WorkflowFile(name, copy, _classes(copy), tuple(faults))


def read_workflow(
    source: bytes | Mapping[str, Any],
    *,
    name: str,
    classes: Mapping[str, NodeClass | None] = _NO_CLASSES,
    explicit: BindingsFile | None = None,
) -> WorkflowSettings | SavedGraph:
    """Open and read a workflow; see :func:`open_workflow` and :meth:`WorkflowFile.read`."""
    return open_workflow(source, name=name).read(classes, explicit)


def _is_graph(content: object) -> bool:
    """Return whether content is a graph in API format; settings contain no objects."""
    return (
        isinstance(content, Mapping)
        and not is_editor_file(content)
        and any(isinstance(value, Mapping) and (_NODE_KEYS & value.keys()) for value in content.values())
    )


def _too_many(graph: Mapping[str, Any]) -> Fault | None:
    if len(graph) <= _MOST_NODES:
        return None
    remedy = f"a graph has at most {_MOST_NODES:,}: is this the right file?"
    return Fault(_WORKFLOW, "", f"{len(graph):,} nodes", remedy)


def _unwrapped(content: Any, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the nested graph, or else the content itself."""
    inner = content
    for _ in range(_MOST_WRAPPINGS):
        if isinstance(inner, str) and inner.lstrip().startswith(("{", '"')):
            try:
                inner = parse_json(inner.encode(errors="replace"), name=name)
            except WorkflowFaults:
                return content
            continue
        if not isinstance(inner, Mapping):
            return content
        if _is_graph(inner) or is_editor_file(inner):
            return inner
        inner = next((inner[key] for key in _WRAPPINGS if inner.get(key)), None)
    return content


def _known_keys(graph: Mapping[str, Any]) -> dict[str, Any]:
    return {
        node_id: {key: node[key] for key in _READ_KEYS if key in node} if isinstance(node, Mapping) else node
        for node_id, node in graph.items()
    }


def _classes(content: Mapping[str, Any]) -> frozenset[str]:
    if is_editor_file(content):
        return classes_in(content)
    if not _is_graph(content):
        return frozenset()
    named = (node.get("class_type") for node in content.values() if isinstance(node, Mapping))
    return frozenset(name for name in named if isinstance(name, str) and name.strip())
