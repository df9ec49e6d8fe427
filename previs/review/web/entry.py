"""Open and end sessions: the login, guest links, names, and the way out."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from previs.publishing.views.wording import one_line
from previs.review.web import pages
from previs.review.web.access import GUEST, Access, end_session, set_cookie, set_name
from previs.store import keys

_GUEST_COOKIE_SECONDS: Final = 366 * 24 * 3600

Endpoint = Callable[[Request], Awaitable[Response]]


class _Name(BaseModel):
    name: Annotated[str, Field(max_length=1_000)]


async def no_icon(_: Request) -> Response:
    """Say that there is no icon, which browsers ask for."""
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "max-age=86400"})


def login(access: Access) -> Endpoint:
    """Return the endpoint that asks for the password."""

    async def endpoint(request: Request) -> Response:
        if request.method != "POST" or not access.password:
            return pages.login(request) if access.password else RedirectResponse(f"{root_of(request)}/", 303)
        if wait := access.throttle.wait(address_of(request)):
            return pages.login(request, wait=wait, status=HTTPStatus.TOO_MANY_REQUESTS)
        async with request.form(max_files=0, max_fields=5) as form:
            password, name = str(form.get("password", "")), one_line(str(form.get("name", "")))
        if not access.opens(password):
            access.throttle.failed(address_of(request))
            return pages.login(request, name=name, wrong=True, status=HTTPStatus.FORBIDDEN)
        if not name:
            return pages.login(request, nameless=True, status=HTTPStatus.BAD_REQUEST)
        answer = RedirectResponse(f"{root_of(request)}/", HTTPStatus.SEE_OTHER)
        access.start_session(answer, request, name)
        return answer

    return endpoint


async def logout(request: Request) -> Response:
    """End the session of a person or guest."""
    answer = RedirectResponse(f"{root_of(request)}/login", HTTPStatus.SEE_OTHER)
    end_session(answer, request)
    return answer


def open_link(access: Access) -> Endpoint:
    """Return the endpoint of guest links."""

    async def endpoint(request: Request) -> Response:
        secret = request.path_params["secret"]
        if access.links.wait(address_of(request)):
            return pages.no_link(request, HTTPStatus.TOO_MANY_REQUESTS)
        found = await access.guest(secret)
        if found is None:
            access.links.failed(address_of(request))
            return pages.no_link(request, HTTPStatus.GONE)
        only = f"/boards/{pages.quoted(keys.part(found.boards[0]))}/" if len(found.boards) == 1 else "/"
        answer = RedirectResponse(f"{root_of(request)}{only}", HTTPStatus.SEE_OTHER)
        set_cookie(answer, request, GUEST, secret, _GUEST_COOKIE_SECONDS)
        return answer

    return endpoint


def give_name(access: Access) -> Endpoint:
    """Return the endpoint that keeps the name that a person gives."""

    async def endpoint(request: Request) -> Response:
        person = await access.person(request)
        try:
            name = one_line(_Name.model_validate_json(await request.body()).name)
        except ValidationError:
            name = ""
        if person is None or person.guest is not None or not name:
            return JSONResponse({"error": "name"}, HTTPStatus.BAD_REQUEST)
        answer = JSONResponse({})
        set_name(answer, request, name)
        return answer

    return endpoint


def address_of(request: Request) -> str:
    """Return the address of a browser, or of the last proxy that is not trusted."""
    return request.client.host if request.client else ""


def root_of(request: Request) -> str:
    """Return the path before all others, without its closing slash."""
    return str(request.scope.get("root_path", ""))
