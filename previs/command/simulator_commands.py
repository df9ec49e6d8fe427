"""Commands that need no server of one's own: the demonstration, and simulated servers."""

import asyncio
import sys
from pathlib import Path

from previs.command.flow_process import FlowOrder, run_flow
from previs.command.options import Count, Flag, Port, Seconds
from previs.command.simulate import cues_in, simulators, wait_for_ever

_EXAMPLES = Path(__file__).parents[2] / "examples"


def demo(
    *,
    folder: Path = Path("previs-demo"),
    servers: Count = 2,
    seconds: Seconds = 1.0,
    verbose: Flag = False,
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
