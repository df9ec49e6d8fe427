"""Read: the shot list, the workflow and the references, once it is known that the store can be written to."""

from datetime import datetime

from previs.boards.run_numbers import next_number
from previs.ingest.load import RunInputs, load_inputs
from previs.publishing.results import RunIdentity, name_run
from previs.rendering.context import RunContext
from tasks.retries import step
from tasks.upstream import asked_for


@step("read")
async def read_input(
    shots: object, workflow: object, context: RunContext, *, board: str, started: datetime
) -> tuple[RunInputs, RunIdentity]:
    """Try that the store can be written to, and read everything that the run is made from.

    Args:
        shots: the list, its place, the payload of ``shot-list.ready``, or the name of a flow run whose result it is.
        workflow: settings, or the place of a workflow.
        context: of the run.
        board: under which the run is kept; empty for the list's title.
        started: when the run did.
    """
    await context.store.check()
    await context.leases.start()
    asked = await asked_for(shots, workflow, board)
    given = await load_inputs(asked.shots, asked.workflow, context.sources, context.store, context.farm.classes)
    name = asked.board or given.shot_list.title or asked.fallback or given.name
    run = name_run(started, context.leases.run)
    number = await next_number(context.store, name, run)
    return given, RunIdentity(name, run, started, given.workflow_facts, number)
