"""Load the inputs of a run: the shot list, the workflow, and the pictures they refer to."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from previs.errors import SourceUnavailable
from previs.ingest.bases import Base, inline_base
from previs.ingest.lists import INLINE_LIST, load_list
from previs.ingest.reader import SourceReader
from previs.ingest.reference_pictures import fetch_pictures, pictures_of_shots, pictures_of_workflow
from previs.ingest.workflow_files import ClassLookup, load_workflow
from previs.planning.plan import ReferenceImage
from previs.shots import ShotList, read_chains
from previs.store import Store
from previs.store.addresses import shown, stem_of
from previs.workflow import Workflow

# Thousands of pictures from S3 take minutes; as many that arrive one byte at a time would take days.
_PICTURES_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Hold the inputs of a run, all of them loaded.

    Attributes:
        name: Name of the board unless the run sets one: the list's title, or its file's name.
        workflow_facts: Workflow as given, for the record, without credentials: settings, or the path or URL of a graph.
        pictures: Pictures of the shots' references, by their ``url``.
        workflow_pictures: Pictures of the workflow's ``reference_images``, in their order.
        notices: Sentences on what was given and nothing uses, besides fields of the list.
    """

    name: str
    shot_list: ShotList
    workflow: Workflow
    workflow_facts: dict[str, Any] | str
    pictures: Mapping[str, ReferenceImage]
    workflow_pictures: tuple[ReferenceImage, ...]
    notices: tuple[str, ...] = ()


async def load_inputs(
    shots: object,
    workflow: object,
    reader: SourceReader,
    store: Store | None,
    look_up: ClassLookup,
    *,
    folder: str | None = None,
    of_senders: Collection[str] = (),
) -> RunInputs:
    """Read the list, then the workflow, then every picture, each once.

    Args:
        shots: Shot list (a model, or as JSON), or its path or URL.
        workflow: Settings, a graph, or the path or URL of either.
        reader: Reader for paths and URLs.
        store: Store with the references of an inline list; without one such a list may use no relative names.
        look_up: Look-up for the workflow's node classes.
        folder: Folder of relative names, if this program itself made the inline list or workflow, which then may name
            any local file; None for lists and workflows that somebody sent.
        of_senders: ``shots``, ``workflow``, both or none: which of them a sender gave, so that its addresses, and those
            that it names, reach what :mod:`previs.ingest.access` allows.

    Raises:
        NoServer, AccessDenied: The workflow is in the format of ComfyUI's editor, and no server could be asked for its
            node classes.
        ShotListFaults, WorkflowFaults: The list or the workflow has faults; every fault is reported. Unusable pictures
            are faults of the list.
        SourceNotFound, SourceUnavailable: The list or workflow cannot be read.
    """
    inline = inline_base(store) if folder is None else Base(folder, inline=False)
    shot_list, list_base = await load_list(shots, reader, store, replace(inline, sender="shots" in of_senders))
    bound, facts, workflow_base = await load_workflow(
        workflow, reader, look_up, replace(inline, sender="workflow" in of_senders)
    )
    of_shots = await asyncio.to_thread(lambda: list(pictures_of_shots(shot_list, list_base)))
    of_workflow = list(pictures_of_workflow(bound, workflow_base))
    name = shown(shots) if isinstance(shots, str) else INLINE_LIST
    chains = await asyncio.to_thread(read_chains, shot_list)
    try:
        async with asyncio.timeout(_PICTURES_SECONDS):
            pictures = await fetch_pictures([*of_shots, *of_workflow], reader, name, chains)
    except TimeoutError as error:
        raise SourceUnavailable(name, f"reading its pictures took longer than {_PICTURES_SECONDS:g} s") from error
    return RunInputs(
        name=shot_list.title or (stem_of(shots) if isinstance(shots, str) else "") or "storyboard",
        shot_list=shot_list,
        workflow=bound,
        workflow_facts=facts,
        pictures={each.url: pictures[each.url, each.base] for each in of_shots},
        workflow_pictures=tuple(pictures[each.url, each.base] for each in of_workflow),
    )
