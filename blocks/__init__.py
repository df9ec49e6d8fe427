"""Define the Prefect blocks, through which all addresses and secrets enter."""

from blocks.allowed_sources import AllowedSources
from blocks.comfyui_farm import ComfyUIFarm
from blocks.frame_store import FolderFrameStore, S3FrameStore
from blocks.notices import Notices
from blocks.webhook import Webhook

__all__ = ["AllowedSources", "ComfyUIFarm", "FolderFrameStore", "Notices", "S3FrameStore", "Webhook"]
