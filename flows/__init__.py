"""Define the Prefect flows, one module per deployed flow."""
