"""Read: the shot list, the workflow and the references, once it is known that the store can be written to."""

from datetime import datetime

from previs.boards.run_numbers import next_number
from previs.ingest.load import Given, gather
from previs.publishing.results import RunFacts, name_run
from previs.rendering.context import Studio
from tasks.retries import step
from tasks.upstream import asked_for


@step("read")
async def read_input(
    shots: object, workflow: object, studio: Studio, *, board: str, started: datetime
) -> tuple[Given, RunFacts]:
    """Try that the store can be written to, and read everything that the run is made from.

    Args:
        shots: the list, its place, the payload of ``shot-list.ready``, or the name of a flow run whose result it is.
        workflow: settings, or the place of a workflow.
        studio: of the run.
        board: under which the run is kept; empty for the list's title.
        started: when the run did.
    """
    await studio.store.check()
    await studio.claims.begin()
    asked = await asked_for(shots, workflow, board)
    given = await gather(asked.shots, asked.workflow, studio.sources, studio.store, studio.farm.classes)
    name = asked.board or given.shot_list.title or asked.fallback or given.name
    run = name_run(started, studio.claims.run)
    number = await next_number(studio.store, name, run)
    return given, RunFacts(name, run, started, given.workflow_facts, number)
