"""Render storyboards from shot lists on ComfyUI servers, and keep them in a store."""
