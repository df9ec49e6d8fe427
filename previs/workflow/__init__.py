"""Read workflows, which are settings or saved graphs, and make each take's graph from them.

``settings`` builds graphs from a few values, ``formats`` reads saved files, ``detection`` finds the inputs of a saved
graph that a shot sets, and ``binding`` represents these inputs. ``interface`` is what all workflows share.
"""

from previs.workflow.binding.bindings import STAYS, BindingRow, Report
from previs.workflow.binding.bindings_file import BindingsFile, bindings_name, read_bindings
from previs.workflow.binding.interface import PlacedReference, ShotValues, Workflow
from previs.workflow.binding.overrides import with_overrides
from previs.workflow.detection.final_output import output_ranks
from previs.workflow.detection.outputs import checkpoint_of, with_output_prefix, without_output_names
from previs.workflow.detection.saves import saving_nodes, unsaved_outputs
from previs.workflow.formats.samplers import sampler_and_scheduler
from previs.workflow.reading import WorkflowFile, open_workflow, read_workflow
from previs.workflow.saved import SavedGraph
from previs.workflow.settings.model import WorkflowSettings

__all__ = [
    "STAYS",
    "BindingRow",
    "BindingsFile",
    "PlacedReference",
    "Report",
    "SavedGraph",
    "ShotValues",
    "Workflow",
    "WorkflowFile",
    "WorkflowSettings",
    "bindings_name",
    "checkpoint_of",
    "open_workflow",
    "output_ranks",
    "read_bindings",
    "read_workflow",
    "sampler_and_scheduler",
    "saving_nodes",
    "unsaved_outputs",
    "with_output_prefix",
    "with_overrides",
    "without_output_names",
]
