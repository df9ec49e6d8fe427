"""Communicate with ComfyUI servers: HTTP, one WebSocket per server, uploads, and the prompts that run there."""
