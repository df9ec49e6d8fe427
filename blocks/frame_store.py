"""Define the Prefect blocks that hold a store: a bucket or a folder."""

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from previs.store import FolderStore, S3Store
from previs.store.opening import s3_settings
from previs.store.s3_settings import S3Fields


class S3FrameStore(Block, S3Fields):
    """Hold a bucket of S3 or of any service with its protocol: AWS, R2, GCS, MinIO, Ceph.

    The settings are fields of the block itself. In a nested model they would expose secrets: Prefect merges a saved
    block with the new values, and masks only the secrets of the new schema.
    """

    _block_type_name = "S3 Frame Store"
    _block_type_slug = "s3-frame-store"
    _description = "A bucket, and a folder in it, that keeps frames, records and boards."

    def open(self) -> S3Store:
        """Return the store, without a request to it.

        Raises:
            StoreRefused: The settings contradict each other.
        """
        return S3Store(s3_settings({name: getattr(self, name) for name in S3Fields.model_fields}))


class FolderFrameStore(Block):
    """Hold a folder on a disk that every worker sees."""

    _block_type_name = "Folder Frame Store"
    _block_type_slug = "folder-frame-store"
    _description = "A folder that keeps frames, records and boards."

    folder: str = Field(title="Folder", description="Path of the folder.", min_length=1, examples=["/mnt/boards"])
    page_assets: bool = Field(
        default=False,
        title="Style and script beside pages",
        description="As of the S3 store, for a folder that a web server with a strict policy publishes.",
    )

    def open(self) -> FolderStore:
        """Return the store; it creates the folder when it first writes."""
        return FolderStore(Path(self.folder).expanduser(), page_assets=self.page_assets)
