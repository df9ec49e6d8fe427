"""Read the shot list, the workflow and the references, after a check that the store can be written to."""

from dataclasses import replace
from datetime import datetime

from previs.boards.run_numbers import next_number
from previs.ingest.load import RunInputs, load_inputs
from previs.publishing.results import RunIdentity, name_run
from previs.rendering.context import RunContext
from tasks.part import this_part
from tasks.retries import step
from tasks.starter import starter
from tasks.upstream import resolve_request


@step("read")
async def read_input(
    shots: object, workflow: object, context: RunContext, *, board: str, started: datetime
) -> tuple[RunInputs, RunIdentity]:
    """Check that the store can be written to, then read everything that the run is made from.

    Args:
        shots: Shot list, its path or URL, the payload of ``shot-list.ready``, or ``prefect.flow-run.ID``.
        workflow: Settings, or the path or URL of a workflow.
        context: Context of the run.
        board: Name of the board; empty for the list's title.
        started: Time at which the run started.
    """
    await context.store.check()
    await context.leases.start()
    request = await resolve_request(shots, workflow, board, await starter())
    inputs = await load_inputs(
        request.shots,
        request.workflow,
        context.reader,
        context.store,
        context.farm.classes,
        of_senders=request.of_senders,
    )
    name = request.board or inputs.shot_list.title or request.fallback or inputs.name
    run = name_run(started, context.leases.run)
    number = None if this_part() else await next_number(context.store, name, run)
    inputs = replace(inputs, notices=request.notices)
    return inputs, RunIdentity(name, run, started, inputs.workflow_facts, number, inputs.named_facts)
