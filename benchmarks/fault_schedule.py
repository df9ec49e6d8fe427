"""Draw random faults for servers from a seed, as scripts; pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from previs.simulator import ALWAYS, Cue

# A client waits 5 s for a server and checks it every 2 s, so it may miss the end of a longer outage.
LONGEST_OUTAGE = 2.5
BETWEEN_OUTAGES = 3.0
_BETWEEN_FAULTS = (0.1, 1.0)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Describe a kind of fault.

    Attributes:
        draw: Draws the cue, except its time.
        outage: Whether the server does not answer meanwhile.
        weight: Frequency relative to other kinds.
    """

    draw: Callable[[random.Random], dict[str, Any]]
    outage: bool = False
    weight: int = 2


def fault_schedule(seed: int, server: int, seconds: float = 600) -> tuple[Cue, ...]:
    """Draw the faults of one server; the same seed and server number give the same faults.

    No outage is longer than :data:`LONGEST_OUTAGE`. Two outages are at least :data:`BETWEEN_OUTAGES` apart.
    """
    rng = random.Random(f"{seed}:{server}")  # noqa: S311 - draws faults
    cues: list[Cue] = []
    now, up_until = 0.0, 0.0
    while now < seconds:
        now += rng.uniform(*_BETWEEN_FAULTS)
        kinds = [kind for kind in _KINDS if not kind.outage or now >= up_until]
        [kind] = rng.choices(kinds, [kind.weight for kind in kinds])
        cue = Cue(after_seconds=now, **kind.draw(rng))
        if kind.outage:
            up_until = now + (cue.for_seconds or 0.0) + BETWEEN_OUTAGES
        cues.append(cue)
    return tuple(cues)


def _door(rng: random.Random) -> dict[str, Any]:
    return {"door": "closed", "cut": rng.random() < 0.5, "for_seconds": _outage(rng)}  # noqa: PLR2004 - a coin


def _restart(rng: random.Random) -> dict[str, Any]:
    return {"door": "closed", "restart": True, "for_seconds": _outage(rng)}


def _refusal(rng: random.Random) -> dict[str, Any]:
    return {
        "set": {
            "refuse": rng.choice([ALWAYS, rng.randint(1, 8)]),
            "refuse_status": rng.choice([429, 502, 503]),
            "retry_after": rng.choice([None, 1]),
        },
        "for_seconds": _outage(rng),
    }


def _hang_up(rng: random.Random) -> dict[str, Any]:
    return {"set": {"hang_up": rng.choice([ALWAYS, rng.randint(1, 5)])}, "for_seconds": _outage(rng)}


def _slow(rng: random.Random) -> dict[str, Any]:
    return {"set": {"answer_after": rng.uniform(0.05, 0.5)}, "for_seconds": rng.uniform(0.2, 1.5)}


def _lost_answer(rng: random.Random) -> dict[str, Any]:
    return {"set": {"lose_prompt_answer": rng.randint(1, 3)}}


def _dropped_socket(rng: random.Random) -> dict[str, Any]:
    return {"set": {"drop_sockets": rng.randint(1, 2), "drop_after_frames": rng.randint(1, 30)}}


def _cut(_: random.Random) -> dict[str, Any]:
    return {"cut": True}


def _frames(rng: random.Random) -> dict[str, Any]:
    change = rng.choice(["skip_frames", "repeat_frames", "delay_frames"])
    value = rng.uniform(0.02, 0.3) if change == "delay_frames" else rng.randint(1, 20)
    return {"set": {change: value}, "for_seconds": rng.uniform(0.2, 2)}


def _damage(rng: random.Random) -> dict[str, Any]:
    change = rng.choice(["cut_downloads", "garbage", "short_files", "long_files"])
    return {"set": {change: rng.randint(1, 3)}, "for_seconds": rng.uniform(0.2, 1)}


def _lagging(rng: random.Random) -> dict[str, Any]:
    return {"set": {"history_lag": rng.uniform(0.02, 0.3)}, "for_seconds": rng.uniform(0.2, 1)}


def _forgetful(rng: random.Random) -> dict[str, Any]:
    return {"set": {"history_limit": rng.randint(0, 2)}, "for_seconds": rng.uniform(0.1, 1)}


def _full(_: random.Random) -> dict[str, Any]:
    return {"set": {"memory_full": True}, "for_seconds": 2.0}


def _outage(rng: random.Random) -> float:
    return rng.uniform(0.1, LONGEST_OUTAGE)


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
