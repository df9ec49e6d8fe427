"""Treat several ComfyUI servers as one farm: placement, capabilities, and a circuit breaker for each server."""
