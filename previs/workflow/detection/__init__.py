"""Detect which inputs of a graph take the prompt, seed, size, length and references."""
