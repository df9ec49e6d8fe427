"""Define the commands that hand boards on: notices, and publishing to other programs."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio


def notices(name: str = "default", /) -> int:
    """Send a test notice to the chat services and mail addresses of a saved block.

    The block Storyboard Notices is saved in Prefect; see docs/notices.md. Exit code 0 means that each service accepted
    the notice.

    Parameters
    ----------
    name
        Name of the block.
    """
    from previs.command.notices import send_test

    return asyncio.run(send_test(name))
