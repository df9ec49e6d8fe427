"""Find out which parameters of a run the operator set, and which a sender.

Whoever deploys is the operator: values of the deployment itself, of its schedules, and of the nightly boards. A run
without a deployment is the operator's own. What else a run was started with, by a form or an event, is a sender's. A
run that renders a part of a board has the parameters of the run whose board it is.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from blocks import AllowedSources
from blocks.asking import prefect_client
from blocks.saved import saved
from previs.ingest.access import Allowed
from previs.store import Store
from previs.store.opening import BLOCK, DEFAULT_BLOCK
from tasks.form import unfolded
from tasks.part import Part
from tasks.prefect_yaml import AFTER

_NIGHTLY: Final = "nightly"
_BLOCKS: Final = frozenset({"farm", "store", "webhook", "notices"})
_known: dict[str, "Starter"] = {}


@dataclass(frozen=True, slots=True)
class Starter:
    """Hold whose the parameters of this run are.

    Attributes:
        of_senders: Names of the parameters that a sender set.
        follows: Names of flows whose results the operator has this deployment render.
        allowed: What senders' addresses may reach besides public ones; None if there is no sender.
        stores: Buckets and folders that a sender may choose as the store.
        own: Farm and store of the deployment's own parameters, as far as it has them.
    """

    of_senders: frozenset[str] = frozenset()
    follows: frozenset[str] = frozenset()
    allowed: Allowed | None = None
    stores: Allowed = field(default_factory=Allowed)
    own: Mapping[str, Any] = field(default_factory=dict)

    def allowed_with(self, store: Store) -> Allowed | None:
        """Return the allowances with the run's store, which the operator chose or allows."""
        return self.allowed and self.allowed.with_store(store)


def night_key(board: str) -> str:
    """Return the key under which this nightly run starts the run of a board, once."""
    return f"{_NIGHTLY} {flow_run.id} {board}"


async def starter() -> Starter:
    """Return whose the parameters of this flow run are, or the operator's outside of one; Prefect is asked once.

    Raises:
        PrefectUnavailable, PrefectRefused: Prefect's server does not say.
        SourceNotFound: The saved block AllowedSources is no longer valid.
    """
    if flow_run.id is None:
        return Starter()
    identity = str(flow_run.id)
    if identity not in _known:
        _known[identity] = await _ask(UUID(identity))
    return _known[identity]


async def _ask(identity: UUID) -> Starter:
    async with prefect_client() as client:
        run = await client.read_flow_run(identity)
        if run.deployment_id is None:
            return Starter()
        block = await saved(AllowedSources, DEFAULT_BLOCK) or AllowedSources()
        deployment = await client.read_deployment(run.deployment_id)
        run = await _parent_of(client, run) or run
        night = await _night_of(client, run)
        of_senders = await _of_senders(client, night or run, trusted=block.trust_run_parameters)
        if night is not None and "store" in of_senders:
            # The boards are those of a store that a sender chose.
            of_senders = await _of_senders(client, run)
        elif night is not None:
            of_senders &= {"farm"}
    follows = frozenset(tag.removeprefix(AFTER) for tag in deployment.tags if tag.startswith(AFTER))
    own = {name: value for name, value in unfolded(deployment.parameters).items() if name in _BLOCKS}
    return Starter(of_senders, follows, block.allowed(), block.allowed_stores(), own)


async def _of_senders(client: PrefectClient, run: FlowRun, *, trusted: bool = False) -> frozenset[str]:
    """Return the parameters whose values are not those of the run's deployment or its schedule.

    Args:
        client: Client of Prefect's server.
        run: The run.
        trusted: Whether the parameters of a run that somebody started by hand are the operator's.
    """
    if run.deployment_id is None or run.auto_scheduled or (trusted and run.idempotency_key is None):
        return frozenset()
    own = unfolded((await client.read_deployment(run.deployment_id)).parameters)
    return frozenset(
        name
        for name, value in unfolded(run.parameters).items()
        if not (name in own and own[name] == value) and not (name in _BLOCKS and _is_saved(value))
    )


def _is_saved(block: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether a farm, store, webhook or notices are a block that the operator saved."""
    if isinstance(block, Mapping):
        return set(block) == {"$ref"}
    return block is None or (isinstance(block, str) and block.startswith(BLOCK))


async def _parent_of(client: PrefectClient, run: FlowRun) -> FlowRun | None:
    """Return the run of the same deployment that started this one for a part of its board, or None."""
    part = Part.of_key(run.idempotency_key)
    if part is None:
        return None
    with suppress(ObjectNotFound):
        parent = await client.read_flow_run(part.parent)
        return parent if parent.deployment_id == run.deployment_id else None
    return None


async def _night_of(client: PrefectClient, run: FlowRun) -> FlowRun | None:
    """Return the nightly run that started this one, or None.

    No form and no event sets the key that says so.
    """
    night, _, rest = (run.idempotency_key or "").partition(" ")
    if night != _NIGHTLY:
        return None
    try:
        by = await client.read_flow_run(UUID(rest.partition(" ")[0]))
        flow = await client.read_flow(by.flow_id)
    except (ObjectNotFound, ValueError):
        return None
    return by if flow.name == _NIGHTLY else None
