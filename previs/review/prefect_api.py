"""Ask Prefect's server over its API which runs of a board are at work, answer a paused one, and start another.

previs imports no Prefect; these few requests are all that a review needs of it.
"""

import asyncio
import base64
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from previs.daemon import running_server
from previs.errors import PrefectRefused, PrefectUnavailable, ReviewRefused
from previs.publishing.results import board_tag
from previs.publishing.review import ReviewAnswer
from previs.text.visible import shortened, visible

T = TypeVar("T")

DEPLOYMENT: Final = "storyboard/by-hand"
_SECONDS: Final = 30.0
# Prefect on SQLite answers so when its database is locked, and has then done nothing.
_BUSY: Final = frozenset({429, 502, 503})
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)
_MOST_RUNS: Final = 20
_MOST_EARLIER: Final = 100
_ALIVE: Final = ("PAUSED", "RUNNING", "PENDING", "SCHEDULED", "CANCELLING")
_FAILED: Final = ("FAILED", "CRASHED")
_MOST_SHOWN: Final = 300

StateType = Literal["PAUSED", "RUNNING", "PENDING", "SCHEDULED", "CANCELLING", "FAILED", "CRASHED"]


class _State(BaseModel):
    message: str | None = None


class FlowRun(BaseModel):
    """Represent a flow run that has not ended, or has failed.

    Attributes:
        start_time: When it began; None if it has not.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str = ""
    state_type: StateType
    state: _State = _State()
    start_time: datetime | None = None

    @property
    def failed(self) -> bool:
        """Return whether it has ended without success."""
        return self.state_type in _FAILED


class _Started(BaseModel):
    id: UUID
    parameters: dict[str, Any] = Field(default_factory=dict)


class _Created(BaseModel):
    id: UUID


class _Resumed(BaseModel):
    status: str
    details: dict[str, Any] = Field(default_factory=dict)


_RUNS: Final = TypeAdapter(list[FlowRun])
_STARTED: Final = TypeAdapter(list[_Started])


@dataclass(slots=True)
class PrefectApi:
    """Send requests to a Prefect server; use it with ``async with``.

    Attributes:
        url: URL of its API.
        headers: Headers with credentials.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    _client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(headers=dict(self.headers), timeout=_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    def page_of(self, run: UUID) -> str:
        """Return the URL of a run's page in Prefect."""
        return f"{self.url.removesuffix('/').removesuffix('/api')}/runs/flow-run/{run}"

    async def runs(self, board: str) -> list[FlowRun]:
        """Return the runs of a board that have not ended, paused ones first; else those that failed, the latest first.

        Raises:
            PrefectUnavailable, PrefectRefused: Prefect's server does not say.
        """
        wanted = {"tags": {"all_": [board_tag(board)]}, "state": {"type": {"any_": [*_ALIVE, *_FAILED]}}}
        body = {"flow_runs": wanted, "sort": "START_TIME_DESC", "limit": _MOST_RUNS}
        found = self._read(_RUNS, await self._post("flow_runs/filter", body))
        alive = sorted((run for run in found if not run.failed), key=lambda run: _ALIVE.index(run.state_type))
        return alive or found

    async def list_of(self, board: str, digits: str) -> str | None:
        """Return the path or URL of the list of a run; None if Prefect does not know the run, or the list was no file.

        Args:
            board: Name of the board.
            digits: First digits of the run's ID.

        Raises:
            PrefectUnavailable, PrefectRefused: Prefect's server does not say.
        """
        body = {"flow_runs": {"tags": {"all_": [board_tag(board)]}}, "sort": "START_TIME_DESC", "limit": _MOST_EARLIER}
        found = self._read(_STARTED, await self._post("flow_runs/filter", body))
        given = next((run.parameters.get("shots") for run in found if str(run.id).startswith(digits)), None)
        return given if isinstance(given, str) and not given.lstrip().startswith(("{", "[")) else None

    async def resume(self, run: UUID, answer: ReviewAnswer) -> None:
        """Answer the form of a paused run, as its own page in Prefect would.

        Raises:
            ReviewRefused: The run is not paused any more, or the form does not take the answer.
            PrefectUnavailable, PrefectRefused: Prefect's server does not answer.
        """
        form = {
            "chosen": [{"shot": shot, "take": take} for shot, take in answer.chosen.items()],
            "again": [{"shot": shot, "prompt": prompt} for shot, prompt in answer.again.items()],
        }
        content = await self._post(f"flow_runs/{run}/resume", {"run_input": form})
        answered = self._read(TypeAdapter(_Resumed), content)
        if answered.status != "ACCEPT":
            reason = shortened(visible(str(answered.details.get("reason") or answered.status)), _MOST_SHOWN)
            raise ReviewRefused(f"Prefect does not take the answer: {reason}")

    async def start(self, board: str, parameters: Mapping[str, Any]) -> UUID:
        """Start a run of the deployment ``storyboard/by-hand``, and return its ID.

        Raises:
            ReviewRefused: The deployment does not exist, or Prefect does not accept the parameters.
            PrefectUnavailable, PrefectRefused: Prefect's server does not answer.
        """
        found = self._read(TypeAdapter(_Created), await self._ask("GET", f"deployments/name/{DEPLOYMENT}"))
        # A proxy may answer 502 after the run was made: the key makes the repeated request find it.
        body = {"parameters": dict(parameters), "tags": [board_tag(board)], "idempotency_key": uuid4().hex}
        made = await self._post(f"deployments/{found.id}/create_flow_run", body)
        return self._read(TypeAdapter(_Created), made).id

    async def _post(self, path: str, body: object) -> bytes:
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: object = None) -> bytes:
        assert self._client is not None  # noqa: S101 - it is used with async with
        for pause in (*_PAUSES, None):
            try:
                answer = await self._client.request(method, f"{self.url.rstrip('/')}/{path}", json=body)
            except httpx.HTTPError as error:
                raise PrefectUnavailable(self.url, type(error).__name__) from error
            if answer.status_code not in _BUSY or pause is None:
                break
            await asyncio.sleep(pause)
        if answer.is_server_error:
            raise PrefectUnavailable(self.url, f"it answers {answer.status_code}")
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise PrefectRefused(self.url, str(answer.status_code))
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise ReviewRefused(f"Prefect does not have {path.rpartition('name/')[2]}: run previs deploy")
        if not answer.is_success:
            reason = shortened(visible(answer.text), _MOST_SHOWN)
            raise ReviewRefused(f"Prefect answers {answer.status_code}: {reason}")
        return answer.content

    def _read(self, kind: TypeAdapter[T], content: bytes) -> T:
        try:
            return kind.validate_json(content)
        except ValidationError as error:
            raise PrefectUnavailable(self.url, "its answer is not that of Prefect's API") from error


def find_prefect(environment: Mapping[str, str] | None = None) -> PrefectApi | None:
    """Return the Prefect server that ``previs run`` would use, without starting one; None if there is none.

    It is the one of ``PREFECT_API_URL``, of Prefect's active profile, or the local one that stays.
    """
    given = os.environ if environment is None else environment
    home = Path(given.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    settings = _profile(home, given.get("PREFECT_PROFILE")) | {
        name: value for name, value in given.items() if name.startswith("PREFECT_")
    }
    url = settings.get("PREFECT_API_URL")
    if not url:
        server = running_server(home)
        if server is None:
            return None
        url = server.api
    return PrefectApi(url, _credentials(settings))


def _credentials(settings: Mapping[str, str]) -> dict[str, str]:
    if key := settings.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if text := settings.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode('ascii')}"}
    return {}


def _profile(home: Path, name: str | None) -> dict[str, str]:
    """Return the settings of Prefect's active profile; none if there is no readable one."""
    try:
        content = tomllib.loads((home / "profiles.toml").read_text(encoding="utf-8"))
        found = content["profiles"][name or content["active"]]
        return {str(key): str(value) for key, value in found.items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError):
        return {}
