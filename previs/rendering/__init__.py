"""Render takes: dispatch them to servers, lease them, follow their prompts and record their frames."""
