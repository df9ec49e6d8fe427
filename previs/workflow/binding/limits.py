"""Check sizes, seeds and strengths against what ComfyUI's nodes accept.

The bounds are those of ``EmptyLatentImage``, ``KSampler``, ``ControlNetApplyAdvanced`` and ``RepeatLatentBatch`` in the
``object_info`` of ComfyUI 0.3.64.
"""

from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault

SIZE_STEP = 8
SIZE_MIN = 16
SIZE_MAX = 16384
SEED_MAX = 2**64 - 1
STEPS_MAX = 10_000
CFG_MAX = 100
STRENGTH_MAX = 10
BATCH_MAX = 4096
REPEAT_MAX = 64
RATE_MAX = 1000


def whole_size(value: float) -> int:
    """Return the valid size, in pixels, nearest to a computed one."""
    return min(max(round(value / SIZE_STEP) * SIZE_STEP, SIZE_MIN), SIZE_MAX)


def size_remedy(value: object) -> str:
    """Suggest a valid size instead of an invalid one."""
    rule = f"a multiple of {SIZE_STEP} from {SIZE_MIN} to {SIZE_MAX}"
    if type(value) is not int:
        return f"give {rule}, in pixels"
    below = min(max(value // SIZE_STEP * SIZE_STEP, SIZE_MIN), SIZE_MAX - SIZE_STEP)
    return f"give {rule}: the nearest that work are {below} and {below + SIZE_STEP}"


def size_fault(place: str, field: str, value: int) -> Fault | None:
    """Check a width or height in pixels."""
    if type(value) is int and SIZE_MIN <= value <= SIZE_MAX and value % SIZE_STEP == 0:
        return None
    return Fault(place, field, format_value(value), size_remedy(value))


def seed_fault(place: str, value: int) -> Fault | None:
    """Check a seed."""
    if type(value) is int and 0 <= value <= SEED_MAX:
        return None
    return Fault(place, "seed", format_value(value), f"give a whole number from 0 to {SEED_MAX}")


def strength_fault(place: str, reference_id: str, value: float, highest: float) -> Fault | None:
    """Check a reference's strength; NaN is never valid."""
    if not isinstance(value, bool) and 0 <= value <= highest:
        return None
    remedy = f"give a number from 0 to {highest}"
    return Fault(place, f"reference {reference_id}, strength", format_value(value), remedy)
