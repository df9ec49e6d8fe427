"""Keep the runs of a board: list them, pick takes, number runs, and decide what retention removes."""
