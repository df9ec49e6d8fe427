"""Recognize transitions of shots that are cross-fades in an animatic: ``DISSOLVE TO:``, 叠化; pure."""

import re
from typing import Final

# Fades to and from black are shown as cross-fades, too.
_FADES: Final = re.compile(
    r"\b(?:(?:cross|x)[\s-]*)?(?:dissolve[sd]?|fad(?:e|es|ed|ing)|diss)\b|\bmix\s+to\b|\bdx\b|überblend|fondu"
    r"|[叠疊][化画畫]|[淡化溶][入出]|渐[隐显]|漸[隱顯]|溶[接镜鏡]|交叉溶",
    re.IGNORECASE,
)


def is_fade(transition: str) -> bool:
    """Return whether a transition goes over to the next shot by a dissolve or a fade."""
    return _FADES.search(transition) is not None
