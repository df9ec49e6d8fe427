"""Read and write ComfyUI's messages without any I/O: graphs, frames, history, queue, node classes, checks."""
