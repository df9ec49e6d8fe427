"""Send a shot list to a flow: inline if it is small, else through the store."""

import hashlib
import json
from typing import Any

from previs.store import Store, keys
from previs.store.credentials import credentials_in

# Prefect refuses parameters larger than 524,288 bytes in total.
INLINE_BYTES = 400_000


async def shots_parameter(shots: Any, store: Store) -> Any:  # noqa: ANN401 - any JSON; the flow reports its faults
    """Return the value of the flow's parameter ``shots``: the list itself, or the URI under which it was stored.

    A list with credentials in its URLs is stored too, since Prefect shows parameters to everyone.

    Relative references mean the same in both cases: names in ``PREFIX/references/`` of the store.
    """
    # Prefect measures JSON with every non-ASCII character escaped.
    escaped = json.dumps(shots)
    if len(escaped) <= INLINE_BYTES and not any(credentials_in(shots)):
        return shots
    try:
        content = json.dumps(shots, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, which the flow reports as a fault.
        content = escaped.encode()
    key = keys.shot_list_key(hashlib.sha256(content).hexdigest())
    await store.put(key, content, media_type="application/json")
    return store.uri(key)
