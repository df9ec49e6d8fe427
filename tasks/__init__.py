"""Define the Prefect tasks, one module per step; retries, timeouts and states are decided here alone."""
