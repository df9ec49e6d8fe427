"""Convert files of ComfyUI's editor to the graph in API format that the editor would send.

The file holds nodes, links and widget values in display order; only a server's node classes say which value belongs to
which input. The editor's behaviour was read in ``executionUtil.ts``, ``ExecutableNodeDTO.ts`` and ``SubgraphNode.ts``
of ComfyUI_frontend.
"""

from previs.workflow.formats.editor.conversion import Converted, classes_in, convert
from previs.workflow.formats.editor.reading import is_editor_file

__all__ = ["Converted", "classes_in", "convert", "is_editor_file"]
