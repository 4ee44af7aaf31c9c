"""Cutting a measurement to the size that can travel, the least telling data first.

A hostile server can fill headers, pages, chains and answers; a report has a limit; and what is cut
must not be the evidence. So whole fields go, from every step, in the order below, until the
rest fits. Names, times, failures and all other data stay.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from shyraq_wire.report import Json

MAX_DATA_BYTES: Final = 40 * 1024
"""JSON of all steps' data: below the 48 KiB that one report gives to measurements."""

LEAST_TELLING: Final = ("body", "received", "header_names", "datagrams", "headers", "chain")
"""Fields that may go, first ones first."""

Data = Mapping[str, Json]


def trim(
    steps: Sequence[Data], *, limit_bytes: int = MAX_DATA_BYTES
) -> tuple[list[Data], list[str]]:
    """The data of a measurement's steps within a limit.

    Args:
        steps: The data of each step.
        limit_bytes: Of their JSON, together.

    Returns:
        The data, and the names of the fields that had to go; a single step's data beyond the
        limit without any of these stays as it is.
    """
    kept, gone = list(steps), list[str]()
    for name in LEAST_TELLING:
        if _size_bytes(kept) <= limit_bytes:
            break
        kept = [{key: value for key, value in data.items() if key != name} for data in kept]
        gone.append(name)
    return kept, gone


def _size_bytes(steps: Sequence[Data]) -> int:
    return len(json.dumps([dict(data) for data in steps], ensure_ascii=False).encode())
