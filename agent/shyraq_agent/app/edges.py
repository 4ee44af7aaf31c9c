"""The edges of a measurement, as this host and its configuration give them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import certifi

from shyraq_agent.clock import Pace, Stopwatch
from shyraq_agent.config.plan import limits_of, resolvers_of
from shyraq_agent.config.probing import (
    LimitSettings,
    ResolverSettings,
)
from shyraq_agent.config.settings import NetworkSettings
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.errors import LocalError
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.edges import (
    Edges,
    Links,
    SystemResolver,
    ThreadedResolver,
    read_links,
)
from shyraq_agent.measure.responder import Pairing, Responder


def make_edges(
    network: NetworkSettings,
    resolvers: Sequence[ResolverSettings],
    limits: LimitSettings,
    *,
    pace: Pace,
    stopwatch: Stopwatch,
    policy: AddressPolicy,
    rng: Random,
    system_resolver: SystemResolver | None = None,
    links: Callable[[], Links] = read_links,
    responder: Responder | None = None,
    pairing: Pairing | None = None,
    may_trace_hello: bool = False,
) -> Edges:
    """What probes may touch here. Reads the trust bundle: call it in a thread.

    Args:
        network: The host's own network.
        resolvers: DNS servers to ask directly.
        limits: What one measurement may take.
        pace: When things happen.
        stopwatch: How long they take.
        policy: What may be reached.
        rng: For query ids, nonces and choices.
        system_resolver: None: the host's own, where `network` wants it.
        links: Which families the host's interfaces carry.
        responder: Our own server; None: there is none.
        pairing: How name pairs are tried; None: as by default.
        may_trace_hello: Whether the host consented to ClientHellos that go part of the way.

    Raises:
        LocalError: The trust bundle cannot be read, or holds no certificate.
    """
    if system_resolver is None and network.system_resolver:
        system_resolver = ThreadedResolver()
    bundle = network.trust_bundle or Path(certifi.where())
    try:
        trust = Trust.from_bundle(bundle)
    except (OSError, ValueError) as error:
        raise LocalError(f"trust bundle: {error}") from error
    return Edges(
        pace=pace,
        stopwatch=stopwatch,
        policy=policy,
        trust=trust,
        rng=rng,
        system_resolver=system_resolver,
        resolvers=resolvers_of(resolvers),
        limits=limits_of(limits),
        links=links,
        responder=responder,
        pairing=pairing or Pairing(),
        may_trace_hello=may_trace_hello,
    )
