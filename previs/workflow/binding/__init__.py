"""Represent bindings: which inputs of a graph take which values of a shot, and why.

``bindings`` holds the types, ``bindings_file`` reads what an artist states, ``suggestions`` writes such files,
``overrides`` sets any input, and ``limits`` checks values. ``addresses``, ``traversal`` and ``link_types`` read
graphs.
"""
