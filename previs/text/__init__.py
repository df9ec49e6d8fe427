"""Show text from outside on terminals and in logs, and suggest similar names; knows nothing of the rest of previs."""
