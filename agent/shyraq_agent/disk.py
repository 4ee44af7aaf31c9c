"""Small files that must survive a power cut at any instant: old or new, never half.

`create`    a file that must not exist yet, such as a key
`replace`   a file written whole under another name, synced, and renamed into place

All of it waits for the disk: call it in a thread.
"""

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def create(path: Path, data: bytes) -> None:
    """Write a new file, mode 0600, and commit it to the disk.

    Raises:
        FileExistsError: There is one already; it is left alone.
        OSError: It cannot be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
    _fill(handle, data)
    _sync_folder(path)


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another, or of none, mode 0600, and commit it to the disk.

    Raises:
        OSError: It cannot be written; the old one stays.
    """
    fresh = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    _fill(os.open(fresh, flags, OWNER_ONLY), data)
    fresh.replace(path)
    _sync_folder(path)


def _fill(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
