"""Workflows: settings or a saved graph, and the graphs that they make for each take of a shot."""

from previs.workflow.bindings import STAYS, Binding, BindingRow, Report, Stays
from previs.workflow.explicit import Explicit, bindings_name, read_bindings
from previs.workflow.outputs import checkpoint_of, with_output_prefix, without_output_names
from previs.workflow.overrides import with_overrides
from previs.workflow.reading import WorkflowFile, open_workflow, read_workflow
from previs.workflow.samplers import sampler_and_scheduler
from previs.workflow.saved import SavedGraph
from previs.workflow.settings import WorkflowSettings
from previs.workflow.values import PlacedReference, ShotValues, Workflow

__all__ = [
    "STAYS",
    "Binding",
    "BindingRow",
    "Explicit",
    "PlacedReference",
    "Report",
    "SavedGraph",
    "ShotValues",
    "Stays",
    "Workflow",
    "WorkflowFile",
    "WorkflowSettings",
    "bindings_name",
    "checkpoint_of",
    "open_workflow",
    "read_bindings",
    "read_workflow",
    "sampler_and_scheduler",
    "with_output_prefix",
    "with_overrides",
    "without_output_names",
]
