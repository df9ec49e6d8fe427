"""Check a run's parameters for secrets before anything else reads them, and declare their types.

Prefect keeps and shows parameters, also in its own error if another parameter is not valid. So URLs with credentials
are refused while Prefect validates the parameters, and blocks that are no blocks without their values.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Final

from prefect.blocks.core import Block
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from blocks import ComfyUIFarm, Notices, Webhook
from blocks.stores import StoreBlock
from previs.errors import (
    FarmRefused,
    NoticesRefused,
    PrevisError,
    ShotListFaults,
    SourceNotFound,
    StoreRefused,
    WebhookRefused,
)
from previs.notifications.payload_text import parse_payload
from previs.shots import plain_json
from previs.store.credentials import credentials_in, parameter_fault

_KEPT: Final = "Prefect keeps what was typed among this run's parameters: delete the run"
_HAS_ONE: Final = "everybody who sees the run could use its user, password, signature or key: save a block with it"
_TYPED_NOTICES: Final = "their settings are among the run's parameters: save them as a block, and choose that block"
_TYPED_WEBHOOK: Final = "an address among the run's parameters"


def _refuse_source(name: str, fault: str) -> PrevisError:
    return SourceNotFound(name, f"{fault}. {_KEPT}")


def _refuse_farm(name: str, _: str) -> PrevisError:
    return FarmRefused(f"{name}: {_HAS_ONE}, in its token or headers, and choose the block. {_KEPT}")


def _refuse_store(name: str, _: str) -> PrevisError:
    return StoreRefused(name, f"{_HAS_ONE}, and choose the block. {_KEPT}")


def _refuse_webhook(_name: str, _fault: str) -> PrevisError:
    return WebhookRefused(_TYPED_WEBHOOK, f"save it as a block, and choose that block. {_KEPT}")


def _webhook_not_valid(reasons: str) -> PrevisError:
    return WebhookRefused(_TYPED_WEBHOOK, f"save it as a block, and choose that block ({reasons})")


def _refuse_notices(_name: str, _fault: str) -> PrevisError:
    return NoticesRefused(f"{_TYPED_NOTICES}. {_KEPT}")


def _notices_not_valid(reasons: str) -> PrevisError:
    return NoticesRefused(f"{_TYPED_NOTICES} ({reasons})")


def _check_source(given: object, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - the parameter
    for name, fault in _faults_in(given):
        raise _refuse_source(name, fault)
    return handler(given)


def _check_block(
    given: object,
    handler: ValidatorFunctionWrapHandler,
    *,
    refuse: Callable[[str, str], PrevisError],
    not_valid: Callable[[str], PrevisError],
) -> Any:  # noqa: ANN401 - the parameter
    if isinstance(given, Block):
        return handler(given)
    for name, fault in _faults_in(given):
        raise refuse(name, fault)
    try:
        return handler(given)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        reasons = "; ".join(dict.fromkeys(each["msg"].removeprefix("Value error, ") for each in faults))
    # Outside of the handler, as its context would be shown with the values.
    raise not_valid(reasons)


def _faults_in(given: object) -> Iterator[tuple[str, str]]:
    """Yield how each text with credentials may be shown, and what is wrong with it."""
    try:
        given = parse_payload(given)
    except ShotListFaults:
        return  # The flow reports them.
    if isinstance(given, str):
        texts = [] if "\n" in given else [given]
    elif isinstance(given, list) and all(isinstance(each, str) for each in given):
        texts = given
    else:
        texts = list(credentials_in(plain_json(given)))
    for text in texts:
        name, fault = parameter_fault(text)
        if fault:
            yield name, fault


NO_SECRETS: Final = WrapValidator(_check_source)
"""Refuse the parameter if it is or holds a URL with credentials."""

FarmParameter = Annotated[
    ComfyUIFarm | list[str] | str | None,
    WrapValidator(partial(_check_block, refuse=_refuse_farm, not_valid=FarmRefused)),
]
StoreParameter = Annotated[
    StoreBlock | str | None,
    WrapValidator(partial(_check_block, refuse=_refuse_store, not_valid=partial(StoreRefused, "the store"))),
]
WebhookParameter = Annotated[
    Webhook | None,
    WrapValidator(partial(_check_block, refuse=_refuse_webhook, not_valid=_webhook_not_valid)),
]
NoticesParameter = Annotated[
    Notices | None,
    WrapValidator(partial(_check_block, refuse=_refuse_notices, not_valid=_notices_not_valid)),
]
