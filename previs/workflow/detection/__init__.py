"""Detect which inputs of a saved graph take a shot's values.

``detect`` combines the rest: ``titles`` reads what the artist marked; ``prompts``, ``seeds``, ``sizes``, ``lengths``,
``references`` and ``outputs`` follow links; ``texts``, ``numbers``, ``sampling`` and ``roles`` are what they share.
"""
