"""Test vectors: facts in files, shared by tests and by anyone who writes another reader."""

import json
from pathlib import Path
from typing import Any

_VECTORS = Path(__file__).parent.parent / "vectors"


def read_vectors(name: str) -> dict[str, Any]:
    """What a vector file holds.

    Args:
        name: Path below tests/vectors, such as `wire/golden-frames.json`.
    """
    vectors: dict[str, Any] = json.loads((_VECTORS / name).read_text(encoding="utf-8"))
    return vectors
