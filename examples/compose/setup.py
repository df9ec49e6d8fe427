"""Create the bucket, and save the farm and the store as blocks named ``default``; what exists is left alone."""

import asyncio
import os

from blocks import ComfyUIFarm, S3FrameStore
from blocks.saved import saved
from previs.store.opening import DEFAULT_BLOCK, s3_settings
from previs.store.s3_connection import make_client


async def main() -> None:
    """Read the environment that compose.yaml sets."""
    names = ("S3_BUCKET", "S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    fields = {name.removeprefix("S3_").lower(): os.environ[name] for name in names} | {"region": "us-east-1"}
    client = make_client(s3_settings(dict(fields)))
    if fields["bucket"] not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=fields["bucket"])
    if await saved(S3FrameStore, DEFAULT_BLOCK) is None:
        await S3FrameStore.model_validate(fields).asave(DEFAULT_BLOCK)
    if await saved(ComfyUIFarm, DEFAULT_BLOCK) is None:
        await ComfyUIFarm(servers=os.environ["COMFYUI_SERVERS"].split()).asave(DEFAULT_BLOCK)


if __name__ == "__main__":
    asyncio.run(main())
