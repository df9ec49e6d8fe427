"""Load the inputs of a run: the shot list, the workflow, and the pictures they refer to."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from previs.errors import SourceUnavailable
from previs.ingest.bases import Base, inline_base
from previs.ingest.lists import INLINE_LIST, load_list
from previs.ingest.reader import SourceReader
from previs.ingest.reference_pictures import fetch_pictures, pictures_of_shots, pictures_of_workflow
from previs.ingest.workflow_files import ClassLookup, WorkflowFacts, facts_of, load_workflows, without_workflows
from previs.planning.plan import ReferenceImage, RunWorkflow, Workflows
from previs.shots import ShotList, read_chains
from previs.store import Store
from previs.store.addresses import shown, stem_of
from previs.workflow import WorkflowSettings

# Thousands of pictures from S3 take minutes; as many that arrive one byte at a time would take days.
_PICTURES_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Hold the inputs of a run, all of them loaded.

    Attributes:
        name: Name of the board unless the run sets one: the list's title, or its file's name.
        workflows: Workflows that shots use: the run's under None, the others under the names that shots have.
        workflow_facts: The run's workflow as given, without credentials: settings, or the path or URL of a graph.
        named_facts: The other workflows, likewise.
        pictures: Pictures of the shots' references, by their ``url``.
        notices: Sentences on what was given and nothing uses, besides what is said of the list.
    """

    name: str
    shot_list: ShotList
    workflows: Workflows
    workflow_facts: WorkflowFacts
    named_facts: Mapping[str, WorkflowFacts]
    pictures: Mapping[str, ReferenceImage]
    notices: tuple[str, ...] = ()


async def load_inputs(
    shots: object,
    workflow: object,
    reader: SourceReader,
    store: Store | None,
    look_up: ClassLookup,
    *,
    of_shots: bool = True,
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
        of_shots: Whether shots are rendered with workflows of their own; else all with this one.
        folder: Folder of relative names, if this program itself made the inline list or workflow, which then may name
            any local file; None for lists and workflows that somebody sent.
        of_senders: ``shots``, ``workflow``, both or none: which of them a sender gave, so that its addresses, and those
            that it names, reach what :mod:`previs.ingest.access` allows.

    Raises:
        NoServer, AccessDenied: The workflow is in the format of ComfyUI's editor, and no server could be asked for its
            node classes.
        ShotListFaults, WorkflowFaults: The list or a workflow has faults; every fault is reported. Unusable pictures
            are faults of the list.
        SourceNotFound, SourceUnavailable: The list or a workflow cannot be read.
    """
    inline = inline_base(store) if folder is None else Base(folder, inline=False)
    loaded = await load_list(shots, reader, store, replace(inline, sender="shots" in of_senders))
    name = shown(shots) if isinstance(shots, str) else INLINE_LIST
    if not of_shots:
        loaded = without_workflows(loaded)
    own, others = await load_workflows(
        loaded, workflow, reader, look_up, replace(inline, sender="workflow" in of_senders), name
    )
    shot_list = loaded.shot_list
    # Only the default comes as a model; whatever a person gives is a path, a URL or plain JSON.
    if own is None and not isinstance(workflow, WorkflowSettings):
        shot_list = shot_list.with_notice("no shot uses the run's workflow: the list names others")
    files = ({} if own is None else {None: own}) | others
    requests = await asyncio.to_thread(lambda: list(pictures_of_shots(loaded)))
    of_workflows = {
        key: list(pictures_of_workflow(each.workflow, each.base, each.place)) for key, each in files.items()
    }
    chains = await asyncio.to_thread(read_chains, shot_list)
    try:
        async with asyncio.timeout(_PICTURES_SECONDS):
            wanted = [*requests, *chain.from_iterable(of_workflows.values())]
            pictures = await fetch_pictures(wanted, reader, name, chains)
    except TimeoutError as error:
        raise SourceUnavailable(name, f"reading its pictures took longer than {_PICTURES_SECONDS:g} s") from error
    return RunInputs(
        name=shot_list.title or (stem_of(shots) if isinstance(shots, str) else "") or "storyboard",
        shot_list=shot_list,
        workflows={
            key: RunWorkflow(each.workflow, tuple(pictures[one.url, one.base] for one in of_workflows[key]))
            for key, each in files.items()
        },
        workflow_facts=await asyncio.to_thread(facts_of, workflow),
        named_facts={key: each.facts for key, each in others.items()},
        pictures={each.url: pictures[each.url, each.base] for each in requests},
    )
