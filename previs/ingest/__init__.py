"""Read the inputs of a run: shot lists, workflows and references, by path or URL."""
