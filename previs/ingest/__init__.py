"""Read what a run is made from: shot lists, workflows and references, by path or URL."""
