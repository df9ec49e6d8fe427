"""Send a test notice to the services of a saved block."""

import json

from previs.command.farm_and_store import saved_block
from previs.command.output import write_error, write_line
from previs.errors import NoticesRefused


async def send_test(name: str) -> int:
    """Send the notice, print a line for each service and return the exit code: 1 if one did not accept it.

    Raises:
        NoticesRefused: No such block is saved.
        SourceNotFound: Prefect cannot be asked for the block.
    """
    content = await saved_block("notices", name)
    if content is None:
        remedy = "save one in Prefect under Blocks; previs deploy registers its type"
        raise NoticesRefused(f"no block Storyboard Notices is saved as {name!r}: {remedy}")
    results: dict[str, str] = json.loads(content)
    for service, reason in results.items():
        if reason:
            write_error(f"{service}: not sent: {reason}")
        else:
            write_line(f"{service}: sent")
    return 1 if any(results.values()) else 0
