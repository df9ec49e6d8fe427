"""What measures speed, recovery, safety and memory; runs of the flow with Prefect, the rest without.

Nothing here fails for being slow; a goal that is missed is shown.
"""
