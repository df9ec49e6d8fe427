"""The wire protocol of ComfyUI; knows nothing of film."""
