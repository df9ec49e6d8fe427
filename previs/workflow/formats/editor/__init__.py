"""What ComfyUI's editor saves, and the graph in API format that it would send for it.

The file holds nodes, links and the fields' values in the order in which the editor shows them; which value belongs to
which input only the node classes of a server can tell. How the editor does it was read in ``executionUtil.ts``,
``ExecutableNodeDTO.ts`` and ``SubgraphNode.ts`` of ComfyUI_frontend.
"""

from previs.workflow.formats.editor.conversion import Converted, classes_in, convert
from previs.workflow.formats.editor.reading import is_editor_file

__all__ = ["Converted", "classes_in", "convert", "is_editor_file"]
