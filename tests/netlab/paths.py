"""Mechanisms that know no names: cuts, routes, filters, losses, speeds, clocks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from netlab import canary
from netlab.country import IPTABLES, only
from netlab.geography import (
    BROKER,
    ECHO,
    ECHO_PORT,
    default_routes,
    wan_addresses,
)
from netlab.longline import Lateness, long_line
from netlab.mechanisms import Mechanism, Scene
from netlab.sites import address_of

LINK_KBIT_S: Final = 256
LATE_MS: Final = 80
SKEW_MS: Final = 3 * 86_400_000
_SETTINGS_TOLERANCE: Final = 0.2
_FOREIGN_SITE: Final = "neutral.example"
_A_SECOND_SYN_S: Final = 1.4
"""A router one veth away answers while connect(2) still holds the socket, and IPv6 then heeds its
word only when the SYN is sent again, after a second."""


@contextmanager
def _cut_link(scene: Scene) -> Iterator[None]:
    country, isp = scene.stage.country, scene.isp
    country.route(isp, "link set wan down")
    try:
        yield
    finally:
        # As in life, routes and IPv6 addresses went with the link.
        addresses = [f"address replace {each} dev wan" for each in wan_addresses(isp)]
        country.route(isp, "link set wan up", *addresses)
        country.route(isp, *default_routes(isp))


def _routed(kind: str, *prefixes: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """The way abroad replaced by a route of a kind that leads nowhere."""

    @contextmanager
    def apply(scene: Scene) -> Iterator[None]:
        country, isp = scene.stage.country, scene.isp
        country.route(isp, *(f"route replace {kind} {prefix}" for prefix in prefixes))
        try:
            yield
        finally:
            country.route(isp, *(f"route del {kind} {prefix}" for prefix in prefixes))
            country.route(isp, *default_routes(isp))

    return apply


def _dropped(ipv4: str, ipv6: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """All that goes abroad dropped or refused."""

    @contextmanager
    def apply(scene: Scene) -> Iterator[None]:
        country = scene.stage.country
        with (
            country.rules(scene.isp, f"FORWARD -o wan {ipv4}", families=only(4)),
            country.rules(scene.isp, f"FORWARD -o wan {ipv6}", families=only(6)),
        ):
            yield

    return apply


@contextmanager
def _white_list(scene: Scene) -> Iterator[None]:
    country = scene.stage.country
    with (
        country.rules(scene.isp, "FORWARD -o wan -j DROP"),
        country.rules(scene.isp, f"FORWARD -o wan -d {BROKER[0]} -j ACCEPT", families=only(4)),
        country.rules(scene.isp, f"FORWARD -o wan -d {BROKER[1]} -j ACCEPT", families=only(6)),
    ):
        yield


@contextmanager
def _throttle_link(scene: Scene) -> Iterator[None]:
    country = scene.stage.country
    shaped = f"qdisc add DEV root tbf rate {LINK_KBIT_S}kbit burst 4kb latency 800ms"
    with country.shape(scene.isp, "lan1", shaped), country.shape(scene.isp, "lan2", shaped):
        yield


@contextmanager
def _skew_clock(scene: Scene) -> Iterator[None]:
    skews = scene.stage.skew_ms
    skews[scene.isp] = SKEW_MS
    try:
        yield
    finally:
        del skews[scene.isp]


def _rules(*rules: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return lambda scene: scene.stage.country.rules(scene.isp, *rules, families=IPTABLES)


def _abroad_and_home(_scene: Scene) -> str:
    """A foreign site by both families; then one at home."""
    foreign = both(lambda a: canary.tcp(a, 443, timeout_s=_A_SECOND_SYN_S), _foreign())
    return f"{foreign} / {_home()}"


def _foreign_by_family(_scene: Scene) -> str:
    four, six = _foreign()
    return f"{canary.tcp(six, 443)} / {canary.tcp(four, 443)}"


def _white_listed(scene: Scene) -> str:
    listed = both(lambda a: canary.tcp(a, 8883), BROKER)
    return f"{_abroad_and_home(scene)} / {listed}"


def _losses(_scene: Scene) -> str:
    lost = canary.lost_percent(ECHO[0], ECHO_PORT)
    return "lossy" if 5 <= lost <= 17 else "ok" if lost < 1 else f"{lost:.0f} % lost"


def _link_speed(scene: Scene) -> str:
    return speed_word(scene, _FOREIGN_SITE, LINK_KBIT_S)


def _lateness(_scene: Scene) -> str:
    took_ms = canary.round_trip_ms(ECHO[0], ECHO_PORT)
    if 2 * LATE_MS * 0.7 <= took_ms <= 2 * LATE_MS * 1.6:
        return "late"
    return "ok" if took_ms < LATE_MS / 2 else f"{took_ms:.0f} ms"


def _mqtt(_scene: Scene) -> str:
    return f"{both(lambda a: canary.tcp(a, 8883), BROKER)} / {canary.tcp(_foreign()[0], 443)}"


def _quic(_scene: Scene) -> str:
    udp = both(lambda a: canary.echo(a, 443), _foreign())
    return f"{udp} / {both(lambda a: canary.tcp(a, 443), _foreign())}"


def _clock(scene: Scene) -> str:
    return f"{scene.stage.skew_ms.get(scene.isp, 0) // 86_400_000} days"


def _home() -> str:
    return canary.tcp(address_of("gov.example"), 443)


def _foreign() -> tuple[str, str]:
    return address_of(_FOREIGN_SITE), address_of(_FOREIGN_SITE, 6)


def both(sing: Callable[[str], str], addresses: tuple[str, ...]) -> str:
    """One word where all addresses meet the same; else all words with + between."""
    words = [sing(address) for address in addresses]
    return words[0] if len(set(words)) == 1 else "+".join(words)


def speed_word(scene: Scene, name: str, set_kbit_s: float) -> str:
    """`slow` within a fifth of the speed that was set, `fast` far above it, else the figure."""
    address = next(iter(scene.addresses)) if name == scene.name else address_of(name)
    found = canary.rate_kbit_s(address, name, scene.stage.trusted)
    if abs(found / set_kbit_s - 1) <= _SETTINGS_TOLERANCE:
        return "slow"
    return "fast" if found > 10 * set_kbit_s else f"{found:.0f} kbit/s"


PATHS: Final = (
    Mechanism(
        id="link-cut",
        what="The provider's cable abroad is cut; its router says so at once.",
        recipe="ip link set wan down",
        apply=_cut_link,
        canary=_abroad_and_home,
        effect="unreachable / ok",
    ),
    Mechanism(
        id="blackhole",
        what="Routes abroad lead nowhere, in silence.",
        recipe="ip route replace blackhole default",
        apply=_routed("blackhole", "0.0.0.0/0", "::/0"),
        canary=_abroad_and_home,
        effect="timeout / ok",
    ),
    Mechanism(
        id="unreachable",
        what="Routes abroad are gone, and the router tells.",
        recipe="ip route replace unreachable default",
        apply=_routed("unreachable", "0.0.0.0/0", "::/0"),
        canary=_abroad_and_home,
        effect="unreachable / ok",
    ),
    Mechanism(
        id="drop",
        what="All packets abroad are dropped.",
        recipe="iptables FORWARD -o wan -j DROP",
        apply=_dropped("-j DROP", "-j DROP"),
        canary=_abroad_and_home,
        effect="timeout / ok",
    ),
    Mechanism(
        id="reject",
        what="All packets abroad are refused by a firewall.",
        recipe="iptables -j REJECT --reject-with icmp-admin-prohibited",
        apply=_dropped(
            "-j REJECT --reject-with icmp-admin-prohibited",
            "-j REJECT --reject-with icmp6-adm-prohibited",
        ),
        canary=_abroad_and_home,
        effect="unreachable / ok",
    ),
    Mechanism(
        id="white-list",
        what="Only what is at home, and one listed address abroad, can be reached.",
        recipe="iptables: ACCEPT the listed, DROP the rest of what goes out to the gateway",
        apply=_white_list,
        canary=_white_listed,
        healthy="ok / ok / ok",
        effect="timeout / ok / ok",
    ),
    Mechanism(
        id="ipv6-cut",
        what="IPv6 abroad leads nowhere; IPv4 is untouched.",
        recipe="ip route replace blackhole default, IPv6 only",
        apply=_routed("blackhole", "::/0"),
        canary=_foreign_by_family,
        effect="timeout / ok",
    ),
    Mechanism(
        id="loss",
        what="Every tenth packet from abroad is lost, at random.",
        recipe="iptables -m statistic --mode random --probability 0.1 -j DROP",
        apply=_rules("FORWARD -i wan -m statistic --mode random --probability 0.1 -j DROP"),
        canary=_losses,
        healthy="ok",
        effect="lossy",
    ),
    Mechanism(
        id="link-throttle",
        what=f"The customer's whole line carries {LINK_KBIT_S} kbit/s.",
        recipe="tc tbf on the customer's cable",
        apply=_throttle_link,
        canary=_link_speed,
        healthy="fast",
        effect="slow",
    ),
    Mechanism(
        id="delay",
        what=f"Everything abroad takes {LATE_MS} ms longer each way, more or less.",
        recipe="routes through the long line, whose frames are carried by hand (no netem needed)",
        apply=lambda scene: long_line(
            scene.stage.country, scene.isp, Lateness(delay_ms=LATE_MS, jitter_ms=LATE_MS * 0.3)
        ),
        canary=_lateness,
        healthy="ok",
        effect="late",
    ),
    Mechanism(
        id="mqtt-block",
        what="Port 8883 abroad is closed: agents cannot report.",
        recipe="iptables -p tcp --dport 8883 -j DROP",
        apply=_rules("FORWARD -p tcp --dport 8883 -j DROP"),
        canary=_mqtt,
        effect="timeout / ok",
    ),
    Mechanism(
        id="udp443-block",
        what="UDP to port 443 is dropped, which ends QUIC; TCP to the same host works.",
        recipe="iptables -p udp --dport 443 -j DROP",
        apply=_rules("FORWARD -p udp --dport 443 -j DROP"),
        canary=_quic,
        effect="timeout / ok",
    ),
    Mechanism(
        id="clock-skew",
        what="The nodes' wall clocks are three days ahead; their boot clocks are right.",
        recipe="the pace that is injected into the probes",
        apply=_skew_clock,
        canary=_clock,
        healthy="0 days",
        effect="3 days",
    ),
)
