"""The command ``previs``: what can be said on the command line."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from previs import __doc__ as about
from previs.command.bind import SCHEMA as BIND_SCHEMA
from previs.command.bind import BindOrder, show_bindings
from previs.command.check import CheckOrder
from previs.command.check import check as check_shots
from previs.command.flow_process import FlowOrder, run_flow
from previs.command.output import with_faults
from previs.command.overrides import overrides_in
from previs.command.simulate import cues_in, simulators, wait_for_ever
from previs.errors import PrevisError
from previs.preflight import SCHEMA as CHECK_SCHEMA

app = App(name="previs", help=about, version_flags=["--version"])

Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))]
Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


def _readable(_: object, written: list[str] | None) -> None:
    overrides_in(written or ())


Overrides = Annotated[list[str] | None, Parameter(name="--override", negative="", validator=_readable)]

_EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> None:
    """Run the command and exit."""
    try:
        sys.exit(app(result_action="return_value"))
    except PrevisError as error:
        sys.stderr.write("\n".join([str(error), *getattr(error, "__notes__", ())]) + "\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command
def run(  # noqa: PLR0913 - each is an option of the command
    shots: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    workflow: str | None = None,
    farm: Annotated[list[str] | None, Parameter(negative="")] = None,
    store: str | None = None,
    board: str = "",
    only: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    takes: Count = 1,
    override: Overrides = None,
    refresh: Annotated[bool, Parameter(negative="")] = False,
    verbose: Annotated[bool, Parameter(negative="")] = False,
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
    verbose
        Show Prefect's log instead of the progress display.
    """
    changes = overrides_in(override or ())
    order = FlowOrder(shots, workflow, farm, store, board, tuple(only or ()), takes, refresh, changes)
    return asyncio.run(run_flow(order, verbose=verbose))


@app.command
def bind(
    graph: str,
    /,
    *,
    shot: str | None = None,
    farm: Annotated[list[str] | None, Parameter(negative="")] = None,
    override: Overrides = None,
    write: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
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
        A server's address, which tells what node classes take; a workflow that was not exported in API format cannot
        be read without. Default: http://127.0.0.1:8188.
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


@app.command
def check(
    shots: str,
    /,
    *,
    workflow: str,
    farm: Annotated[list[str] | None, Parameter(negative="")] = None,
    override: Overrides = None,
    json: Annotated[bool, Parameter(negative="")] = False,
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
        A server's address; give it once for each server. Saved blocks are for runs alone. Default:
        http://127.0.0.1:8188.
    override
        As for previs run.
    json
        Write JSON instead of a report.
    """
    order = CheckOrder(shots, workflow, tuple(farm or ()), overrides_in(override or ()), as_json=json)
    return asyncio.run(with_faults(check_shots(order), CHECK_SCHEMA, as_json=json))


@app.command
def demo(
    *,
    folder: Path = Path("previs-demo"),
    servers: Count = 2,
    seconds: Seconds = 1.0,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Render the example board on simulated servers, through the real flow, into a folder.

    Parameters
    ----------
    folder
        Where the board goes; what is there already is not rendered again.
    servers
        How many simulated servers.
    seconds
        How long each image takes.
    verbose
        Show Prefect's log instead of the progress display.
    """
    home = folder.absolute() / ".prefect"
    home.mkdir(parents=True, exist_ok=True)

    async def play() -> int:
        async with simulators(servers, seconds=seconds) as farm:
            order = FlowOrder(
                shots=str(_EXAMPLES / "night-city.yaml"),
                workflow=str(_EXAMPLES / "workflows" / "storyboard.json"),
                farm=farm,
                store=str(folder),
            )
            return await run_flow(order, home=home, verbose=verbose)

    return asyncio.run(play())


@app.command
def simulate(*, port: Port = 8188, servers: Count = 1, seconds: Seconds = 1.0, script: Path | None = None) -> int:
    """Serve simulated ComfyUI servers until stopped, whole or with faults that come as a script says.

    Parameters
    ----------
    port
        Of the first server; the others take the next ones.
    servers
        How many.
    seconds
        How long each image takes.
    script
        A JSON or YAML file that says what goes wrong, and when: a list of cues such as
        {after_seconds: 5, set: {refuse: 3, refuse_status: 502}} or {after_prompts: 9, restart: true}. Each comes once
        on each server, after one of after_seconds, after_prompts (started), after_requests (answered), after_frames
        (sent), and does any of: set (faults by name), restart, door (closed: connections are refused; open), cut (all
        connections). With for_seconds, what was set or closed is whole again after so long. A count may be always.
        A name that is no fault is answered with the names of all.
    """
    cues = cues_in(script) if script else ()

    async def play() -> int:
        async with simulators(servers, seconds=seconds, port=port, script=cues) as urls:
            for url in urls:
                print(url, flush=True)  # noqa: T201 - the command's output
            await wait_for_ever()
        return 0

    try:
        return asyncio.run(play())
    except OSError as error:
        sys.stderr.write(f"port {port} and the next {servers - 1} cannot all be used: {error.strerror}\n")
        return 2
