"""Probe `name_pair`: does the name alone make a difference?

One round, on one path with the same port, request and bytes; only the name in the ClientHello
differs:

    at our responder   neutral name, then the target's, each at an address of its own: connect,
                       handshake, verify, transfer. Only where the host has agreed to it. Every
                       other round the two change places and addresses: what is done to an address,
                       or to whatever comes second on a line with a burst, is not done to a name.
    at the target      neutral name, then the target's, at the target's own address: connect and
                       hello. A foreign server says different things under different names, so
                       comparing stops at its first answer.

A round that made no difference ends the measurement. One that did is repeated after the washout,
because one difference says nothing; where ten in a row differed, two suffice from then on. Data of
the steps: `arm` (neutral, target), `at` (responder, target), `round` from 1. That nothing differs
at our responder never means "not blocked": an interceptor may choose by destination.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.handshake import say_hello
from shyraq_agent.measure.reach import About, find_addresses, open_stream, open_tls
from shyraq_agent.measure.responder import Arm, Responder
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Target
from shyraq_agent.measure.transfer import WINDOW_BYTES, Transferred, transfer

_ALERT: Final = "ssl_failed_handshake"
"""An answer all the same: many servers know no such name."""

_TLS_PORT: Final = 443
_CLEAR_PORT: Final = 80

_SLOWER: Final = 1.5
"""A target's time over the neutral's, from which a round is repeated; the collector concludes."""

_SLOWER_MS: Final = 50.0
"""And at least so much longer: less is the line's own noise."""

Side = Literal["neutral", "target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One round in the making."""

    record: Record
    edges: Edges
    target: Target
    number: int

    def about(self, arm: Side, at: Literal["responder", "target"]) -> About:
        """What goes into each step."""
        return {"arm": arm, "at": at, "round": self.number}

    def name(self, arm: Side) -> str:
        """For the ClientHello."""
        return self.edges.pairing.neutral_name if arm == "neutral" else self.target.host


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Compare the target's name with a neutral one.

    Args:
        target: An endpoint or a name; its host is the name.
        edges: What may be touched, the responder among it.
    """
    record = Record("name_pair", target.text, edges)
    addresses = await find_addresses(record, target.host, edges)
    responder = edges.responder
    if responder is not None and not responder.may_send_names:
        responder = None
    rounds, answered, differs = 0, 0, True
    allowed = edges.pairing.rounds(target.text)
    while differs and rounds < allowed:
        rounds += 1
        this = _Round(record=record, edges=edges, target=target, number=rounds)
        async with edges.pairing.turn(edges.pace):
            pairs = [await _at_responder(this, responder)] if responder is not None else []
            if addresses:
                pairs.append(await _at_target(this, addresses[0]))
        answered += sum(theirs is not None for _, theirs in pairs)
        differs = any(_differ(*pair) for pair in pairs)
    edges.pairing.note(target.text, rounds)
    return record.finish({"rounds": rounds, "answered": answered})


Pair = tuple[float | None, float | None]
"""Milliseconds of the neutral arm and of the target's; None: it failed."""


async def _at_responder(this: _Round, responder: Responder) -> Pair:
    if this.number % 2 == 0:
        target_ms = await _download(this, responder, "target", responder.neutral)
        return await _download(this, responder, "neutral", responder.target), target_ms
    neutral_ms = await _download(this, responder, "neutral", responder.neutral)
    if neutral_ms is None:
        return None, None  # nothing could be compared: the name is not said in vain
    return neutral_ms, await _download(this, responder, "target", responder.target)


async def _download(this: _Round, responder: Responder, side: Side, arm: Arm) -> float | None:
    record, edges, about = this.record, this.edges, this.about(side, "responder")
    stream = await open_stream(
        record, arm.address, arm.port, edges, about=about, receive_buffer_bytes=WINDOW_BYTES
    )
    if stream is None:
        return None
    began_ms = edges.stopwatch.elapsed_ms()
    place: About = {"address": arm.address, "port": arm.port, **about}
    tls = await open_tls(
        record, stream, responder.name, edges, about=place, server_name=this.name(side)
    )
    if tls is None:
        return None

    async def action(notes: Notes) -> Transferred:
        """The step itself."""
        return await transfer(
            tls,
            f"https://{responder.name}/",
            max_bytes=responder.body_bytes,
            whole=True,
            elapsed_ms=edges.stopwatch.elapsed_ms,
            notes=notes,
        )

    limit_ms = edges.limits.transfer_ms
    try:
        done = await record.attempt("transfer", action, limit_ms=limit_ms, about=place)
    finally:
        tls.close()
    return None if done is None else edges.stopwatch.elapsed_ms() - began_ms


async def _at_target(this: _Round, address: str) -> Pair:
    neutral_ms = await _greet(this, "neutral", address)
    if neutral_ms is None:
        return None, None
    return neutral_ms, await _greet(this, "target", address)


async def _greet(this: _Round, side: Side, address: str) -> float | None:
    """Until the first answer to a ClientHello."""
    record, edges, port = this.record, this.edges, _port(this.target)
    about = this.about(side, "target")
    stream = await open_stream(record, address, port, edges, about=about)
    if stream is None:
        return None

    answered_ms: list[float] = []

    async def action(notes: Notes) -> None:
        """The step itself."""
        began_ms = edges.stopwatch.elapsed_ms()
        try:
            await say_hello(stream, this.name(side), notes)
        except StepFailed as failed:
            if failed.failure != _ALERT:
                raise
            answered_ms.append(edges.stopwatch.elapsed_ms() - began_ms)
            raise
        answered_ms.append(edges.stopwatch.elapsed_ms() - began_ms)

    place: About = {"server_name": this.name(side), "address": address, "port": port, **about}
    try:
        await record.attempt("hello", action, limit_ms=edges.limits.handshake_ms, about=place)
    finally:
        stream.close()
    return answered_ms[0] if answered_ms else None


def _port(target: Target) -> int:
    """Where the target speaks TLS; beside a page in the clear there is one, too."""
    return _TLS_PORT if target.port in (None, _CLEAR_PORT) else target.port


def _differ(neutral_ms: float | None, target_ms: float | None) -> bool:
    if neutral_ms is None:
        return False
    if target_ms is None:
        return True
    return target_ms >= _SLOWER * neutral_ms and target_ms - neutral_ms >= _SLOWER_MS
