"""Run a flow of this checkout in a process of its own, for the ``previs`` command.

``python -m flows storyboard`` reads the flow's parameters as one line of JSON from standard input and writes events as
lines of JSON to standard output (see :func:`previs.rendering.progress.to_line`). It stops on SIGINT or SIGTERM, and
when standard input ends, which means that the command died. It exits with 0 when the run completed, 1 when it did not,
2 when bad input prevented a run, and 130 when it was stopped. With ``--server`` it starts the local Prefect server if
none runs.

``python -m flows deploy`` reads :class:`tasks.prefect_yaml.DeployOptions` in the same way, registers all flows with
Prefect's server and writes what it did as plain lines; the exit codes are the same.

``python -m flows schedules`` reads what to do with the schedules of boards in the same way, and writes the answer as a
line of JSON.

``python -m flows server start|stop|status`` controls the local Prefect server; ``serve HOME`` is that server.
"""

# ruff: noqa: PLC0415 - each imports Prefect, in the order in which it is needed

import gc
import sys
from importlib import import_module


def main() -> int:
    """Run the flow that the command line names, deploy, or control the local server, and return the exit code."""
    # What is imported stays: searching it for garbage takes a fifth of the time to import it.
    gc.disable()
    name, *words = sys.argv[1:]
    if name == "server":
        from tasks.local_server import control

        return control(*words)
    import prefect.settings  # noqa: F401 - while the command checks the input

    line = sys.stdin.readline()
    if not line:
        return 130
    if name == "schedules":
        from tasks.schedules import answer

        return answer(line)
    local = None
    if name != "deploy":
        from previs.errors import PrefectUnavailable
        from tasks.local_server import use_local_server

        try:
            local = use_local_server(start="--server" in words)
        except PrefectUnavailable as error:
            from tasks.process import refuse

            return refuse(error)
    from tasks import process

    flow = None if name == "deploy" else getattr(import_module(f"flows.{name}"), name)
    gc.freeze()
    gc.enable()
    return process.main(flow, line, local)


if __name__ == "__main__":
    sys.exit(main())
