"""Prefect tasks, one file per kind of step; retries, timeouts and states live here and nowhere else."""
