"""Bad weather for servers: random faults from a seed, as scripts; pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from previs.simulator import ALWAYS, Cue

# A client waits 5 s for a server, and looks every 2 s: of a longer outage it may not see the end in time.
LONGEST_OUTAGE = 2.5
BETWEEN_OUTAGES = 3.0
_BETWEEN_FAULTS = (0.1, 1.0)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Of fault.

    Attributes:
        draw: gives all of the cue but its moment.
        outage: whether nothing can be had of the server meanwhile.
        weight: how often it comes, compared with others.
    """

    draw: Callable[[random.Random], dict[str, Any]]
    outage: bool = False
    weight: int = 2


def weather(seed: int, server: int, seconds: float = 600) -> tuple[Cue, ...]:
    """What goes wrong with one server of a storm; the same for the same seed and number of the server.

    No outage is longer than :data:`LONGEST_OUTAGE`, and between two of them are at least :data:`BETWEEN_OUTAGES`.
    """
    dice = random.Random(f"{seed}:{server}")  # noqa: S311 - draws faults
    cues: list[Cue] = []
    now, fine_until = 0.0, 0.0
    while now < seconds:
        now += dice.uniform(*_BETWEEN_FAULTS)
        kinds = [kind for kind in _KINDS if not kind.outage or now >= fine_until]
        [kind] = dice.choices(kinds, [kind.weight for kind in kinds])
        cue = Cue(after_seconds=now, **kind.draw(dice))
        if kind.outage:
            fine_until = now + (cue.for_seconds or 0.0) + BETWEEN_OUTAGES
        cues.append(cue)
    return tuple(cues)


def _door(dice: random.Random) -> dict[str, Any]:
    return {"door": "closed", "cut": dice.random() < 0.5, "for_seconds": _outage(dice)}  # noqa: PLR2004 - a coin


def _restart(dice: random.Random) -> dict[str, Any]:
    return {"door": "closed", "restart": True, "for_seconds": _outage(dice)}


def _refusal(dice: random.Random) -> dict[str, Any]:
    return {
        "set": {
            "refuse": dice.choice([ALWAYS, dice.randint(1, 8)]),
            "refuse_status": dice.choice([429, 502, 503]),
            "retry_after": dice.choice([None, 1]),
        },
        "for_seconds": _outage(dice),
    }


def _hang_up(dice: random.Random) -> dict[str, Any]:
    return {"set": {"hang_up": dice.choice([ALWAYS, dice.randint(1, 5)])}, "for_seconds": _outage(dice)}


def _slow(dice: random.Random) -> dict[str, Any]:
    return {"set": {"answer_after": dice.uniform(0.05, 0.5)}, "for_seconds": dice.uniform(0.2, 1.5)}


def _lost_answer(dice: random.Random) -> dict[str, Any]:
    return {"set": {"lose_prompt_answer": dice.randint(1, 3)}}


def _dropped_socket(dice: random.Random) -> dict[str, Any]:
    return {"set": {"drop_sockets": dice.randint(1, 2), "drop_after_frames": dice.randint(1, 30)}}


def _cut(_: random.Random) -> dict[str, Any]:
    return {"cut": True}


def _frames(dice: random.Random) -> dict[str, Any]:
    change = dice.choice(["skip_frames", "repeat_frames", "delay_frames"])
    value = dice.uniform(0.02, 0.3) if change == "delay_frames" else dice.randint(1, 20)
    return {"set": {change: value}, "for_seconds": dice.uniform(0.2, 2)}


def _damage(dice: random.Random) -> dict[str, Any]:
    change = dice.choice(["cut_downloads", "garbage", "short_files", "long_files"])
    return {"set": {change: dice.randint(1, 3)}, "for_seconds": dice.uniform(0.2, 1)}


def _lagging(dice: random.Random) -> dict[str, Any]:
    return {"set": {"history_lag": dice.uniform(0.02, 0.3)}, "for_seconds": dice.uniform(0.2, 1)}


def _forgetful(dice: random.Random) -> dict[str, Any]:
    return {"set": {"history_limit": dice.randint(0, 2)}, "for_seconds": dice.uniform(0.1, 1)}


def _full(_: random.Random) -> dict[str, Any]:
    return {"set": {"memory_full": True}, "for_seconds": 2.0}


def _outage(dice: random.Random) -> float:
    return dice.uniform(0.1, LONGEST_OUTAGE)


_KINDS = (
    _Kind(_door, outage=True),
    _Kind(_restart, outage=True),
    _Kind(_refusal, outage=True, weight=4),
    _Kind(_hang_up, outage=True),
    _Kind(_slow),
    _Kind(_lost_answer, weight=3),
    _Kind(_dropped_socket, weight=3),
    _Kind(_cut),
    _Kind(_frames, weight=4),
    _Kind(_damage, weight=3),
    _Kind(_lagging),
    _Kind(_forgetful, weight=1),
    _Kind(_full, weight=1),
)
