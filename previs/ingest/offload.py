"""Hand a shot list over to a flow: inline while it is small, else through the store."""

import hashlib
import json
from typing import Any

from previs.store import Store, keys

# Prefect refuses parameters of over 524,288 bytes in all.
INLINE_BYTES = 400_000


async def shots_parameter(shots: Any, store: Store) -> Any:  # noqa: ANN401 - any JSON; the flow says what is wrong with it
    """The value for the flow's parameter ``shots``: the list itself, or the place where it was put.

    Relative references mean the same either way: names in ``PREFIX/references/`` of the store.
    """
    # Prefect measures JSON with every character beyond ASCII escaped.
    escaped = json.dumps(shots)
    if len(escaped) <= INLINE_BYTES:
        return shots
    try:
        content = json.dumps(shots, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half of a character, which the list's reader will report.
        content = escaped.encode()
    key = keys.shot_list_key(hashlib.sha256(content).hexdigest())
    await store.put(key, content, media_type="application/json")
    return store.uri(key)
