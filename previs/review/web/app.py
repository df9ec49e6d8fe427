"""Answer the requests of browsers: the list of boards, a board with its review, its frames, and what people do."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from previs.errors import NotInStore, PrevisError, RecordUnreadable, ReviewRefused, ShotListFaults, TryAgain
from previs.publishing.views.wording import clean, one_line, shorten
from previs.records.reviews import Right
from previs.review.deciding import Action, Overtaken, Person
from previs.review.desk import Activity, Desk, view_as_json
from previs.review.web import pages
from previs.review.web.access import GUEST, Access, Throttle
from previs.review.web.entry import address_of, give_name, login, logout, no_icon, open_link, root_of
from previs.review.web.files import board_file, board_page, frame, static_file
from previs.review.web.guard import Guard
from previs.review.web.settings import ServeSettings
from previs.store import Store, keys

_LOG: Final = logging.getLogger("previs.review")
_ACTIONS_PER_MINUTE: Final = 120
_MOST_REASON: Final = 600

Handler = Callable[["ReviewPages", Request, Person], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ReviewPages:
    """Answer requests about the boards of a store."""

    desk: Desk
    access: Access

    def open_to(self, handler: Handler, right: Right = "look") -> Endpoint:
        """Return an endpoint for people who may see the board, and have a right."""

        @wraps(handler)
        async def endpoint(request: Request) -> Response:
            person = await self.access.person(request)
            if person is None:
                return _refused(request, HTTPStatus.UNAUTHORIZED)
            board = request.path_params.get("board")
            if board is not None and not _sees(person, board):
                # Whether the board exists is not said.
                return _refused(request, HTTPStatus.NOT_FOUND)
            if not person.can(right):
                return _refused(request, HTTPStatus.FORBIDDEN)
            return await handler(self, request, person)

        return endpoint


def make_app(store: Store, settings: ServeSettings, *, desk: Desk | None = None) -> Starlette:
    """Return the application that serves the boards of a store.

    Args:
        store: Store of the boards.
        settings: Checked settings.
        desk: Desk to use; by default one of the store.
    """
    desk = desk or Desk(store, settings.given_store or store.name)
    access = Access(store, settings.password)
    made = ReviewPages(desk, access)
    run = "/boards/{board}/runs/{run}"
    posting = Throttle(most_of_one=_ACTIONS_PER_MINUTE, most_of_all=10 * _ACTIONS_PER_MINUTE)

    def post(path: str, handler: Handler, right: Right) -> Route:
        return Route(path, made.open_to(_counted(handler, posting), right), methods=["POST"])

    routes = [
        Route("/", made.open_to(_list)),
        Route("/login", login(access), methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
        Route("/guest/{secret}", open_link(access)),
        Route("/static/{name}", static_file),
        Route("/favicon.ico", no_icon),
        Route("/name", give_name(access), methods=["POST"]),
        Route("/boards/{board}", made.open_to(_latest)),
        Route("/boards/{board}/", made.open_to(_latest)),
        Route("/boards/{board}/picture", made.open_to(_picture)),
        Route("/boards/{board}/state", made.open_to(_state)),
        Route("/boards/{board}/prompt", made.open_to(_prompt, "decide")),
        post("/boards/{board}/events", _act, "comment"),
        post("/boards/{board}/answer", _answer, "decide"),
        post("/boards/{board}/render", _render, "decide"),
        Route(f"{run}/", made.open_to(_page)),
        Route(f"{run}/frames/{{rest:path}}", made.open_to(_frame)),
        Route(f"{run}/{{name}}", made.open_to(_file)),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with desk.open():
            yield

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, names=settings.names)],
        exception_handlers={Overtaken: _overtaken, PrevisError: _failed},
        lifespan=lifespan,
    )
    # Its redirect would name the host of the request.
    app.router.redirect_slashes = False
    return app


def _counted(handler: Handler, posting: Throttle) -> Handler:
    """Refuse more actions of a person in a minute than anybody does by hand."""

    @wraps(handler)
    async def counted(made: ReviewPages, request: Request, person: Person) -> Response:
        who = person.guest or address_of(request)
        if posting.wait(who):
            return JSONResponse({"error": "too many at a time: wait a minute"}, HTTPStatus.TOO_MANY_REQUESTS)
        posting.failed(who)
        return await handler(made, request, person)

    return counted


async def _list(made: ReviewPages, request: Request, person: Person) -> Response:
    found = await made.desk.catalog.boards()
    boards = [each for each in found if _sees(person, each.part)]
    return await pages.board_list(made.desk, request, boards, person, has_password=bool(made.access.password))


async def _latest(made: ReviewPages, request: Request, _: Person) -> Response:
    now = await made.desk.catalog.now(request.path_params["board"], fresh=True)
    return RedirectResponse(f"{root_of(request)}{pages.run_path(now.location)}", HTTPStatus.SEE_OTHER)


async def _page(made: ReviewPages, request: Request, _: Person) -> Response:
    outline = await made.desk.catalog.outline(request.path_params["board"], request.path_params["run"])
    return await board_page(made.desk, outline)


async def _frame(made: ReviewPages, request: Request, _: Person) -> Response:
    outline = await made.desk.catalog.outline(request.path_params["board"], request.path_params["run"])
    return await frame(made.desk, outline, f"{keys.FRAMES}{request.path_params['rest']}")


async def _file(made: ReviewPages, request: Request, _: Person) -> Response:
    outline = await made.desk.catalog.outline(request.path_params["board"], request.path_params["run"])
    return await board_file(made.desk, outline, request.path_params["name"])


async def _picture(made: ReviewPages, request: Request, _: Person) -> Response:
    return pages.picture(await made.desk.catalog.boards(), request.path_params["board"])


async def _state(made: ReviewPages, request: Request, person: Person) -> Response:
    view = await made.desk.view(request.path_params["board"])
    activity = await made.desk.activity(view)
    content = view_as_json(view) | {
        "me": {"name": person.name, "may": person.may, "guest": person.guest is not None},
        "activity": _activity(activity, person),
    }
    return pages.json_with_tag(content, request.headers.get("if-none-match", ""))


async def _prompt(made: ReviewPages, request: Request, _: Person) -> Response:
    shot = request.query_params.get("shot", "")
    return JSONResponse({"prompt": await made.desk.prompt(request.path_params["board"], shot)})


async def _act(made: ReviewPages, request: Request, person: Person) -> Response:
    try:
        action = Action.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, HTTPStatus.BAD_REQUEST)
    if not person.can(action.right):
        return _refused(request, HTTPStatus.FORBIDDEN)
    if not person.name:
        return JSONResponse({"error": "name"}, HTTPStatus.PRECONDITION_REQUIRED)
    await made.desk.act(request.path_params["board"], action, person)
    return await _state(made, request, person)


async def _answer(made: ReviewPages, request: Request, _: Person) -> Response:
    answer = await made.desk.answer(request.path_params["board"])
    return JSONResponse({"chosen": len(answer.chosen), "again": len(answer.again)})


async def _render(made: ReviewPages, request: Request, person: Person) -> Response:
    if person.guest is not None:
        # Each run costs the time of a farm; a guest's wish stays on the board until somebody starts one.
        return _refused(request, HTTPStatus.FORBIDDEN)
    order, started = await made.desk.render(request.path_params["board"])
    said = {"command": order.command, "notices": list(order.notices), "complete": order.complete}
    return JSONResponse({"started": started} | said)


def _activity(found: Activity | None, person: Person) -> dict[str, Any] | None:
    if found is None:
        return None
    state = found.run.state_type if found.run else "RUNNING"
    name = one_line(found.run.name) if found.run else ""
    page, reason = "", ""
    if person.guest is None:
        page = found.page
        reason = shorten(clean((found.run.state.message if found.run and found.run.failed else "") or ""), _MOST_REASON)
    return {"state": state, "name": name, "page": page, "asks": found.asks, "reason": reason}


def _sees(person: Person, part: str) -> bool:
    return person.boards is None or part in {keys.part(board) for board in person.boards}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _refused(request: Request, status: HTTPStatus) -> Response:
    if _wants_page(request) and status == HTTPStatus.UNAUTHORIZED:
        if GUEST in request.cookies:
            return pages.no_link(request, HTTPStatus.GONE)
        return RedirectResponse(f"{root_of(request)}/login", HTTPStatus.SEE_OTHER)
    sentence = {HTTPStatus.UNAUTHORIZED: "sign in first", HTTPStatus.FORBIDDEN: "the link does not allow this"}
    return JSONResponse({"error": sentence.get(status, "there is no such board")}, status)


async def _overtaken(_: Request, error: Exception) -> Response:
    by = one_line(error.by) if isinstance(error, Overtaken) else ""
    return JSONResponse({"error": "overtaken", "by": by}, HTTPStatus.CONFLICT)


async def _failed(request: Request, error: Exception) -> Response:
    """Say what a reviewer can mend; other sentences may name paths, buckets and servers, which are the operator's."""
    match error:
        case ReviewRefused() | ShotListFaults():
            status, said = HTTPStatus.UNPROCESSABLE_ENTITY, str(error)
        case NotInStore() | RecordUnreadable():
            status, said = HTTPStatus.NOT_FOUND, "this is not here, or cannot be read"
        case TryAgain():
            status, said = HTTPStatus.BAD_GATEWAY, "the store or Prefect does not answer now: try again"
        case _:
            status, said = HTTPStatus.BAD_GATEWAY, "the server cannot do this: its log says why"
    if status != HTTPStatus.UNPROCESSABLE_ENTITY:
        _LOG.warning("%s of a board: %s", request.method, error)
    if _wants_page(request):
        return HTMLResponse(pages.message(request, said), status)
    return JSONResponse({"error": said}, status)
