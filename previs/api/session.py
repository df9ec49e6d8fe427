"""Plan, check and render shots on connected servers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from previs.api.checking import check_takes
from previs.api.graphs import BoundGraph
from previs.api.many import render_plan
from previs.api.outputs import Links, Outputs, ShotResult, outputs_of
from previs.api.renders import Renders
from previs.api.servers import ServerStatus, status_of
from previs.ingest.load import load_inputs
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.plan import Plan
from previs.planning.preflight import Report
from previs.rendering.cache_lookup import cached_takes
from previs.rendering.context import RunContext
from previs.shots import Shot, ShotList

ShotInput = Shot | Mapping[str, Any]
"""One shot, as a mapping or a model."""

ShotsInput = str | Path | ShotList | ShotInput | Sequence[ShotInput]
"""A shot list, or its path or URL."""

WorkflowInput = str | Path | Mapping[str, Any]
"""Settings, a saved graph, or the path or URL of either."""


class Session:
    """Render on connected servers; made by :func:`previs.connect`.

    Every method may be called from many tasks of one event loop at once. Relative paths in shots and settings are
    relative to the current folder. Paths are read with the rights of this program: for shots that somebody else wrote,
    check their references first.
    """

    def __init__(self, context: RunContext, links: Links, warn: Callable[[str], None]) -> None:
        self._context = context
        self._links = links
        self._renders = Renders(context, warn)
        self._warn = warn
        self._warned: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._renders.aclose()

    async def servers(self) -> tuple[ServerStatus, ...]:
        """Ask every server how it is, all at once; a server that does not answer is part of the result."""
        return tuple(await asyncio.gather(*(status_of(server) for server in self._context.farm.servers)))

    async def check(self, shots: ShotsInput, workflow: WorkflowInput) -> Report:
        """Check, before anything is rendered, whether the servers have what the shots need.

        Returns:
            A report; ``text()`` is for people, ``as_json()`` for programs, and ``raise_for_errors()`` raises
            ``PlanRefused`` if no server can render some takes.

        Raises:
            ShotListFaults, WorkflowFaults, SourceNotFound, SourceUnavailable: As :meth:`build`.
            NoServer, AccessDenied: No server could be asked.
        """
        plan = await self._plan(shots, workflow)
        return await check_takes(plan.takes, self._context.farm, plan.packs, needed=True)

    async def build(self, shot: ShotInput, workflow: WorkflowInput, *, take: int = 1) -> BoundGraph:
        """Bind one shot to a workflow, and return the graph.

        No server is asked unless the workflow is a saved graph, whose node classes are looked up.

        Args:
            shot: At least ``shot_id``, ``prompt`` and ``duration`` (in seconds); see ``docs/shot-list.md``.
            workflow: Settings, a graph, or the path or URL of either; see ``docs/workflows.md``.
            take: Number of the take, from 1; each number has its own seed. The shot's ``takes`` does not count here.

        Raises:
            ShotListFaults: Fields or references of the shot cannot be used.
            WorkflowFaults: The workflow cannot be used, or not for this shot.
            SourceNotFound, SourceUnavailable: The workflow's file cannot be read.
            NoServer, AccessDenied: The workflow has the editor's format, and no server could be asked to read it.
            ValueError: ``take`` is less than 1.
        """
        if take < 1:
            msg = f"take is {take}: takes are numbered from 1"
            raise ValueError(msg)
        plan = await self._plan([shot], workflow, take=take)
        return BoundGraph(plan.takes[-1], tuple(plan.notices))

    def submit(self, graph: BoundGraph) -> str:
        """Start to render a graph, and return the id of its prompt at once, for :meth:`wait`.

        A graph that the store has, or that another run renders, is not rendered again. After some failures it is
        rendered again, on another server if there is one; such a prompt may have another id, see ``Outputs.prompt_id``.

        Raises:
            WorkflowFaults: The graph was changed into one that no server would run.
            RuntimeError: The session is closed.
        """
        return self._renders.start(graph.as_take())

    async def wait(self, prompt_id: str, timeout: float | None = None) -> Outputs:  # noqa: ASYNC109 - the errors name the seconds
        """Wait for what was submitted, and return what it made. Each submission can be waited for once.

        Args:
            prompt_id: What :meth:`submit` returned.
            timeout: Seconds from now after which the render is given up and its prompt cancelled on the server, which
                takes up to 4 s more; None for no limit but that of the render itself.

        Raises:
            FixTheInput: Among others ``PlanRefused`` and ``PromptRefused`` (no server can run the graph),
                ``NodeFailed``, ``NothingMade`` and ``StoreRefused``; ``NotInStore`` for an unknown id.
            TryAgain: Among others ``NoServer``, ``OutOfMemory``, ``StoreUnavailable``, and ``RenderTimedOut``, which
                is also a ``TimeoutError``. Four attempts were made before, unless the time was over.
        """
        made = await self._renders.wait(prompt_id, timeout)
        return await outputs_of(made.record, self._links, cached=made.cached)

    async def render(
        self,
        shot: ShotInput,
        workflow: WorkflowInput,
        *,
        take: int = 1,
        timeout: float | None = None,  # noqa: ASYNC109 - the errors name the seconds
    ) -> Outputs:
        """Render one take of a shot: build, submit and wait.

        Raises:
            PrevisError: As :meth:`build` and :meth:`wait`.
        """
        graph = await self.build(shot, workflow, take=take)
        return await self.wait(self.submit(graph), timeout)

    async def render_many(
        self,
        shots: ShotsInput,
        workflow: WorkflowInput,
        *,
        at_once: int = 4,
        takes: int = 1,
        timeout: float | None = None,  # noqa: ASYNC109 - the errors name the seconds
        on_settled: Callable[[ShotResult], None] = lambda _: None,
    ) -> list[ShotResult]:
        """Render a list, and return a result for each take, in the list's order; one failure stops no other take.

        Shots may use frames of others (``shot:SH010``); they wait for these.

        Args:
            shots: Shot list, or its path or URL.
            workflow: As for :meth:`build`.
            at_once: Number of takes in work at any time, whatever number of servers there is.
            takes: Takes per shot, unless the shot sets its own number.
            timeout: Seconds for each take, from the moment when it is in work; None for no limit.
            on_settled: Receives each result as soon as it is there.

        Raises:
            ShotListFaults, WorkflowFaults, SourceNotFound, SourceUnavailable: As :meth:`build`; nothing was rendered.
            PlanRefused: No server can render some takes; nothing was rendered.
            ValueError: ``at_once`` is less than 1.
        """
        if at_once < 1:
            msg = f"at_once is {at_once}: at least 1 take must be in work"
            raise ValueError(msg)
        plan = await self._plan(shots, workflow, takes=takes)
        context = self._context
        found = await cached_takes(plan.takes, context.store, context.farm.model_hashes, warn=self._warn)
        return await render_plan(
            plan, found, self._renders, self._links, at_once=at_once, seconds=timeout, on_settled=on_settled
        )

    async def _plan(
        self, shots: ShotsInput, workflow: WorkflowInput, *, takes: int = 1, take: int | None = None
    ) -> Plan:
        """Load and bind the shots; with ``take`` the only shot, up to that number."""
        context = self._context
        inputs = await load_inputs(
            str(shots) if isinstance(shots, Path) else shots,
            str(workflow) if isinstance(workflow, Path) else workflow,
            context.reader,
            context.store,
            context.farm.classes,
            folder=str(Path.cwd()),
        )
        shot_list = inputs.shot_list if take is None else _single(inputs.shot_list, take)
        options = RunOptions(takes=takes)
        given = shot_list, inputs.workflows, inputs.pictures
        plan = await asyncio.to_thread(make_plan, *given, options=options)
        for notice in plan.notices:
            if notice not in self._warned:
                self._warned.add(notice)
                self._warn(notice)
        return plan


def _single(shot_list: ShotList, take: int) -> ShotList:
    """Return a list of one shot with takes up to this number, and without its passes, with a notice if it had some."""
    [shot] = shot_list.shots
    single = shot_list.model_copy(update={"shots": (shot.model_copy(update={"takes": take, "passes": None}),)})
    return (
        single.with_notice("passes of a single shot are left out: render_many renders them") if shot.passes else single
    )
