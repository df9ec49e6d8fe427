"""Show text from outside on terminals and in logs; knows nothing of the rest of previs."""
