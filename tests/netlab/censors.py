"""Mechanisms aimed at one name or one site: what censors do, and what looks like it."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from netlab import canary
from netlab.country import IPTABLES, only
from netlab.interceptor import forced_certificate, intercepting, page_instead
from netlab.mechanisms import Mechanism, Scene
from netlab.paths import both, speed_word
from netlab.sites import BLOCK_PAGE, address_of
from support.hostile_servers import page, redirect

QUEUE_KBIT_S: Final = 32
POLICE_KBIT_S: Final = 64
"""The kernel lets a second's worth through at once, and a handshake fits into that."""
POLICE_PACKETS_S: Final = 8
_LATE_MS: Final = 150
"""A lost packet is sent again after 200 ms at the earliest."""
PORTAL: Final = "http://192.168.1.1/login"
_OTHER: Final = "neutral.example"
_MARK: Final = "0x51"

Apply = Callable[[Scene], AbstractContextManager[None]]


def _named(port: int, verdict: str) -> Apply:
    """Packets to a port that bear the name."""

    def apply(scene: Scene) -> AbstractContextManager[None]:
        match = f"-m string --string {scene.name} --algo bm"
        return scene.stage.country.rules(
            scene.isp, f"FORWARD -p tcp --dport {port} {match} {verdict}", families=IPTABLES
        )

    return apply


def _addressed(verdict: str) -> Apply:
    """Packets to the site's addresses."""

    @contextmanager
    def apply(scene: Scene) -> Iterator[None]:
        country = scene.stage.country
        four = [f"FORWARD -p tcp -d {a} {verdict}" for a in scene.addresses if ":" not in a]
        six = [f"FORWARD -p tcp -d {a} {verdict}" for a in scene.addresses if ":" in a]
        with (
            country.rules(scene.isp, *four, families=only(4)),
            country.rules(scene.isp, *six, families=only(6)),
        ):
            yield

    return apply


@contextmanager
def _edge_down(scene: Scene) -> Iterator[None]:
    """Nobody's doing on the way: the server's own host says no."""
    refuse = "-j REJECT --reject-with tcp-reset"
    four = [f"INPUT -p tcp -d {address} {refuse}" for address in scene.edges]
    with scene.stage.country.rules("home", *four, families=only(4)):
        yield


def _edge(scene: Scene) -> str:
    """The edge, then the site at its own address."""
    return " / ".join(canary.tcp(each[0], 443) for each in (scene.edges, scene.addresses))


@contextmanager
def _queue_name(scene: Scene) -> Iterator[None]:
    country = scene.stage.country
    commands = (
        "qdisc add DEV root handle 1: htb default 20",
        f"class add DEV parent 1: classid 1:10 htb rate {QUEUE_KBIT_S}kbit burst 1600 cburst 1600",
        "class add DEV parent 1: classid 1:20 htb rate 1gbit",
    )
    with (
        country.shape(scene.isp, "lan1", *commands),
        country.shape(scene.isp, "lan2", *commands),
        country.rules(
            scene.isp,
            *marking(scene),
            sort_marked_into("1:10"),
        ),
    ):
        yield


@contextmanager
def _police_packets(scene: Scene) -> Iterator[None]:
    with scene.stage.country.rules(
        scene.isp,
        *marking(scene),
        f"FORWARD -m connmark --mark {_MARK} -i wan -m hashlimit --hashlimit-above"
        f" {POLICE_PACKETS_S}/sec --hashlimit-burst 1"
        f" --hashlimit-name {scene.isp}p --hashlimit-mode dstip -j DROP",
    ):
        yield


@contextmanager
def _police_name(scene: Scene) -> Iterator[None]:
    above = f"--hashlimit-above {POLICE_KBIT_S * 125}b/s --hashlimit-burst {POLICE_KBIT_S * 125}b"
    with scene.stage.country.rules(
        scene.isp,
        *marking(scene),
        f"FORWARD -m connmark --mark {_MARK} -i wan -m hashlimit {above}"
        f" --hashlimit-name {scene.isp} --hashlimit-mode dstip -j DROP",
    ):
        yield


def marking(scene: Scene) -> tuple[str, ...]:
    """Rules that mark connections in which the name was said."""
    name = f"-m string --string {scene.name} --algo bm"
    return (f"-t mangle FORWARD -p tcp --dport 443 {name} -j CONNMARK --set-mark {_MARK}",)


def sort_marked_into(queue: str) -> str:
    """A rule that puts marked connections into a class of the queue."""
    return f"-t mangle POSTROUTING -m connmark --mark {_MARK} -j CLASSIFY --set-class {queue}"


def _force_certificate(scene: Scene) -> AbstractContextManager[None]:
    stage = scene.stage
    whole = page(f"<title>{scene.name}</title>".encode())
    meddle = forced_certificate(stage.authorities.forge(scene.name), whole)
    return intercepting(stage.country, scene.isp, 443, name=scene.name, meddle=meddle)


@contextmanager
def _force_certificate_and_root(scene: Scene) -> Iterator[None]:
    """As above; and the system's store has the forger's root, as if the household had obeyed."""
    with TemporaryDirectory() as folder, _force_certificate(scene):
        store = scene.stage.authorities.forger.write_bundle(Path(folder, "store.pem"))
        os.environ["SSL_CERT_FILE"] = str(store)
        try:
            yield
        finally:
            del os.environ["SSL_CERT_FILE"]


def _show_block_page(scene: Scene) -> AbstractContextManager[None]:
    meddle = page_instead(BLOCK_PAGE)
    return intercepting(scene.stage.country, scene.isp, 80, name=scene.name, meddle=meddle)


@contextmanager
def _captive_portal(scene: Scene) -> Iterator[None]:
    country, meddle = scene.stage.country, page_instead(redirect(PORTAL))
    with (
        intercepting(country, scene.isp, 80, name=None, meddle=meddle),
        country.rules(scene.isp, "FORWARD -p tcp --dport 443 -j DROP"),
    ):
        yield


def _hello(scene: Scene) -> str:
    trusted = scene.stage.trusted
    aimed = both(lambda a: canary.hello(a, scene.name, trusted), scene.addresses)
    return f"{aimed} / {canary.hello(address_of(_OTHER), _OTHER, trusted)}"


def _hello_by_both_stores(scene: Scene) -> str:
    """What the honest bundle says, then what the system's store says."""
    (address, *_), system = scene.addresses, ssl.create_default_context()
    honest = canary.hello(address, scene.name, scene.stage.trusted)
    return f"{honest} / {canary.hello(address, scene.name, system)}"


def _request(scene: Scene) -> str:
    aimed = both(lambda a: canary.http(a, scene.name), scene.addresses)
    return f"{aimed} / {canary.http(address_of(_OTHER), _OTHER)}"


def _connect(scene: Scene) -> str:
    aimed = both(lambda a: canary.tcp(a, 443), scene.addresses)
    return f"{aimed} / {canary.tcp(address_of(_OTHER), 443)}"


def _two_speeds(set_kbit_s: float) -> Callable[[Scene], str]:
    def sing(scene: Scene) -> str:
        speed = partial(speed_word, scene, set_kbit_s=set_kbit_s)
        return f"{speed(scene.name)} / {speed(_OTHER)}"

    return sing


def _two_handshakes(scene: Scene) -> str:
    """The slowest of three with the name, and with another."""
    trusted, words = scene.stage.trusted, []
    for address, name in (
        (scene.addresses[0], scene.name),
        (address_of(_OTHER), _OTHER),
    ):
        slowest = max(canary.hello_ms(address, name, trusted) for _ in range(3))
        words.append("late" if slowest > _LATE_MS else "quick")
    return " / ".join(words)


def _portal(scene: Scene) -> str:
    other = address_of(_OTHER)
    return f"{canary.http(other, _OTHER)} / {canary.hello(other, _OTHER, scene.stage.trusted)}"


CENSORS: Final = (
    Mechanism(
        id="sni-drop",
        what="A ClientHello with the name is dropped: silence, the usual block of Kazakhstan.",
        recipe="iptables -m string on port 443 -j DROP",
        apply=_named(443, "-j DROP"),
        canary=_hello,
        effect="timeout / ok",
    ),
    Mechanism(
        id="sni-reset",
        what="A ClientHello with the name is answered with RST.",
        recipe="iptables -m string on port 443 -j REJECT --reject-with tcp-reset",
        apply=_named(443, "-j REJECT --reject-with tcp-reset"),
        canary=_hello,
        effect="reset / ok",
    ),
    Mechanism(
        id="host-reset",
        what="A request in the clear with the name is answered with RST.",
        recipe="iptables -m string on port 80 -j REJECT --reject-with tcp-reset",
        apply=_named(80, "-j REJECT --reject-with tcp-reset"),
        canary=_request,
        effect="reset / ok",
    ),
    Mechanism(
        id="block-page",
        what="A request in the clear with the name gets another page.",
        recipe="REDIRECT to a transparent proxy that reads Host and passes all other names on",
        apply=_show_block_page,
        canary=_request,
        effect="block page / ok",
    ),
    Mechanism(
        id="forced-certificate",
        what="TLS with the name is ended inside the provider, with a forged certificate.",
        recipe="REDIRECT to a transparent proxy that reads SNI and splices all other names",
        apply=_force_certificate,
        canary=_hello,
        effect="forged / ok",
    ),
    Mechanism(
        id="forced-root-in-store",
        what="The same, and the forger's root is in the system's store: browsers see no fault.",
        recipe="as forced-certificate, with SSL_CERT_FILE naming the forger's root",
        apply=_force_certificate_and_root,
        canary=_hello_by_both_stores,
        healthy="ok / forged",
        effect="forged / ok",
    ),
    Mechanism(
        id="address-drop",
        what="Packets to the site's addresses are dropped.",
        recipe="iptables -d address -j DROP",
        apply=_addressed("-j DROP"),
        canary=_connect,
        effect="timeout / ok",
    ),
    Mechanism(
        id="address-reset",
        what="Connections to the site's addresses are answered with RST.",
        recipe="iptables -d address -j REJECT --reject-with tcp-reset",
        apply=_addressed("-j REJECT --reject-with tcp-reset"),
        canary=_connect,
        effect="refused / ok",
    ),
    Mechanism(
        id="edge-down",
        what="The address that a network of caches gives at home refuses everybody; others work.",
        recipe="iptables -j REJECT --reject-with tcp-reset, at the host itself",
        apply=_edge_down,
        canary=_edge,
        effect="refused / ok",
    ),
    Mechanism(
        id="name-queue",
        what=f"Connections with the name share a queue of {QUEUE_KBIT_S} kbit/s.",
        recipe="string match → CONNMARK → CLASSIFY → htb",
        apply=_queue_name,
        canary=_two_speeds(QUEUE_KBIT_S),
        healthy="fast / fast",
        effect="slow / fast",
    ),
    Mechanism(
        id="name-police",
        what=f"Packets of connections with the name are dropped above {POLICE_KBIT_S} kbit/s.",
        recipe="string match → CONNMARK → hashlimit → DROP",
        apply=_police_name,
        canary=_two_speeds(POLICE_KBIT_S),
        healthy="fast / fast",
        effect="slow / fast",
    ),
    Mechanism(
        id="name-police-packets",
        what=f"Packets of connections with the name are dropped above {POLICE_PACKETS_S} a second:"
        " a handshake takes long as well.",
        recipe="string match → CONNMARK → hashlimit in packets → DROP",
        apply=_police_packets,
        canary=_two_handshakes,
        healthy="quick / quick",
        effect="late / quick",
    ),
    Mechanism(
        id="captive-portal",
        what="Pages in the clear lead to a login at 192.168.1.1; TLS is dropped.",
        recipe="REDIRECT of port 80 to a proxy that redirects everybody; DROP of port 443",
        apply=_captive_portal,
        canary=_portal,
        effect="status 302 / timeout",
    ),
)
