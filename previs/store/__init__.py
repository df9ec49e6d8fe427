"""Keep frames, records and boards in S3 or in a folder, behind one interface."""

from previs.store import keys
from previs.store.folder import FolderStore
from previs.store.interface import Store, StoredFile
from previs.store.s3 import S3Store
from previs.store.s3_settings import S3Settings

__all__ = ["FolderStore", "S3Settings", "S3Store", "Store", "StoredFile", "keys"]
