"""Show text from outside, suggest similar names and count JSON's values; knows nothing of the rest of previs."""
