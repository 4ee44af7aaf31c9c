"""Evidence keys: which Ed25519 public keys may stand behind a report.

A key is refused unless an honest generator could have made it (RFC 8032 section 5.1.5):

1. it is 32 bytes long;
2. its y coordinate is below the field prime (the one canonical encoding);
3. it decodes to a point of the curve, and not to x = 0 with the sign bit set;
4. the point lies in the subgroup of prime order.

Rule 4 covers the eight points of small order, under which one fixed signature verifies for
most messages, and the points of mixed order, on which verifiers disagree with one another.
A verifier that lacks these checks can be led to accept what nobody signed.

A key's id is the SHA-256 of its 32 raw bytes. This module makes and reads no files.
"""

import hashlib
from functools import lru_cache
from typing import NewType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shyraq_wire.errors import WeakKey

KeyId = NewType("KeyId", str)
"""64 lower-case hexadecimal digits: SHA-256 of the raw public key."""

PUBLIC_KEY_SIZE_BYTES = 32

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = (-121665 * pow(121666, -1, _P)) % _P
_SQRT_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032, 5.1.4)."""


def key_id(public_key_raw: bytes) -> KeyId:
    """The id under which a public key is known in receipts and exports.

    Args:
        public_key_raw: The 32 raw bytes of the key.

    Returns:
        SHA-256 of the bytes, in lower-case hexadecimal.
    """
    return KeyId(hashlib.sha256(public_key_raw).hexdigest())


def load_evidence_key(raw: bytes) -> Ed25519PublicKey:
    """The usable key behind 32 raw bytes; results are cached, as the check costs about 1 ms.

    Args:
        raw: The public key as it stands in the registry, in any buffer.

    Raises:
        WeakKey: The bytes break one of the rules at the top of this module.
        TypeError: Text, or anything else that is no buffer: a bug of the caller.
    """
    return _load(memoryview(raw).tobytes())


@lru_cache(maxsize=16_384)
def _load(raw: bytes) -> Ed25519PublicKey:
    if len(raw) != PUBLIC_KEY_SIZE_BYTES:
        raise WeakKey(f"a public key has {PUBLIC_KEY_SIZE_BYTES} bytes, this has {len(raw)}")
    point = _decode(raw)
    if _is_identity(point) or not _is_identity(_multiply(_ORDER, point)):
        raise WeakKey("the public key is outside the prime-order subgroup")
    return Ed25519PublicKey.from_public_bytes(raw)


def _decode(raw: bytes) -> _Point:
    """RFC 8032 section 5.1.3, refusing every encoding but the canonical one."""
    encoded = int.from_bytes(raw, "little")
    sign, y = encoded >> 255, encoded & ((1 << 255) - 1)
    if y >= _P:
        raise WeakKey("the public key is not in its canonical encoding")
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _SQRT_MINUS_ONE % _P
    if v * x * x % _P != u:
        raise WeakKey("the public key is not a point of the curve")
    if x == 0 and sign:
        raise WeakKey("the public key is not in its canonical encoding")
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _add(a: _Point, b: _Point) -> _Point:
    """RFC 8032 section 5.1.4; complete, so it doubles too."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % _P
    f = (a[1] + a[0]) * (b[1] + b[0]) % _P
    g = 2 * a[3] * b[3] * _D % _P
    h = 2 * a[2] * b[2] % _P
    left, right, down, up = f - e, h - g, h + g, f + e
    return (left * right % _P, down * up % _P, right * down % _P, left * up % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _is_identity(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
