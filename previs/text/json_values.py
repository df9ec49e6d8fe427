"""Count the values of a JSON text before they take memory: each takes twenty times its length or more."""

import re
from itertools import islice
from typing import Final

# A comma or an opening bracket, with what is before it: one precedes each value. Those in texts do not count.
_BEFORE_VALUE: Final = re.compile(r'(?:[^",\[{]++|"(?:[^"\\]++|\\.)*+"?)*+(?:[,\[{]|\Z)', re.DOTALL)


def has_more_values(text: str, most: int) -> bool:
    """Return whether a JSON text has more values than ``most``, in objects and lists."""
    return sum(map(text.count, ",[{")) > most and any(True for _ in islice(_BEFORE_VALUE.finditer(text), most, None))
