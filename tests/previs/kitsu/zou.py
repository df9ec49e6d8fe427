"""Stand in for Kitsu's server: the routes that gazu asks, with the checks and answers that Zou's API documents."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.previs.comfyui.client.listening import serving_app

EMAIL, PASSWORD, TOKEN = "li@studio.example", "pass-4711-0815", "tok-2342-0815"
PICTURES, MOVIES = {"jpe", "jpeg", "jpg", "png"}, {"avi", "m4v", "mkv", "mov", "mp4", "webm", "wmv"}
Row = dict[str, Any]


class NewSequence(BaseModel):
    name: str
    episode_id: uuid.UUID | None = None


class NewShot(BaseModel):
    name: str
    sequence_id: uuid.UUID | None = None
    data: dict[str, Any] | None = None
    nb_frames: int | None = None
    description: str | None = None


class NewTask(BaseModel):
    model_config = ConfigDict(extra="forbid")  # each key is a column

    project_id: uuid.UUID
    entity_id: uuid.UUID
    task_type_id: uuid.UUID
    task_status_id: uuid.UUID
    assignees: list[uuid.UUID] = []
    name: str = "main"


class NewComment(BaseModel):
    task_status_id: str
    comment: str = ""
    checklist: list[Any] = []
    links: list[Any] = []
    for_client: bool = False


class Refused(Exception):
    def __init__(self, status: int, **content: Any) -> None:
        self.response = JSONResponse(content, status)


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Zou:
    """Hold what Kitsu knows.

    Attributes:
        requests: Number of requests by method and route.
        read_only: Whether the account may not write.
        refused_uploads: Names of the shots whose previews are refused, with a status.
        largest: Bytes of the largest file that is accepted.
        busy: Number of the next GETs that are answered with 503.
    """

    url: str = ""
    projects: list[Row] = field(default_factory=list)
    task_types: list[Row] = field(default_factory=list)
    statuses: list[Row] = field(default_factory=list)
    entities: dict[str, Row] = field(default_factory=dict)
    tasks: dict[str, Row] = field(default_factory=dict)
    comments: list[Row] = field(default_factory=list)
    previews: dict[str, Row] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    read_only: bool = False
    refused_uploads: dict[str, int] = field(default_factory=dict)
    largest: int = 50_000_000
    busy: int = 0
    logged_out: int = 0

    def __post_init__(self) -> None:
        self.add_project("Night City")
        for name, entity in (("Storyboard", "Shot"), ("Animation", "Shot"), ("Modeling", "Asset")):
            self.task_types.append({"id": new_id(), "name": name, "for_entity": entity})
        for name, short in (("Todo", "todo"), ("Waiting For Approval", "wfa")):
            self.statuses.append({"id": new_id(), "name": name, "short_name": short, "is_default": short == "todo"})

    def add_project(self, name: str, production_type: str = "short") -> Row:
        made = {"id": new_id(), "name": name, "production_type": production_type}
        self.projects.append(made)
        return made

    def add(self, kind: str, name: str, project: str, parent: str | None = None, **fields: Any) -> Row:
        """Create an entity, or return the one of this name and parent, as Zou does."""
        for each in self.of(kind, project):
            if (each["name"], each["parent_id"]) == (name, parent):
                return each
        known = {"nb_frames": None, "description": None, "data": {}, "canceled": False, "preview_file_id": None}
        made = {"id": new_id(), "type": kind, "name": name, "project_id": project, "parent_id": parent} | known | fields
        self.entities[made["id"]] = made
        return made

    def of(self, kind: str, project: str) -> list[Row]:
        return [each for each in self.entities.values() if (each["type"], each["project_id"]) == (kind, project)]

    @property
    def shots(self) -> dict[str, Row]:
        return {each["name"]: each for each in self.entities.values() if each["type"] == "Shot"}

    def sequence_of(self, shot: str) -> str:
        return str(self.entities[self.shots[shot]["parent_id"]]["name"])

    def task_of(self, shot: str, kind: str = "Storyboard") -> Row:
        [kind_id] = [each["id"] for each in self.task_types if each["name"] == kind]
        [task] = [
            each
            for each in self.tasks.values()
            if (each["entity_id"], each["task_type_id"]) == (self.shots[shot]["id"], kind_id)
        ]
        return task

    def previews_of(self, shot: str) -> list[Row]:
        tasks = {each["id"] for each in self.tasks.values() if each["entity_id"] == self.shots[shot]["id"]}
        return [each for each in self.previews.values() if each["task_id"] in tasks]

    # Each answers one route.

    async def log_in(self, request: Request) -> Any:
        given = await request.json()
        if (given["email"], given["password"]) != (EMAIL, PASSWORD):
            raise Refused(400, login=False)
        return {"login": True, "user": {}, "access_token": TOKEN, "refresh_token": "r"}

    async def authenticated(self, _: Request) -> Any:
        return {"authenticated": True}

    async def log_out(self, _: Request) -> Any:
        self.logged_out += 1
        return {"logout": True}

    async def open_projects(self, _: Request) -> Any:
        return self.projects

    async def types_of_project(self, _: Request) -> Any:
        return self.task_types

    async def statuses_of_project(self, _: Request) -> Any:
        return self.statuses

    async def listed(self, request: Request) -> Any:
        kind = {"shots": "Shot", "sequences": "Sequence", "episodes": "Episode"}[request.path_params["kind"]]
        return self.of(kind, request.path_params["project"])

    async def sequences(self, request: Request) -> Any:
        asked = request.query_params
        rows = [each for each in self.entities.values() if each["type"] == "Sequence" and each["name"] == asked["name"]]
        if "episode_id" in asked:
            return [each for each in rows if each["parent_id"] == asked["episode_id"]]
        return [each for each in rows if each["project_id"] == asked["project_id"]]

    async def shots_by_name(self, request: Request) -> Any:
        asked = request.query_params
        rows = (each for each in self.entities.values() if each["type"] == "Shot")
        return [each for each in rows if (each["parent_id"], each["name"]) == (asked["sequence_id"], asked["name"])]

    async def new_sequence(self, request: Request) -> Any:
        body = NewSequence.model_validate(await request.json())
        episode = str(body.episode_id) if body.episode_id else None
        return self.add("Sequence", body.name, request.path_params["project"], episode)

    async def new_shot(self, request: Request) -> Any:
        body = NewShot.model_validate(await request.json())
        if body.sequence_id and str(body.sequence_id) not in self.entities:
            raise Refused(404, message="Sequence not found")
        fields = {"nb_frames": body.nb_frames, "description": body.description, "data": body.data or {}}
        sequence = str(body.sequence_id) if body.sequence_id else None
        return self.add("Shot", body.name, request.path_params["project"], sequence, **fields)

    async def update_entity(self, request: Request) -> Any:
        row, given = self._row(self.entities, request), await request.json()
        data = {**(row["data"] or {}), **(given.pop("data", None) or {})}
        row.update(given, data=data)
        return row

    async def list_tasks(self, request: Request) -> Any:
        wanted = dict(request.query_params)
        return [each for each in self.tasks.values() if all(each[name] == value for name, value in wanted.items())]

    async def new_task(self, request: Request) -> Any:
        body = NewTask.model_validate(await request.json())
        entity = self.entities[str(body.entity_id)]
        [kind] = [each for each in self.task_types if each["id"] == str(body.task_type_id)]
        if kind["for_entity"] != entity["type"]:
            raise Refused(400, message="Task type of the task does not match entity type.")
        made = body.model_dump(mode="json", exclude={"assignees"}) | {"id": new_id(), "data": None}
        self.tasks[made["id"]] = made
        return made

    async def update_task(self, request: Request) -> Any:
        row = self._row(self.tasks, request)
        row.update(await request.json())
        return row

    async def new_comment(self, request: Request) -> Any:
        body, task = NewComment.model_validate(await request.json()), self._row(self.tasks, request)
        task["task_status_id"] = body.task_status_id
        made = {"id": new_id(), "object_id": task["id"], "text": body.comment, "task_status_id": body.task_status_id}
        self.comments.append(made | {"previews": []})
        return self.comments[-1]

    async def add_preview(self, request: Request) -> Any:
        task = self._row(self.tasks, request)
        [comment] = [each for each in self.comments if each["id"] == request.path_params["comment"]]
        revision = 1 + sum(each["task_id"] == task["id"] for each in self.previews.values())
        made = {"id": new_id(), "task_id": task["id"], "revision": revision, "original_name": None}
        self.previews[made["id"]] = made
        comment["previews"].append(made["id"])
        return made

    async def upload(self, request: Request) -> Any:
        preview = self._row(self.previews, request)
        if preview["original_name"]:
            raise Refused(400, message="Reupload of an existing preview file not allowed.")
        shot = self.entities[self.tasks[preview["task_id"]]["entity_id"]]["name"]
        if status := self.refused_uploads.get(shot):
            raise Refused(status, message="the disk is full")
        async with request.form() as form:
            file = form["file"]
            assert not isinstance(file, str)
            content, (name, _, extension) = await file.read(), (file.filename or "").rpartition(".")
        if len(content) > self.largest:
            raise Refused(413)
        if extension not in PICTURES | MOVIES:
            raise Refused(400, message=f"Wrong file format, extension: {extension}")
        preview |= {"original_name": name, "extension": extension, "content": content, "status": "processing"}
        return {name: value for name, value in preview.items() if name != "content"}

    async def set_main_preview(self, request: Request) -> Any:
        preview = self._row(self.previews, request)
        shot = self.entities[self.tasks[preview["task_id"]]["entity_id"]]
        shot["preview_file_id"] = preview["id"]
        return shot

    @staticmethod
    def _row(rows: Mapping[str, Row], request: Request) -> Row:
        try:
            return rows[request.path_params["id"]]
        except KeyError:
            raise Refused(404, message="not found") from None

    def routes(self) -> list[Route]:
        project = "/api/data/projects/{project}"
        return [
            self._route("POST", "/api/auth/login", self.log_in),
            self._route("GET", "/api/auth/authenticated", self.authenticated),
            self._route("GET", "/api/auth/logout", self.log_out),
            self._route("GET", "/api/data/projects/open", self.open_projects),
            self._route("GET", f"{project}/task-types", self.types_of_project),
            self._route("GET", f"{project}/settings/task-status", self.statuses_of_project),
            self._route("POST", f"{project}/sequences", self.new_sequence, 201),
            self._route("POST", f"{project}/shots", self.new_shot, 201),
            self._route("GET", f"{project}/{{kind}}", self.listed),
            self._route("GET", "/api/data/sequences", self.sequences),
            self._route("GET", "/api/data/shots/all", self.shots_by_name),
            self._route("PUT", "/api/data/entities/{id}", self.update_entity),
            self._route("GET", "/api/data/tasks", self.list_tasks),
            self._route("POST", "/api/data/tasks", self.new_task, 201),
            self._route("PUT", "/api/data/tasks/{id}", self.update_task),
            self._route("POST", "/api/actions/tasks/{id}/comment", self.new_comment, 201),
            self._route("POST", "/api/actions/tasks/{id}/comments/{comment}/add-preview", self.add_preview, 201),
            self._route("POST", "/api/pictures/preview-files/{id}", self.upload, 201),
            self._route("PUT", "/api/actions/preview-files/{id}/set-main-preview", self.set_main_preview),
        ]

    def _route(self, method: str, path: str, answer: Callable[[Request], Awaitable[Any]], status: int = 200) -> Route:
        async def serve(request: Request) -> Response:
            self.requests[f"{method} {path}"] += 1
            if method == "GET" and self.busy:
                self.busy -= 1
                return Response(status_code=503)
            try:
                if not path.endswith("/login"):
                    self._check(method, request)
                return JSONResponse(await answer(request), status)
            except Refused as error:
                return error.response
            except ValidationError as error:
                errors = [{"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()]
                return JSONResponse({"message": "Validation error", "data": {"errors": errors}}, 400)

        return Route(path, serve, methods=[method])

    def _check(self, method: str, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused(401, message="Missing or wrong token")
        if self.read_only and method != "GET":
            raise Refused(403, message="Forbidden")


@asynccontextmanager
async def serving_zou(**settings: Any) -> AsyncIterator[Zou]:
    zou = Zou(**settings)
    async with serving_app(*zou.routes()) as url:
        zou.url = url
        yield zou
