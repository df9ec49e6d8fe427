"""Report what happens to a board: events and webhooks."""
