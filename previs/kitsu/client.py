"""Ask Kitsu through gazu, with limits of time, and errors as sentences."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import gazu
import requests
from gazu.client import KitsuClient
from gazu.exception import GazuException
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from previs.errors import KitsuRefused, KitsuUnavailable
from previs.kitsu.answers import api_url, quoted, translated
from previs.kitsu.plan import Entity, Found
from previs.text.listing import first_of
from previs.text.similar import closest, meant

_TIMEOUT: Final = (10, 120)
_NAMED: Final = 8
_CERTIFICATES: Final = "SSL_CERT_FILE"
# Nothing of these is sent twice by a repetition.
_REPEATED: Final = frozenset({"GET", "PUT"})
_RETRIES: Final = Retry(
    total=3,
    other=0,
    read=0,
    status_forcelist={429, 502, 503, 504},
    allowed_methods=_REPEATED,
    backoff_factor=0.5,
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True, slots=True)
class Login:
    """Hold how to log in: with an address and a password, or with a token of a bot."""

    email: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class _Patient(HTTPAdapter):
    """Give every request limits of time, which gazu has not, and the certificates that are trusted.

    Args:
        trusted: File or folder of certificates; empty for what requests finds.
    """

    def __init__(self, trusted: str) -> None:
        super().__init__(max_retries=_RETRIES)
        self._trusted = trusted

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401 - requests' options
        """Send a request."""
        options["timeout"] = options.get("timeout") or _TIMEOUT
        # A session's own would yield to REQUESTS_CA_BUNDLE.
        options["verify"] = self._trusted or options.get("verify", True)
        return super().send(request, **options)


class Kitsu:
    """Hold a connection to Kitsu; each thread needs its own, of :meth:`another`.

    Args:
        host: URL of Kitsu, with or without ``/api``.
        tokens: Tokens of a connection that has logged in.
    """

    def __init__(self, host: str, tokens: Mapping[str, str] | None = None) -> None:
        self.host = api_url(host)
        # What servers answer may be long, and gazu logs all of it.
        logging.getLogger("gazu").addHandler(logging.NullHandler())
        logging.getLogger("gazu").propagate = False
        self._client: KitsuClient = gazu.client.create_client(self.host, tokens=dict(tokens or {}))
        session = self._client.session
        # A redirected login would come as a GET, and its password may go elsewhere.
        session.max_redirects = 0
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Patient(_trusted(self.host)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the login stays for those of :meth:`another`."""
        self._client.session.close()

    def another(self) -> "Kitsu":
        """Return a connection with the same login."""
        return Kitsu(self.host, self._client.tokens)

    def log_in(self, login: Login) -> None:
        """Log in.

        Raises:
            KitsuRefused: The password or the token is wrong, or Kitsu is not at this address.
            KitsuUnavailable: It does not answer as it should.
        """
        with self._asking("the login"):
            if login.token:
                gazu.set_token(login.token, client=self._client)  # type: ignore[no-untyped-call]
                gazu.client.get("auth/authenticated", client=self._client)
            else:
                gazu.log_in(login.email, login.password, client=self._client)  # type: ignore[no-untyped-call]

    def log_out(self) -> None:
        """Log out, if that is possible; a bot's token stays valid."""
        with contextlib.suppress(KitsuRefused, KitsuUnavailable), self._asking("the logout"):
            gazu.log_out(client=self._client)  # type: ignore[no-untyped-call]

    def project(self, name: str) -> Entity:
        """Return an open project by its name or ID.

        Raises:
            KitsuRefused: There is none, or the account does not see it.
        """
        with self._asking("the projects"):
            projects = gazu.project.all_open_projects(client=self._client)
        by_id = next((each for each in projects if each["id"] == name.strip().lower()), None)
        return by_id or self._named(name, projects, "open project that this account sees", "--project")

    def task_type(self, project: Entity, name: str) -> Entity:
        """Return a type of tasks of a project, by its name.

        Raises:
            KitsuRefused: The project has none for shots.
        """
        with self._asking("the task types"):
            kinds = gazu.task.all_task_types_for_project(project, client=self._client)
        for_shots = [each for each in kinds if each.get("for_entity") in (None, "Shot")]
        remedy = "add it in the project's settings, or name another"
        return self._named(name, for_shots, "task type for shots in this project", "--task-type", remedy)

    def statuses(self, project: Entity) -> Sequence[Entity]:
        """Return the statuses that tasks of a project may have."""
        with self._asking("the statuses"):
            found: list[Entity] = gazu.task.all_task_statuses_for_project(project, client=self._client)
            return found or gazu.task.all_task_statuses(client=self._client)

    def status(self, statuses: Sequence[Entity], name: str) -> Entity:
        """Return a status by its name or short name; for an empty name, the one that new tasks get.

        Raises:
            KitsuRefused: There is no such status.
        """
        if not name:
            return next((each for each in statuses if each.get("is_default")), statuses[0])
        short = {str(each.get("short_name") or "").casefold(): each for each in statuses}
        return short.get(name.strip().casefold()) or self._named(name, statuses, "status in this project", "--status")

    def episode(self, project: Entity, name: str) -> Entity | None:
        """Return an episode by its name; None for a project without episodes.

        Raises:
            KitsuRefused: There is no such episode, or one must be named.
        """
        is_show = project.get("production_type") == "tvshow"
        if not is_show and not name:
            return None
        if not is_show:
            raise KitsuRefused(self.host, f"the project {quoted(project['name'])} has no episodes: leave --episode out")
        with self._asking("the episodes"):
            episodes = gazu.shot.all_episodes_for_project(project, client=self._client)
        return self._named(
            name, episodes, "episode in this project", "--episode", "create it in Kitsu, or name another"
        )

    def found(self, project: Entity, episode: Entity | None, task_type: Entity) -> Found:
        """Return sequences, shots and tasks of a project, in three requests."""
        client = self._client
        with self._asking("the shots"):
            sequences = gazu.shot.all_sequences_for_project(project, client=client)
            parent = episode["id"] if episode else None
            return Found(
                [each for each in sequences if each.get("parent_id") == parent],
                gazu.shot.all_shots_for_project(project, client=client),
                gazu.task.all_tasks_for_task_type(project, task_type, client=client),
            )

    def new_sequence(self, project: Entity, name: str, episode: Entity | None) -> Entity:
        """Create a sequence, or return the one of this name."""
        with self._asking(f"the sequence {quoted(name)}"):
            made: Entity = gazu.shot.new_sequence(project, name, episode=episode, client=self._client)
            return made

    def new_shot(self, project: Entity, sequence: Entity, name: str, fields: Mapping[str, Any]) -> Entity:
        """Create a shot, or return the one of this name."""
        with self._asking("the shot"):
            made: Entity = gazu.shot.new_shot(project, sequence, name, client=self._client, **fields)
            return made

    def update_shot(self, shot: Entity, changes: Mapping[str, Any]) -> None:
        """Write values to a shot; data that are not named stay."""
        with self._asking("the shot"):
            gazu.shot.update_shot({"id": shot["id"], **changes}, client=self._client)

    def new_task(self, shot: Entity, task_type: Entity, status: Entity) -> Entity:
        """Create a task, or return the one of this type."""
        with self._asking("the task"):
            made: Entity = gazu.task.new_task(shot, task_type, task_status=status, client=self._client)
            return made

    def upload(self, task: Entity, status: str, comment: str, path: Path) -> str:
        """Add a comment with a preview to a task, and return the preview's ID.

        Args:
            task: The task.
            status: ID of the status that it has with the comment.
            comment: Text.
            path: File whose suffix says its type.
        """
        with self._asking("the preview"):
            _, preview = gazu.task.publish_preview(
                task, {"id": status}, comment=comment, preview_file_path=str(path), client=self._client
            )
            return str(preview["id"])

    def show(self, preview: str) -> None:
        """Make a preview the one that shows its shot."""
        with self._asking("the main preview"):
            gazu.task.set_main_preview(preview, client=self._client)

    def remember(self, task: Entity, data: Mapping[str, Any]) -> None:
        """Add to the data of a task."""
        with self._asking("the task"):
            whole = {**(task.get("data") or {}), **data}
            gazu.task.update_task({"id": task["id"], "data": whole}, client=self._client)

    def _named(self, name: str, entities: Sequence[Entity], what: str, option: str, remedy: str = "") -> Entity:
        wanted = name.strip()
        for given in (wanted, wanted.casefold()):
            found = [each for each in entities if given in (each["name"], each["name"].casefold())]
            if len(found) == 1:
                return found[0]
        names = [quoted(str(each["name"])) for each in entities]
        likely = meant(wanted, [str(each["name"]) for each in entities])
        listed = (
            f"there are {first_of(closest(wanted, names, cutoff=0) or names, _NAMED)}" if names else "there is none"
        )
        hint = f"did you mean {quoted(likely)}?" if likely and wanted else f"{listed}; {remedy or f'correct {option}'}"
        shown = f"no {what} is called {quoted(wanted)}" if wanted else f"name one with {option}"
        raise KitsuRefused(self.host, f"{shown}: {hint}")

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Translate what gazu and requests raise.

        Raises:
            KitsuRefused, KitsuUnavailable: In its place.
        """
        try:
            yield
        except (GazuException, requests.RequestException) as error:
            raise translated(self.host, what, error) from error
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            reason = f"its answer about {what} is not what gazu expects ({type(error).__name__})"
            raise KitsuUnavailable(self.host, reason) from error


def _trusted(host: str) -> str:
    path = os.environ.get(_CERTIFICATES, "")
    if path and not Path(path).exists():
        raise KitsuRefused(host, f"{_CERTIFICATES} names no file: {path}")
    return path
