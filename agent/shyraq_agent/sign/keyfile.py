"""The node's evidence key on the disk: PKCS #8 in PEM, readable by its owner only.

The key is made on the node and never leaves it. A file that others can read is refused, not
repaired: whoever could read it may have.
"""

import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shyraq_agent.disk import create
from shyraq_agent.errors import LocalError


def read_key(path: Path) -> Ed25519PrivateKey:
    """The evidence key in a file.

    Raises:
        LocalError: Missing, readable by others, or no Ed25519 key; the text says what to do.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except OSError as error:
        hint = "; `shyraq-agent keygen` makes one" if not path.exists() else ""
        raise LocalError(f"{path}: {error.strerror}{hint}") from error
    if mode & 0o077:
        raise LocalError(f"{path}: others can read it (mode {mode:04o}): chmod 600 {path}")
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalError(f"{path}: not an unencrypted private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalError(f"{path}: an Ed25519 key is due, this is another kind")
    return key


def write_new_key(path: Path) -> Ed25519PrivateKey:
    """Make an evidence key, mode 0600, and commit it to the disk.

    Raises:
        LocalError: The file exists already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        create(path, text)
    except FileExistsError as error:
        raise LocalError(
            f"{path} exists already; a key is never overwritten: move it away or name another file"
        ) from error
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}") from error
    return key


def raw_public_key(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that the collector's registry holds."""
    return key.public_key().public_bytes_raw()
