"""Define the commands that render shot lists, and those that check first."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter

from previs.command.options import Count, Days, Flag, Names, Overrides, Passes, RenderSeconds, ShotOrList, Shots
from previs.command.output import with_faults
from previs.command.overrides import parse_overrides


def run(  # noqa: PLR0913 - each is an option of the command
    shots: ShotOrList,
    /,
    *,
    workflow: str | None = None,
    farm: Names = None,
    store: str | None = None,
    board: str = "",
    only: Shots = None,
    takes: Count = 1,
    pass_: Passes = None,
    picked_only: Flag = False,
    override: Overrides = None,
    refresh: Flag = False,
    refresh_only: Shots = None,
    max_age: Days | None = None,
    render_seconds: RenderSeconds | None = None,
    animatic: Literal["none", "plain", "slates"] = "none",
    no_server: Flag = False,
    verbose: Flag = False,
) -> int:
    """Render a shot list and publish its board.

    Exit code 0 means that every shot has its frames.

    Parameters
    ----------
    shots
        Path or URL (s3:// or https://) of a JSON, YAML, CSV, .xlsx or .ods file; - reads JSON from standard input. Put
        it before --only, which takes several values.
    workflow
        Path or URL of settings or of a file that ComfyUI saved: a workflow, a graph in API format, or a picture or
        video that holds one. A bindings file beside it is used; previs bind writes one.
    farm
        URL of a server, such as http://render-01:8188; repeat it for each server. Or block:NAME, a farm block that is
        saved in Prefect and may hold tokens. Default: the block named default, or else http://127.0.0.1:8188.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the block named default, or else the folder storyboards.
    board
        Name of the board; runs with one name belong together. Default: the list's title.
    only
        IDs of the shots to render. Default: all.
    takes
        Takes per shot, unless the shot sets its own.
    pass_
        Name of a pass to render, with the takes it is made from. Repeat it for each pass. Default: all takes and
        passes.
    picked_only
        Render passes of picked takes only.
    override
        An input of the workflow's nodes, for every shot, by node ID or title: 4.ckpt_name=model.safetensors. Repeat it
        for each input. A shot's own overrides win.
    refresh
        Render everything again.
    refresh_only
        IDs of the shots to render again.
    max_age
        Render takes again that are older than this many days.
    render_seconds
        Seconds that a take may render on a server, from its start there. Default: the farm block's, or else 30 minutes
        for images and 4 hours for video and sound.
    animatic
        A film of the board beside its page: none, plain, or with slates burned in.
    no_server
        Start no Prefect server that stays: if there is none, use one that ends with the run.
    verbose
        Show Prefect's log instead of the progress display.
    """
    from previs.command.flow_process import flow_process

    again = refresh or list(refresh_only or ())
    overrides = parse_overrides(override)
    chosen = tuple(only or ())

    async def check_and_run() -> int:
        async with flow_process(server=not no_server, verbose=verbose) as process:
            from previs.command.run import RunOrder, run_shots

            given = (shots, workflow, farm, store, board, chosen, takes, again, overrides, max_age, render_seconds)
            passes = tuple(pass_ or ())
            return await run_shots(RunOrder(*given, passes, picked_only, animatic), process, verbose=verbose)

    return asyncio.run(check_and_run())


def plan(  # noqa: PLR0913 - each is an option of the command
    shots: str,
    /,
    *,
    workflow: str | None = None,
    farm: Names = None,
    store: str | None = None,
    board: str = "",
    only: Shots = None,
    takes: Count = 1,
    pass_: Passes = None,
    picked_only: Flag = False,
    override: Overrides = None,
    refresh: Flag = False,
    refresh_only: Shots = None,
    max_age: Days | None = None,
    all: Flag = False,  # noqa: A002 - the option's name
    json: Flag = False,
) -> int:
    """Show what a run would render, why, and for how long.

    It renders and writes nothing.

    Parameters
    ----------
    shots
        Path or URL (s3:// or https://) of a JSON, YAML, CSV, .xlsx or .ods file.
    workflow
        As for previs run.
    farm
        As for previs run. Default: http://127.0.0.1:8188.
    store
        As for previs run. Default: the folder storyboards.
    board
        Board whose last run is compared. Default: the list's title.
    only
        As for previs run.
    takes
        As for previs run.
    pass_
        As for previs run.
    picked_only
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
        Show cached takes too.
    json
        Print JSON with all takes.
    """
    from previs.command.plan import SCHEMA, PlanOrder, plan_shots
    from previs.planning.make_plan import RunOptions

    again = refresh or tuple(refresh_only or ())
    passes = tuple(pass_ or ())
    options = RunOptions(takes, tuple(only or ()), parse_overrides(override), again, passes, picked_only)
    age = None if max_age is None else timedelta(days=max_age)
    order = PlanOrder(shots, workflow, tuple(farm or ()), store, board, options, age, every=all, as_json=json)
    return asyncio.run(with_faults(plan_shots(order), SCHEMA, as_json=json))


def bind(
    graph: str,
    /,
    *,
    shot: str | None = None,
    farm: Names = None,
    override: Overrides = None,
    write: Flag = False,
    json: Flag = False,
) -> int:
    """Show which inputs of a workflow take which values of a shot.

    It also shows by which rule. Exit code 0 means that the bindings are clear, 2 that they are ambiguous or that the
    file cannot be used.

    Parameters
    ----------
    graph
        Path or URL of a file that ComfyUI saved: a workflow, a graph in API format, or a picture or video that holds
        one.
    shot
        A shot list; its first shot provides the new values.
    farm
        Server that describes its node classes, or block:NAME; needed unless the graph is in API format. Default:
        http://127.0.0.1:8188.
    override
        As for previs run.
    write
        Write a bindings file beside the graph, for you to edit; it wins over all other rules. An existing file is never
        overwritten.
    json
        Print JSON.
    """
    from previs.command.bind import SCHEMA, BindOrder, show_bindings

    order = BindOrder(graph, shot, tuple(farm or ()), parse_overrides(override), write=write, as_json=json)
    return asyncio.run(with_faults(show_bindings(order), SCHEMA, as_json=json))


def check(
    shots: str,
    /,
    *,
    workflow: str,
    farm: Names = None,
    override: Overrides = None,
    json: Flag = False,
) -> int:
    """Check a shot list against every server.

    Every run does this first, and submits nothing while there is an error. Exit code 0: every take can be rendered. 1:
    no server can render some take. 2: the input must change, or no server answers.

    Parameters
    ----------
    shots
        Path or URL (s3:// or https://) of a JSON, YAML, CSV, .xlsx or .ods file.
    workflow
        As for previs run.
    farm
        As for previs run. Default: http://127.0.0.1:8188.
    override
        As for previs run.
    json
        Print JSON.
    """
    from previs.command.check import CheckOrder, check_shots
    from previs.planning.preflight import SCHEMA

    order = CheckOrder(shots, workflow, tuple(farm or ()), parse_overrides(override), as_json=json)
    return asyncio.run(with_faults(check_shots(order), SCHEMA, as_json=json))


def shots(
    list_: Annotated[str, Parameter(name="LIST")],
    /,
    *,
    write: str | None = None,
    all: Flag = False,  # noqa: A002 - the option's name
    json: Flag = False,
) -> int:
    """Show what a shot list is read as.

    It asks no server. Exit code 0: the list can be read. 2: it has faults, or cannot be read.

    Parameters
    ----------
    list_
        Path or URL (s3:// or https://) of a JSON, YAML, CSV, .xlsx or .ods file, or the address of a Google sheet.
    write
        File (.yaml, .json, .xlsx or .csv) to write the list to, with the names of fields and durations in seconds. A
        sheet is read back as the same list. An existing file is never overwritten.
    all
        Show all shots; else the first 200.
    json
        Print JSON: the columns, the notices, the prompts and the list.
    """
    from previs.command.shots import SCHEMA, ShotsOrder, show_shots

    order = ShotsOrder(list_, write, every=all, as_json=json)
    return asyncio.run(with_faults(show_shots(order), SCHEMA, as_json=json))
