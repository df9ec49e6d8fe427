"""Build a graph from workflow settings instead of a saved file."""
