"""Measure speed, recovery, safety and memory: runs of the flow with Prefect, everything else without.

A missed goal is shown; it is not an error.
"""
