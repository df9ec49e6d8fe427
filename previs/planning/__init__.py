"""Plan a run: bind takes, fingerprint them, find what is cached, check the rest and estimate its time."""
