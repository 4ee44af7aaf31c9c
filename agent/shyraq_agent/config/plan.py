"""From settings to what the rest of the agent takes: endpoints, ladder, resolvers, targets.

Plain conversions. Reading the target lists is the only thing here that touches files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from shyraq_agent.config.probing import (
    CadenceSettings,
    LimitSettings,
    NamePairSettings,
    ResolverSettings,
    ResponderSettings,
)
from shyraq_agent.config.settings import (
    Settings,
)
from shyraq_agent.measure import PROBE_OF_KIND
from shyraq_agent.measure.edges import Resolver
from shyraq_agent.measure.limits import MAX_TARGETS, Limits
from shyraq_agent.measure.responder import Arm, Pairing, Responder
from shyraq_agent.measure.target import (
    Ladder,
    Rung,
    Target,
    load_shipped_targets,
    parse_target,
    read_target_list,
)
from shyraq_agent.publish import Endpoint, Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProbe:
    """One probe on one target, again and again."""

    probe: str
    target: Target
    period_s: int


def plan_probes(settings: Settings, mistakes: list[str]) -> tuple[PlannedProbe, ...]:
    """Every probe to run, from the lists and the `[[target]]` tables; the latter win.

    Args:
        settings: Within the rules.
        mistakes: Gets a sentence for each list that cannot be used, and for too many targets.
    """
    targets: dict[str, tuple[Target, tuple[str, ...]]] = {
        each.text: (each, (PROBE_OF_KIND[each.kind],)) for each in _listed(settings, mistakes)
    }
    for own in settings.target:
        target = parse_target(own.target, category=own.category)
        targets[target.text] = (target, own.probes or (PROBE_OF_KIND[target.kind],))
    if len(targets) > MAX_TARGETS:
        mistakes.append(f"target, lists: {len(targets)} targets; at most {MAX_TARGETS} are allowed")
    return tuple(
        PlannedProbe(probe=probe, target=target, period_s=_period_s(settings.cadence, probe))
        for target, probes in targets.values()
        for probe in probes
    )


def endpoints_of(settings: Settings) -> tuple[Endpoint, ...]:
    """The ways to the broker, in order."""
    return tuple(
        Endpoint(
            host=each.host,
            port=each.port,
            protocol=each.protocol,
            transport=each.transport,
            tls=None
            if each.tls_ca_file is None
            else Tls(
                ca_file=each.tls_ca_file,
                cert_file=each.tls_cert_file,
                key_file=each.tls_key_file,
            ),
            connect_timeout_ms=round(each.connect_timeout_s * 1000),
            answer_timeout_ms=round(each.answer_timeout_s * 1000),
        )
        for each in settings.broker
    )


def ladder_of(settings: Settings) -> Ladder:
    """The rungs."""
    return Ladder(
        rungs=tuple(
            Rung(
                tier=each.tier,
                host=each.host,
                port=each.port,
                proof=each.proof,
                server_name=each.server_name,
            )
            for each in settings.ladder
        )
    )


def resolvers_of(tables: Sequence[ResolverSettings]) -> tuple[Resolver, ...]:
    """The DNS servers that are asked directly."""
    return tuple(Resolver(role=each.role, address=each.address, port=each.port) for each in tables)


def limits_of(limits: LimitSettings) -> Limits:
    """What one measurement may take."""
    return Limits(**asdict(limits))


def responder_of(responder: ResponderSettings) -> Responder | None:
    """Our own server; None: there is none. The settings are within the rules."""
    if responder.name is None:
        return None
    return Responder(
        name=responder.name,
        neutral=Arm(address=responder.neutral_address or "", port=responder.neutral_port),
        target=Arm(address=responder.target_address or "", port=responder.target_port),
        rate=Arm(address=responder.rate_address or "", port=responder.rate_port),
        body_bytes=responder.body_bytes,
        may_send_names=responder.send_names,
    )


def pairing_of(name_pair: NamePairSettings) -> Pairing:
    """How names are compared; one for the whole agent."""
    return Pairing(
        neutral_name=name_pair.neutral_name,
        washout_ms=name_pair.washout_s * 1000,
        rounds=name_pair.rounds,
    )


def _listed(settings: Settings, mistakes: list[str]) -> Iterator[Target]:
    if settings.lists.shipped:
        yield from load_shipped_targets()
    for index, path in enumerate(settings.lists.files):
        try:
            yield from read_target_list(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            mistakes.append(f"lists.files[{index}]: {path}: {error}")


def _period_s(cadence: CadenceSettings, probe: str) -> int:
    periods = {
        "web": cadence.web_s,
        "tls": cadence.tls_s,
        "tcp": cadence.tcp_s,
        "dns": cadence.dns_s,
        "messengers": cadence.messengers_s,
        "quic": cadence.quic_s,
        "trace": cadence.trace_s,
        "name_pair": cadence.name_pair_s,
        "rate": cadence.rate_s,
    }
    return periods[probe]
