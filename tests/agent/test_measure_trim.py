"""Cutting to size: what can travel, the least telling first, never the failures."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.measure.trim import LEAST_TELLING, MAX_DATA_BYTES, trim
from shyraq_wire.report import Json


def size_bytes(steps: list[dict[str, object]]) -> int:
    """The JSON of all steps' data."""
    return len(json.dumps(steps, ensure_ascii=False).encode())


def test_what_fits_is_not_touched() -> None:
    """An ordinary measurement keeps everything."""
    steps = [{"address": "192.0.2.1", "body": "x" * 1024}] * 10
    assert trim(steps) == (steps, [])


def test_the_evidence_goes_last() -> None:
    """Bodies and samples go before the chain of a forged certificate."""
    chain: Json = [{"sha256": "0" * 64, "der": "A" * 11_000}]
    forged: dict[str, Json] = {"body": "x" * 3_000, "received": [[1, 2]] * 64, "chain": chain}
    plain: dict[str, Json] = {"body": "x" * 3_000, "status": 302}
    steps = [forged, *[plain] * 11]
    kept, gone = trim(steps)
    assert gone == ["body"]
    assert kept[0]["chain"] == chain
    assert kept[1] == {"status": 302}


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*LEAST_TELLING, "url"]), st.text(max_size=60), max_size=4),
        max_size=8,
    ),
    st.integers(0, 900),
)
def test_fields_go_whole_and_in_order(steps: list[dict[str, str]], limit_bytes: int) -> None:
    """The result fits, or nothing that may go is left; what stays is unchanged."""
    kept, gone = trim(steps, limit_bytes=limit_bytes)
    assert gone == list(LEAST_TELLING[: len(gone)])
    assert [
        {name: value for name, value in step.items() if name not in gone} for step in steps
    ] == kept
    if size_bytes([dict(step) for step in kept]) > limit_bytes:
        assert len(gone) == len(LEAST_TELLING)


def test_the_limit_leaves_room_in_a_report() -> None:
    """48 KiB is what a report gives to measurements."""
    assert MAX_DATA_BYTES < 48 * 1024
