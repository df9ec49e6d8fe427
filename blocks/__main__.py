"""Write a saved block as JSON for the ``previs`` command, which does not import Prefect.

``python -m blocks farm NAME`` and ``python -m blocks store NAME`` write secrets in plain text, and therefore never to a
terminal. They exit with 0, with 2 if the block is not saved, and with 1 if it cannot be read.

``python -m blocks notices NAME`` sends a test to each service of the block, and writes as JSON what became of it; the
exit codes are the same.
"""

import asyncio
import json
import sys

from pydantic import SecretStr, TypeAdapter

from blocks import ComfyUIFarm, Notices
from blocks.asking import use_running_server
from blocks.saved import saved
from blocks.stores import open_block, saved_store
from previs.comfyui.client.address import Address
from previs.errors import PrevisError
from previs.store import FolderStore
from previs.text.logs import show_logs_visibly
from previs.text.visible import visible

_ADDRESSES = TypeAdapter(tuple[Address, ...])
_NOT_READ, _NOT_SAVED = 1, 2


def main() -> int:
    """Write the block that the command line names and return the exit code."""
    kind, name = sys.argv[1:]
    if kind != "notices" and sys.stdout.isatty():
        sys.stderr.write("this command writes secrets, and only to a pipe\n")
        return _NOT_READ
    show_logs_visibly()
    use_running_server()
    read = {"farm": _farm, "store": _store, "notices": _test_notices}[kind]
    try:
        content = asyncio.run(read(name))
    except PrevisError as error:
        sys.stderr.write(visible(str(error), lines=True) + "\n")
        return _NOT_READ
    if content is None:
        return _NOT_SAVED
    sys.stdout.write(content)
    return 0


async def _farm(name: str) -> str | None:
    farm = await saved(ComfyUIFarm, name)
    return None if farm is None else _ADDRESSES.dump_json(farm.addresses()).decode()


async def _test_notices(name: str) -> str | None:
    """Send a test to each service, and return a line for each as JSON: its name, and why it got none."""
    block = await saved(Notices, name)
    return None if block is None else json.dumps(await block.test())


async def _store(name: str) -> str | None:
    block = await saved_store(name)
    if block is None:
        return None
    store = await open_block(block)
    if isinstance(store, FolderStore):
        return json.dumps({"folder": store.name, "page_assets": store.page_assets})
    return json.dumps(dict(store.settings), default=SecretStr.get_secret_value)


if __name__ == "__main__":
    sys.exit(main())
