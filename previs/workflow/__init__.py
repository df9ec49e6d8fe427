"""Workflows: settings or a saved graph, and the graphs that they make for each take of a shot."""

from previs.workflow.outputs import checkpoint_of, with_output_prefix, without_output_names
from previs.workflow.reading import read_workflow
from previs.workflow.samplers import sampler_and_scheduler
from previs.workflow.saved import SavedGraph
from previs.workflow.settings import WorkflowSettings
from previs.workflow.values import PlacedReference, ShotValues, Workflow

__all__ = [
    "PlacedReference",
    "SavedGraph",
    "ShotValues",
    "Workflow",
    "WorkflowSettings",
    "checkpoint_of",
    "read_workflow",
    "sampler_and_scheduler",
    "with_output_prefix",
    "without_output_names",
]
