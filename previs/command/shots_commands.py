"""Commands about shot lists and workflows: rendering them, and looking first."""

import asyncio
from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from previs.command.bind import SCHEMA as BIND_SCHEMA
from previs.command.bind import BindOrder, show_bindings
from previs.command.check import CheckOrder
from previs.command.check import check as check_shots
from previs.command.flow_process import FlowOrder, run_flow
from previs.command.options import Count, Days, Farm, Flag, Overrides, Shots
from previs.command.output import with_faults
from previs.command.overrides import overrides_in
from previs.command.plan import SCHEMA as PLAN_SCHEMA
from previs.command.plan import PlanOrder, plan_shots
from previs.planning.planner import Wishes
from previs.planning.preflight import SCHEMA as CHECK_SCHEMA


def run(  # noqa: PLR0913 - each is an option of the command
    shots: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    workflow: str | None = None,
    farm: Farm = None,
    store: str | None = None,
    board: str = "",
    only: Shots = None,
    takes: Count = 1,
    override: Overrides = None,
    refresh: Flag = False,
    refresh_only: Shots = None,
    max_age: Days | None = None,
    verbose: Flag = False,
) -> int:
    """Render a shot list and publish its board; exits with 0 only when every shot has its frame.

    Parameters
    ----------
    shots
        A JSON, YAML or CSV file: a path, s3:// or https://; - reads JSON from standard input.
    workflow
        Settings, or what ComfyUI saved: a workflow, a graph in API format, or a picture or video that holds one. A
        path, s3:// or https://. A bindings file beside it is used; previs bind writes one.
    farm
        A server's address, such as http://render-01:8188; give it once for each server. block:NAME takes a farm block
        that was saved in Prefect, which may hold tokens. Default: the block named default, or http://127.0.0.1:8188.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the block named default, or the folder storyboards.
    board
        The name under which runs gather. Default: the list's title.
    only
        Shot IDs to render, when not all are wanted.
    takes
        How many renderings of each shot that does not say so itself.
    override
        An input of the workflow's nodes for every shot, by node id or title: 4.ckpt_name=model.safetensors. Give it
        once for each input; a shot's own overrides go before it.
    refresh
        Render again what has been rendered before.
    refresh_only
        Shot IDs of which to render again what has been rendered before.
    max_age
        Render again what was rendered more than so many days ago.
    verbose
        Show Prefect's log instead of the progress display.
    """
    changes = overrides_in(override or ())
    again = refresh or list(refresh_only or ())
    order = FlowOrder(shots, workflow, farm, store, board, tuple(only or ()), takes, again, changes, max_age)
    return asyncio.run(run_flow(order, verbose=verbose))


def plan(  # noqa: PLR0913 - each is an option of the command
    shots: str,
    /,
    *,
    workflow: str | None = None,
    farm: Farm = None,
    store: str | None = None,
    board: str = "",
    only: Shots = None,
    takes: Count = 1,
    override: Overrides = None,
    refresh: Flag = False,
    refresh_only: Shots = None,
    max_age: Days | None = None,
    all: Flag = False,  # noqa: A002 - the option's name
    json: Flag = False,
) -> int:
    """Show what a run would render, why, and how long that takes; nothing is rendered or written.

    Parameters
    ----------
    shots
        A JSON, YAML or CSV file: a path, s3:// or https://.
    workflow
        As for previs run.
    farm
        As for previs run. Default: http://127.0.0.1:8188.
    store
        As for previs run. Default: the folder storyboards.
    board
        Whose last run it is held against. Default: the list's title.
    only
        As for previs run.
    takes
        As for previs run.
    override
        As for previs run.
    refresh
        As for previs run.
    refresh_only
        As for previs run.
    max_age
        As for previs run.
    all
        Show the takes that are cached, too.
    json
        Write JSON, with all takes, instead of a table.
    """
    wishes = Wishes(takes, tuple(only or ()), overrides_in(override or ()), refresh or tuple(refresh_only or ()))
    age = None if max_age is None else timedelta(days=max_age)
    order = PlanOrder(shots, workflow, tuple(farm or ()), store, board, wishes, age, every=all, as_json=json)
    return asyncio.run(with_faults(plan_shots(order), PLAN_SCHEMA, as_json=json))


def bind(
    graph: str,
    /,
    *,
    shot: str | None = None,
    farm: Farm = None,
    override: Overrides = None,
    write: Flag = False,
    json: Flag = False,
) -> int:
    """Show which inputs of a workflow take what of a shot, and by which rule; exits with 0 if that is clear.

    Parameters
    ----------
    graph
        What ComfyUI saved: a workflow, a graph in API format, or a picture or video that holds one. A path, s3:// or
        https://.
    shot
        A shot list, whose first shot gives the values to come.
    farm
        A server's address or block:NAME, which tells what node classes take; a workflow that was not exported in API
        format cannot be read without. Default: http://127.0.0.1:8188.
    override
        As for previs run.
    write
        Write the bindings into a file beside the graph, where they can be changed; it goes before all other rules. A
        file that is there is not overwritten.
    json
        Write JSON instead of a table.
    """
    order = BindOrder(graph, shot, tuple(farm or ()), overrides_in(override or ()), write=write, as_json=json)
    return asyncio.run(with_faults(show_bindings(order), BIND_SCHEMA, as_json=json))


def check(
    shots: str,
    /,
    *,
    workflow: str,
    farm: Farm = None,
    override: Overrides = None,
    json: Flag = False,
) -> int:
    """Check a whole shot list against every server before anything is rendered; exits with 0 if it can be.

    Every run does so first, and submits nothing while there is an error.

    Parameters
    ----------
    shots
        A JSON, YAML or CSV file: a path, s3:// or https://.
    workflow
        As for previs run.
    farm
        A server's address, once for each server, or block:NAME. Default: http://127.0.0.1:8188.
    override
        As for previs run.
    json
        Write JSON instead of a report.
    """
    order = CheckOrder(shots, workflow, tuple(farm or ()), overrides_in(override or ()), as_json=json)
    return asyncio.run(with_faults(check_shots(order), CHECK_SCHEMA, as_json=json))
