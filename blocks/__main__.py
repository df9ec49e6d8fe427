"""Tell the ``previs`` command what a saved block holds.

``python -m blocks farm NAME`` and ``python -m blocks store NAME`` write one line of JSON, secrets included, and only
into a pipe: never to a terminal. They exit with 0, or with 2 where no such block is saved.
"""

import asyncio
import json
import sys
from typing import Any

from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from blocks.saved import saved
from previs.errors import PrevisError
from previs.store import S3Settings

_NO_BLOCK = 2


def main() -> int:
    """Write the block named on the command line."""
    kind, name = sys.argv[1:3]
    if sys.stdout.isatty():
        sys.stderr.write("this writes secrets, and only into a pipe\n")
        return 1
    try:
        told = asyncio.run(_farm(name) if kind == "farm" else _store(name))
    except PrevisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if told is None:
        return _NO_BLOCK
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


async def _farm(name: str) -> list[dict[str, Any]] | None:
    farm = await saved(ComfyUIFarm, name)
    return (
        None
        if farm is None
        else [
            {
                "url": address.url,
                "headers": dict(address.headers),
                "authority": address.tls.authority,
                "verify": address.tls.verify,
            }
            for address in farm.addresses()
        ]
    )


async def _store(name: str) -> dict[str, Any] | None:
    if bucket := await saved(S3FrameStore, name):
        return {"s3": {field: _revealed(getattr(bucket, field)) for field in S3Settings.model_fields}}
    folder = await saved(FolderFrameStore, name)
    return None if folder is None else {"folder": folder.folder}


def _revealed(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


if __name__ == "__main__":
    sys.exit(main())
