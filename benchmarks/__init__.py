"""What measures speed, recovery, safety and memory, without Prefect.

Nothing here fails for being slow; a goal that is missed is shown.
"""
