"""Define the commands that use simulated servers."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Literal

from previs.command.options import Count, Flag, Port, Seconds
from previs.command.output import needs_extra


def demo(
    *,
    folder: Path = Path("previs-demo"),
    language: Literal["en", "zh"] = "en",
    servers: Count = 2,
    seconds: Seconds = 1.0,
    verbose: Flag = False,
) -> int:
    """Render the example board on simulated servers.

    It is rendered with the same flow as any run.

    Parameters
    ----------
    folder
        Folder of the board; takes that it already has are not rendered again.
    language
        Language of the list and of the board's page.
    servers
        Number of simulated servers.
    seconds
        Seconds per image.
    verbose
        Show Prefect's log instead of the progress display.
    """
    with needs_extra():
        from previs.command.simulate import render_examples

    name = {"en": "night-city", "zh": "夜城"}[language]
    return asyncio.run(render_examples(folder, name=name, servers=servers, seconds=seconds, verbose=verbose))


def simulate(
    *,
    port: Port = 8188,
    servers: Count = 1,
    seconds: Seconds = 1.0,
    script: Path | None = None,
    version: Literal["0.3.64", "0.33.0"] = "0.3.64",
) -> int:
    """Serve simulated ComfyUI servers.

    They run until stopped. A script can make them fail.

    Parameters
    ----------
    port
        Port of the first server; the others use the next ones.
    servers
        Number of servers.
    seconds
        Seconds per image.
    script
        JSON or YAML file with a list of faults and when they occur: a list of cues such as {after_seconds: 5, set:
        {refuse: 3, refuse_status: 502}} or {after_prompts: 9, restart: true}. Each occurs once on each server, after
        one of after_seconds, after_prompts (started), after_requests (answered), after_frames (sent), and does any of:
        set (faults by name), restart, door (closed refuses connections, open ends that), cut (drops all connections).
        With for_seconds, the fault ends after that time. A count may be always. An unknown fault is answered with the
        names of all faults.
    version
        Version of ComfyUI that the servers are: node classes, refusals and endpoints are those of that version.
    """
    with needs_extra():
        from previs.command.simulate import read_cues, serve_simulators

    cues = read_cues(script) if script else ()
    return asyncio.run(serve_simulators(servers, seconds=seconds, port=port, script=cues, version=version))
