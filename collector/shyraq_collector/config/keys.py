"""The collector's receipt key on disk: made once, never overwritten, readable by its owner only."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_collector.errors import ConfigError

_OWNER_ONLY = 0o600


def make_key_file(path: Path) -> Ed25519PrivateKey:
    """Make a new key and write it, PEM (PKCS 8), mode 0600.

    Raises:
        ConfigError: The file exists already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists already; a key is never overwritten") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
    return key


def read_key_file(path: Path) -> Ed25519PrivateKey:
    """The key in a file.

    Raises:
        ConfigError: It cannot be read, is open to others, or holds no Ed25519 key.
    """
    try:
        pem, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        remedy = "`shyraq-collector keygen` makes one"
        raise ConfigError(f"{path}: cannot be read: {error}; {remedy}") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read this key; chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not an unencrypted PEM key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: an Ed25519 key is due")
    return key
