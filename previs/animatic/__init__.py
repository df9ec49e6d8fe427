"""Make a film of a board: each shot's take for its time, with slates, subtitles and scratch sound.

``timeline`` says what plays when, and is pure. ``child`` decodes what servers made, in a process of its own, which
``decoder`` asks. ``movie`` encodes, and ``make`` joins them.
"""
