"""Run a flow of this checkout in a process of its own, for the ``previs`` command.

``python -m flows storyboard`` reads the flow's parameters as one line of JSON from standard input and writes events as
lines of JSON to standard output (see :func:`previs.rendering.progress.to_line`). It stops on SIGINT or SIGTERM, and
when standard input ends, which means that the command died. It exits with 0 when the run completed, 1 when it did not,
2 when bad input prevented a run, and 130 when it was stopped.

``python -m flows deploy`` reads :class:`tasks.prefect_yaml.DeployOptions` in the same way, registers all flows with
Prefect's server and writes what it did as plain lines; the exit codes are the same.
"""

import gc
import sys
from importlib import import_module


def main() -> int:
    """Run the flow that the command line names, or deploy, and return the exit code."""
    # What is imported stays: searching it for garbage takes a fifth of the time to import it.
    gc.disable()
    from tasks import process  # noqa: PLC0415 - it imports Prefect

    name = sys.argv[1]
    flow = None if name == "deploy" else getattr(import_module(f"flows.{name}"), name)
    gc.freeze()
    gc.enable()
    return process.main(flow)


if __name__ == "__main__":
    sys.exit(main())
