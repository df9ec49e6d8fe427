"""Define the commands of the review: serve boards to browsers, invite guests, and print what was said."""

# ruff: noqa: PLC0415 - the help needs only the signatures; see app.py

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter, validators

from previs.command.options import Flag, Names, Port
from previs.command.output import needs_extra

GuestDays = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=366))]

serve = App(name="serve", help="Show boards in a browser, for review by people and guests.")


@serve.default
def start(
    *,
    store: str | None = None,
    port: Port = 8500,
    host: str = "127.0.0.1",
    password_file: Path | None = None,
    name: Names = None,
    root_path: str = "",
) -> int:
    """Show the boards of a store in a browser.

    People circle takes, approve shots, ask for them again with another prompt, and comment. What they say stays with
    the shots in later runs. A run that waits for a review can be answered. It serves until it is stopped.

    Without a password it serves browsers on this machine only, and everybody on it may decide.

    Parameters
    ----------
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    port
        Port to listen on; 0 picks a free one.
    host
        Address to listen on. Others than this machine's own need a password.
    password_file
        File whose first line is the password. Default: the variable PREVIS_SERVE_PASSWORD; if HOST is reached from
        other machines, it is asked for.
    name
        Name under which browsers reach the server, such as review.studio.lan; others are refused. Repeat it for each.
        Default: any name, if there is a password; else this machine's.
    root_path
        Path before all others, such as /review, behind a proxy that strips it.
    """
    with needs_extra():
        from previs.command.serve import ServeOrder, serve_boards

    order = ServeOrder(store, port, host, password_file, tuple(name or ()), root_path)
    return asyncio.run(serve_boards(order))


@serve.command
def invite(
    name: str,
    /,
    *,
    board: Names = None,
    days: GuestDays = 7,
    may: Literal["look", "comment", "decide"] = "comment",
    url: str = "http://127.0.0.1:8500/",
    store: str | None = None,
) -> int:
    """Make a guest link to boards, and print it.

    Whoever has the link sees these boards, and nothing else, until it ends or is revoked. The store holds only a hash
    of its secret, so the link is shown this once.

    Parameters
    ----------
    name
        Name of the guest, which stands beside what the guest says.
    board
        Name of a board that the guest may see; once per board. Default: the only board of the store.
    days
        Days until the link ends.
    may
        What the guest may do: look; comment; or decide, which includes to comment, and to answer a run that waits for a
        review. Only people with the password start runs.
    url
        URL under which the guest reaches previs serve.
    store
        As for previs serve.
    """
    from previs.command.guests import InviteOrder, invite_guest

    return asyncio.run(invite_guest(InviteOrder(store, name, tuple(board or ()), days, may, url)))


@serve.command
def guests(*, store: str | None = None, json: Flag = False) -> int:
    """List guest links, without their secrets.

    Parameters
    ----------
    store
        As for previs serve.
    json
        Print JSON.
    """
    from previs.command.guests import list_guests

    return asyncio.run(list_guests(store, as_json=json))


@serve.command
def revoke(guest: str, /, *, store: str | None = None) -> int:
    """End guest links at once; servers notice it within five seconds.

    Parameters
    ----------
    guest
        ID of the link, its first eight digits, or the name of the guest, for all links of that name.
    store
        As for previs serve.
    """
    from previs.command.guests import revoke_guest

    return asyncio.run(revoke_guest(store, guest))


def review(board: str, /, *, store: str | None = None, json: Flag = False, resolved: Flag = False) -> int:
    """Print what people said of the shots of a board: approvals, wishes, comments, and what is stale.

    Exit code 1 means that shots wait for something: a wish, an open comment, or a look at a picture that has changed.

    Parameters
    ----------
    board
        Name of the board; previs boards lists them.
    store
        s3://bucket/prefix, a folder, or block:NAME. Default: the folder storyboards.
    json
        Print JSON.
    resolved
        Print resolved comments, too.
    """
    from previs.command.review import ReviewOrder, show_review

    return asyncio.run(show_review(ReviewOrder(store, board, as_json=json, resolved=resolved)))
