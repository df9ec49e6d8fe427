"""Make the pages beside the boards' own: the list of boards, the login, and messages."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from previs.boards.runs import RunLocation
from previs.errors import PrevisError
from previs.publishing.views.addresses import is_picture
from previs.publishing.views.wording import language, moment
from previs.records.reviews import ReviewEvent
from previs.review.deciding import Person
from previs.review.desk import Desk
from previs.review.outline import BoardSummary
from previs.review.web.labels import words

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HOUR: Final = {"Cache-Control": "private, max-age=3600"}


def quoted(part: str) -> str:
    """Return a part of a key as a part of a URL's path."""
    return quote(part, safe="")


def run_path(location: RunLocation) -> str:
    """Return the path of a run's page."""
    return f"/boards/{quoted(location.board)}/runs/{quoted(location.run)}/"


async def board_list(
    desk: Desk, request: Request, boards: Sequence[BoardSummary], person: Person, *, has_password: bool
) -> Response:
    """Return the list of boards."""
    shown = [await _entry(desk, board) for board in boards]
    return _page(request, "boards.html", boards=shown, name=person.name, signed_in=has_password)


def picture(boards: Sequence[BoardSummary], part: str) -> Response:
    """Return the picture of a board in the list."""
    board = next((each for each in boards if each.part == part), None)
    if board is None or board.thumbnail is None or not is_picture(board.thumbnail):
        return Response(status_code=HTTPStatus.NOT_FOUND)
    head, _, data = board.thumbnail.partition(",")
    return Response(base64.b64decode(data), media_type=head[5:].partition(";")[0], headers=_HOUR)


def login(
    request: Request,
    *,
    name: str = "",
    wrong: bool = False,
    nameless: bool = False,
    wait: float = 0,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    """Return the page that asks for the password."""
    seconds = round(wait) + 1 if wait else 0
    answer = _page(request, "login.html", name=name, wrong=wrong, nameless=nameless, wait=seconds, status=status)
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def no_link(request: Request, status: HTTPStatus) -> Response:
    """Return the page for a guest link that does not work."""
    return _page(request, "no_link.html", status=status)


def message(request: Request, sentence: str) -> str:
    """Return a page with one sentence."""
    return _rendered(request, "message.html", sentence=sentence)


def json_with_tag(content: Mapping[str, Any], known: str) -> Response:
    """Return JSON with an entity tag; without content if the browser has it."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if known == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def wants_chinese(request: Request) -> bool:
    """Return whether a browser prefers Chinese to English."""
    for each in request.headers.get("accept-language", "").lower().split(","):
        tag = each.partition(";")[0].strip().partition("-")[0]
        if tag in {"zh", "en"}:
            return tag == "zh"
    return False


async def _entry(desk: Desk, board: BoardSummary) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "board": board,
        "path": f"boards/{quoted(board.part)}/",
        "title": board.title or board.name,
        "title_lang": language(board.title or board.name),
        "when": moment(board.finished) if board.finished else "",
        "open": 0,
    }
    if not board.fault:
        with suppress(PrevisError):
            entry["open"] = _open_comments(await desk.events.of_board(board.name))
    return entry


def _open_comments(events: Mapping[str, Sequence[ReviewEvent]]) -> int:
    total = 0
    for of_shot in events.values():
        comments: set[int | None] = set()
        for event in of_shot:
            if event.kind == "comment":
                comments.add(event.number)
            elif event.kind == "resolve":
                comments.discard(event.about)
            elif event.kind == "reopen":
                comments.add(event.about)
        total += len(comments)
    return total


def _page(request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
    content = _rendered(request, template, **values)
    return HTMLResponse(content, status, headers={"Content-Security-Policy": _POLICY})


def _rendered(request: Request, template: str, **values: object) -> str:
    lang = "zh" if wants_chinese(request) else "en"
    known = words(lang)

    def label(text: str, **parts: object) -> str:
        return known[text].format(**parts)

    root = f"{request.scope.get('root_path', '')}/"
    return _environment().get_template(template).render(lang=lang, label=label, root=root, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("previs.review.web", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
