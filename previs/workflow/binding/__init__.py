"""Bind the values of a shot to the inputs of a graph."""
