"""Find the saved block that a store is named by, and open it."""

from typing import Final, TypeAlias

from prefect.blocks.core import Block

from blocks.aws import S3BucketStore, saved_bucket, saved_credentials
from blocks.frame_store import FolderFrameStore, S3FrameStore
from blocks.saved import saved
from previs.errors import StoreRefused
from previs.store import FolderStore, S3Store
from previs.store.opening import AWS_BUCKET, BLOCK

StoreBlock: TypeAlias = S3FrameStore | FolderFrameStore | S3BucketStore
_OWN: Final = (S3FrameStore, FolderFrameStore)


async def saved_store(name: str) -> StoreBlock | None:
    """Return the saved store of a name, or None if there is none.

    Args:
        name: Name of a block of previs; or the type of the block and its name, such as ``s3-bucket/NAME``.

    Raises:
        StoreRefused: Such blocks are no stores, or prefect-aws is not installed.
        SourceNotFound, PrefectUnavailable, PrefectRefused: As in :func:`blocks.saved.saved`.
    """
    slug, _, name_in_type = name.rpartition("/")
    if slug == AWS_BUCKET:
        return await saved_bucket(name_in_type)
    kinds = [each for each in _OWN if slug in {"", each.get_block_type_slug()}]
    if not kinds:
        known = ", ".join(each.get_block_type_slug() for each in _OWN)
        raise StoreRefused(f"{BLOCK}{name}", f"no block of type {slug} is a store: use {known} or {AWS_BUCKET}")
    for kind in kinds:
        if (found := await saved(kind, name_in_type)) is not None:
            return as_store_block(found)
    return None


async def open_block(block: StoreBlock) -> S3Store | FolderStore:
    """Return the store of a block, with the credentials of another block if it names one.

    Raises:
        StoreRefused: The settings, or those of the other block, cannot be used.
        SourceNotFound, PrefectUnavailable, PrefectRefused: As in :func:`blocks.saved.saved`.
    """
    if isinstance(block, S3FrameStore) and (reference := block.credentials.block):
        return block.open(await saved_credentials(reference))
    return block.open()


def as_store_block(block: StoreBlock | Block) -> StoreBlock:
    """Return any block as a store.

    Raises:
        StoreRefused: Such blocks are no stores.
    """
    if isinstance(block, S3FrameStore | FolderFrameStore | S3BucketStore):
        return block
    if block.get_block_type_slug() == AWS_BUCKET:
        return S3BucketStore(block=block)
    raise StoreRefused(f"the block {block.get_block_type_slug()}", "it is no store")
