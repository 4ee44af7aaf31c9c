"""Sealing and opening a frame, beside the bare signature of the same library."""

from bench.load import report_payload
from bench.table import Row, compare, say
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shyraq_wire.envelope import open_frame, pae, seal
from shyraq_wire.report import REPORT_TYPE
from shyraq_wire.report_json import decode_report

_CALLS = 300


def rows() -> list[Row]:
    """Frames a second; the frame is a report of one measurement."""
    say("seal and open against bare signatures …")
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    bare_key = Ed25519PublicKey.from_public_bytes(raw)
    payload = report_payload(measurements=1)
    message = pae(REPORT_TYPE, payload)
    frame = seal(payload, REPORT_TYPE, key)
    signature = key.sign(message)
    sealing = compare(
        lambda: seal(payload, REPORT_TYPE, key), lambda: key.sign(message), calls=_CALLS
    )
    opening = compare(
        lambda: open_frame(frame, raw), lambda: bare_key.verify(signature, message), calls=_CALLS
    )
    reading = compare(
        lambda: decode_report(open_frame(frame, raw)[1]),
        lambda: bare_key.verify(signature, message),
        calls=_CALLS,
    )
    return [
        _row("seal", sealing, goal=0.8),
        _row("open", opening, goal=0.8),
        # reading a report costs no more than checking its signature
        _row("open and read the report", reading, goal=0.5),
    ]


def _row(what: str, measured: tuple[float, float, float], *, goal: float) -> Row:
    ours, bare, ratio = measured
    return Row(
        what=what,
        ours=ours,
        unit="frames/s",
        bare=bare,
        ratio=ratio,
        goal=f"≥ {goal} × bare",
        met=ratio >= goal,
    )
