"""The command ``previs``: what can be said on the command line."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from previs import __doc__ as about
from previs.command.flow_process import FlowOrder, run_flow
from previs.command.simulate import cues_in, simulators, wait_for_ever
from previs.errors import PrevisError

app = App(name="previs", help=about, version_flags=["--version"])

Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))]
Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]

_EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> None:
    """Run the command and exit."""
    try:
        sys.exit(app(result_action="return_value"))
    except PrevisError as error:
        sys.stderr.write(f"{error}\n")
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
    refresh: Annotated[bool, Parameter(negative="")] = False,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Render a shot list and publish its board; exits with 0 only when every shot has its frame.

    Parameters
    ----------
    shots
        A JSON, YAML or CSV file: a path, s3:// or https://; - reads JSON from standard input.
    workflow
        Settings, or a graph that ComfyUI exported in API format: a path, s3:// or https://.
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
    refresh
        Render again what has been rendered before.
    verbose
        Show Prefect's log instead of the progress display.
    """
    order = FlowOrder(shots, workflow, farm, store, board, tuple(only or ()), takes, refresh)
    return asyncio.run(run_flow(order, verbose=verbose))


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
