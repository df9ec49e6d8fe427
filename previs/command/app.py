"""Define the command ``previs`` and run it.

The help and the errors of arguments need only the signatures, which import nothing heavy. A command imports what it
works with when it is called.
"""

import sys
from collections.abc import Sequence

from cyclopts import App, Parameter

from previs import __doc__ as about
from previs.command.animatic_commands import animatic
from previs.command.boards_commands import boards, pick, prune, pull, rerender, schema, sheet
from previs.command.editorial_commands import conform, timeline
from previs.command.handover_commands import notices, publish
from previs.command.nightly_commands import nightly
from previs.command.output import write_error
from previs.command.pdf_commands import pdf
from previs.command.prefect_commands import deploy, server
from previs.command.serve_commands import review, serve
from previs.command.shots_commands import bind, check, plan, run, shots
from previs.command.simulator_commands import demo, simulate
from previs.errors import PrevisError

app = App(
    name="previs",
    help=about,
    version_flags=["--version"],
    default_parameter=Parameter(show_default=lambda default: str(default) if default else None),
)
for command in (
    run,
    plan,
    bind,
    check,
    shots,
    pick,
    rerender,
    boards,
    pull,
    sheet,
    animatic,
    timeline,
    conform,
    pdf,
    serve,
    review,
    publish,
    prune,
    schema,
    nightly,
    notices,
    deploy,
    server,
    demo,
    simulate,
):
    app.command(command)


def main(words: Sequence[str] | None = None) -> None:
    """Run the command with these words, by default those of the command line, and exit."""
    try:
        sys.exit(app(words, result_action="return_value"))
    except PrevisError as error:
        write_error("\n".join([str(error), *getattr(error, "__notes__", ())]))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
