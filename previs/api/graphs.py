"""Hold a graph that is bound to one take of a shot."""

import copy
from dataclasses import replace
from typing import Any

from previs.errors import WorkflowFaults
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import PlannedTake
from previs.workflow import checkpoint_of
from previs.workflow.formats.validation import graph_faults


class BoundGraph(dict[str, Any]):
    """Hold a graph in ComfyUI's API format, by node id, together with the pictures that it names.

    It is the dictionary that ``POST /prompt`` takes as ``prompt``. It may be changed before it is submitted, with the
    inputs of any node; what is rendered is what it holds then. References stand in it as ``previs/HASH.png``; they are
    uploaded when it is rendered.

    Attributes:
        notices: Sentences on how the workflow takes the shot, such as a saved picture that stays.
    """

    def __init__(self, take: PlannedTake, notices: tuple[str, ...] = ()) -> None:
        super().__init__(copy.deepcopy(take.graph))
        self._take = take
        self.notices = notices

    @property
    def seed(self) -> int:
        """Return the seed that was bound: the shot's own, or one derived from the graph; from 0 to 2⁶⁴ - 1."""
        return self._take.seed

    def as_take(self) -> PlannedTake:
        """Return the take with the graph as it is now.

        Raises:
            WorkflowFaults: The graph was changed into one that no server would run.
        """
        if self == self._take.graph:
            return self._take
        if faults := graph_faults(self):
            raise WorkflowFaults("the changed graph", tuple(faults))
        graph = copy.deepcopy(dict(self))
        return replace(self._take, graph=graph, fingerprint=fingerprint(graph), checkpoint=checkpoint_of(graph))
