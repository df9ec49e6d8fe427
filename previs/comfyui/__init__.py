"""Implement ComfyUI's wire protocol and a client; know nothing of film."""
