"""The table: what a mechanism does to a probe's steps, and what the judge must say of it.

Guilty rows: somebody interferes with the target; the judge must find out. Innocent rows: the
site, the line, the clock or the household is at fault, or nothing is; there "blocked" or
"throttled" is never right, whatever else is said.
"""

from dataclasses import dataclass
from typing import Final

from netlab.censors import CENSORS
from netlab.liars import LIARS
from netlab.mechanisms import Mechanism
from netlab.paths import PATHS
from netlab.throttles import SET_RATIO, THROTTLES
from shyraq_collector.facts.verdicts import Doubt, Layer, State

MECHANISMS: Final = {each.id: each for each in (*PATHS, *CENSORS, *LIARS, *THROTTLES)}

Step = tuple[str, str | None]
"""Name and failure."""

Said = tuple[State, Layer | Doubt | None]
"""A verdict with its layer or doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    mechanism: str | None
    """None: nothing is done."""
    target: str
    step: Step
    """Must be among the steps of the last measurement."""
    said: Said
    guilty: bool = False
    probe: str | None = None
    """None: the one for this kind of target."""
    aim: str = "news.example"
    """Of the mechanism."""
    domestic: bool = False
    patient: bool = False
    """With long time-outs."""
    rounds: int = 2
    """Measurements while the mechanism works."""
    rest_s: float = 0.0
    """Before each of them, and between the rounds of one."""
    met: bool = False
    """The node measures it once before as well."""
    or_said: tuple[Said, ...] = ()
    """Chance decides between these."""
    set_ratio: float | None = None
    """How much slower the name is made; the ratio that is published must be within 20 % of it."""
    beyond: str = ""
    """Why today's probes cannot find a guilty one out; it counts as missed all the same."""

    @property
    def id(self) -> str:
        """For people."""
        probe = f"{self.probe} " if self.probe else ""
        return f"{self.mechanism or 'nothing'}: {probe}{self.target}"

    @property
    def does(self) -> Mechanism | None:
        """The mechanism itself."""
        return None if self.mechanism is None else MECHANISMS[self.mechanism]


_QUIC, _QUIC6 = "quic://news.example:443", "quic://news6.example:443"
_NEWS, _NEWS6 = "https://news.example/", "https://news6.example/"
_PLAIN, _PLAIN6 = "http://news.example/", "http://news6.example/"
_GOOD: Final[Step] = ("request", None)
_SILENCE: Final[Step] = ("handshake", "generic_timeout_error")
_RESET: Final[Step] = ("handshake", "connection_reset")
_FORGED: Final[Step] = ("verify", "ssl_unknown_authority")
_REFUSED: Final[Step] = ("connect", "connection_refused")
_NO_CONNECT: Final[Step] = ("connect", "generic_timeout_error")
_NO_QUIC: Final[Step] = ("quic", "generic_timeout_error")
_BY_TLS: Final[Said] = ("blocked", "tls")
_BY_TCP: Final[Said] = ("blocked", "tcp")
_BY_QUIC: Final[Said] = ("blocked", "quic")
_BY_DNS: Final[Said] = ("blocked", "dns")
_BY_HTTP: Final[Said] = ("blocked", "http")
_BY_CERTIFICATE: Final[Said] = ("blocked", "certificate")
_THROTTLED: Final[Said] = ("throttled", None)
_OK: Final[Said] = ("ok", None)
_NO_DIFFERENCE: Final[Said] = ("unknown", "unclear")
_DOWN: Final[Said] = ("down", None)
_OWN: Final[Said] = ("unknown", "own_fault")


def _guilty(
    mechanism: str, target: str, step: Step, said: Said, *, probe: str | None = None
) -> Row:
    aim = "news6.example" if "news6" in target else "news.example"
    return Row(
        mechanism=mechanism, target=target, step=step, said=said, guilty=True, probe=probe, aim=aim
    )


def _throttled(mechanism: str, target: str, step: Step = _GOOD, *, probe: str | None = None) -> Row:
    aim = "news6.example" if "news6" in target else "news.example"
    return Row(
        mechanism=mechanism,
        target=target,
        step=step,
        said=_THROTTLED,
        guilty=True,
        probe=probe,
        aim=aim,
        patient=True,
        rounds=10,
    )


def _innocent(
    mechanism: str | None,
    target: str,
    step: Step,
    said: Said,
    *,
    probe: str | None = None,
    patient: bool = False,
) -> Row:
    return Row(
        mechanism=mechanism, target=target, step=step, said=said, probe=probe, patient=patient
    )


def _compared(
    mechanism: str | None,
    target: str,
    said: Said,
    *,
    probe: str = "name_pair",
    step: Step = ("transfer", None),
    rounds: int = 2,
    rest_s: float = 0.0,
    set_ratio: float | None = None,
    or_said: tuple[Said, ...] = (),
) -> Row:
    """By the probes that compare with a neutral twin; an innocent one unless something is found."""
    return Row(
        mechanism=mechanism,
        target=target,
        step=step,
        said=said,
        guilty=said[0] in ("blocked", "throttled"),
        probe=probe,
        aim="news6.example" if "news6" in target else "news.example",
        patient=step != _SILENCE,
        rounds=rounds,
        rest_s=rest_s,
        set_ratio=set_ratio,
        or_said=or_said,
    )


GUILTY: Final = (
    _guilty("sni-drop", _NEWS, _SILENCE, _BY_TLS),
    _guilty("sni-drop", "news.example:443", _SILENCE, _BY_TLS),
    _guilty("sni-drop", _NEWS6, _SILENCE, _BY_TLS),
    _guilty("sni-reset", _NEWS, _RESET, _BY_TLS),
    _guilty("sni-reset", "news.example:443", _RESET, _BY_TLS),
    _guilty("sni-reset", _NEWS6, _RESET, _BY_TLS),
    _guilty("host-reset", _PLAIN, ("request", "connection_reset"), _BY_HTTP),
    _guilty("host-reset", _PLAIN6, ("request", "connection_reset"), _BY_HTTP),
    _guilty("block-page", _PLAIN, _GOOD, _BY_HTTP),
    _guilty("block-page", _PLAIN6, _GOOD, _BY_HTTP),
    _guilty("forced-certificate", _NEWS, _FORGED, _BY_CERTIFICATE),
    _guilty("forced-certificate", "news.example:443", _FORGED, _BY_CERTIFICATE),
    _guilty("forced-certificate", _NEWS6, _FORGED, _BY_CERTIFICATE),
    _guilty("forced-root-in-store", _NEWS, _FORGED, _BY_CERTIFICATE),
    _guilty("address-drop", _NEWS, _NO_CONNECT, _BY_TCP),
    _guilty("address-drop", "news.example:443", _NO_CONNECT, _BY_TCP, probe="tcp"),
    _guilty("address-drop", _NEWS6, _NO_CONNECT, _BY_TCP),
    _guilty("address-reset", _NEWS, ("connect", "connection_refused"), _BY_TCP),
    _guilty("address-reset", _PLAIN6, ("connect", "connection_refused"), _BY_TCP),
    _guilty("sni-drop", "news6.example:443", _SILENCE, _BY_TLS),
    _guilty(
        "address-reset",
        "news.example:443",
        ("connect", "connection_refused"),
        _BY_TCP,
        probe="tcp",
    ),
    _guilty("dns-nxdomain", _PLAIN, ("lookup", "dns_nxdomain_error"), _BY_DNS),
    _guilty("dns-nxdomain", "news.example:443", ("lookup", "dns_nxdomain_error"), _BY_DNS),
    _guilty("dns-injection", "news.example", ("lookup", None), _BY_DNS),
    _guilty("dns-injection", _NEWS, _FORGED, _BY_DNS),
    _guilty("dns-nxdomain", _NEWS, ("lookup", "dns_nxdomain_error"), _BY_DNS),
    _guilty("dns-nxdomain", "news.example", ("lookup", "dns_nxdomain_error"), _BY_DNS),
    _guilty("dns-block-page", _NEWS, _FORGED, _BY_DNS),
    _guilty("dns-block-page", _PLAIN, _GOOD, _BY_HTTP),
    # Only a control that was asked tries an address that only the liar gives.
    _guilty("dns-dead-address", _NEWS, _REFUSED, _BY_DNS),
    _guilty("dns-dead-address", _PLAIN, _REFUSED, _BY_DNS),
    _guilty("dns-dead-address", "news.example:443", _REFUSED, _BY_DNS),
    Row(
        mechanism="sni-drop",
        target="cdn.example:443",
        aim="cdn.example",
        step=_SILENCE,
        said=_BY_TLS,
        guilty=True,
    ),
    _throttled("name-queue", _NEWS),
    _throttled("name-queue", _NEWS6),
    _throttled("name-queue", "news.example:443", ("verify", None)),
    _throttled("name-police-packets", "news.example:443", ("verify", None)),
    _throttled("name-police-packets", "news6.example:443", ("verify", None)),
    # Such a policer lets every handshake through; a transfer shows it.
    _compared("name-police", "news.example:443", _THROTTLED),
    _compared("name-police", "https://news.example/big", _THROTTLED, probe="rate", rounds=10),
    _compared("line-name-queue", "news.example:443", _THROTTLED, set_ratio=SET_RATIO),
    _compared("line-name-queue", "news6.example:443", _THROTTLED, set_ratio=SET_RATIO),
    _compared("line-name-police", "news.example:443", _THROTTLED, set_ratio=SET_RATIO),
    _compared("line-name-police", "news6.example:443", _THROTTLED, set_ratio=SET_RATIO),
    _compared("sni-drop", "news.example:443", _BY_TLS, step=_SILENCE),
    _compared("forced-certificate", "news.example:443", _BY_CERTIFICATE, step=_FORGED),
    _guilty("udp443-block", _QUIC, _NO_QUIC, _BY_QUIC),
    _guilty("udp443-block", _QUIC6, _NO_QUIC, _BY_QUIC),
    _guilty("sni-drop", _QUIC, _SILENCE, _BY_TLS),
    *(
        Row(
            mechanism=mechanism,
            target=f"messenger:{service}",
            aim="chat.example",
            step=step,
            said=said,
            guilty=True,
        )
        for mechanism, service, step, said in (
            ("sni-drop", "whatsapp-web", _SILENCE, _BY_TLS),
            ("sni-reset", "whatsapp-web", _RESET, _BY_TLS),
            ("sni-drop", "signal", ("hello", "generic_timeout_error"), _BY_TLS),
            ("forced-certificate", "whatsapp-web", _FORGED, _BY_CERTIFICATE),
            ("address-drop", "telegram", _NO_CONNECT, _BY_TCP),
            ("dns-nxdomain", "whatsapp-web", ("lookup", "dns_nxdomain_error"), _BY_DNS),
        )
    ),
    *(
        Row(
            mechanism=mechanism,
            target=target,
            aim="gov.example",
            step=step,
            said=said,
            guilty=True,
            domestic=True,
        )
        for mechanism, target, step, said in (
            ("sni-drop", "https://gov.example/", _SILENCE, _BY_TLS),
            ("forced-certificate", "https://gov.example/", _FORGED, _BY_CERTIFICATE),
            ("host-reset", "http://gov.example/", ("request", "connection_reset"), _BY_HTTP),
        )
    ),
    *(
        Row(
            mechanism=mechanism,
            target="https://cdn.example/",
            aim="cdn.example",
            step=step,
            said=said,
            guilty=True,
            met=True,
        )
        for mechanism, step, said in (
            ("sni-drop", _SILENCE, _BY_TLS),
            ("sni-reset", _RESET, _BY_TLS),
            ("forced-certificate", _FORGED, _BY_CERTIFICATE),
        )
    ),
)

INNOCENT: Final = (
    _innocent(None, _NEWS, _GOOD, _OK),
    _innocent(None, _NEWS6, _GOOD, _OK),
    _innocent(None, _PLAIN, _GOOD, _OK),
    _innocent(None, "news.example:443", ("verify", None), _OK),
    _innocent(None, "news.example:443", ("connect", None), _OK, probe="tcp"),
    _innocent(None, "news.example", ("lookup", None), _OK),
    _innocent(None, _QUIC, ("quic", None), _OK),
    _innocent(None, _QUIC6, ("quic", None), _OK),
    _innocent(None, "quic://refusing.example:443", ("quic", "connection_refused"), _DOWN),
    Row(
        mechanism="loss",
        target=_QUIC,
        step=("quic", None),
        said=_OK,
        or_said=(("unknown", "too_few"), ("unknown", "own_fault")),
        patient=True,
        rounds=6,
    ),
    _innocent("ipv6-cut", _QUIC, ("quic", None), _OK),
    _innocent(None, "messenger:telegram", ("connect", None), _OK),
    _innocent(None, "messenger:whatsapp-web", ("verify", None), _OK),
    _innocent(None, "messenger:signal", ("hello", None), _OK),
    _innocent(None, "messenger:facebook-messenger", ("connect", "connection_refused"), _DOWN),
    _innocent("udp443-block", "messenger:whatsapp-web", ("verify", None), _OK),
    _innocent("drop", "messenger:telegram", _NO_CONNECT, _OWN),
    _innocent(None, "https://refused.example/", ("connect", "connection_refused"), _DOWN),
    Row(
        mechanism="dns-dead-address",
        target="https://refused.example/",
        aim="refused.example",
        step=_REFUSED,
        said=_DOWN,
    ),
    Row(
        mechanism="edge-down",
        target="https://edge.example/",
        aim="edge.example",
        step=_REFUSED,
        said=("unknown", "unclear"),
        met=True,
    ),
    _innocent(None, "https://silent.example/", _SILENCE, _DOWN),
    _innocent(None, "https://reset.example/", _RESET, _DOWN),
    _innocent(None, "http://silent.example/", ("request", "generic_timeout_error"), _DOWN),
    _innocent(None, "https://gone.example/", ("lookup", "dns_nxdomain_error"), _DOWN),
    _innocent(None, "https://forged.example/", _FORGED, _DOWN),
    _innocent(None, "https://expired.example/", ("verify", "ssl_invalid_certificate"), _DOWN),
    _innocent(None, "https://refusing.example/", _GOOD, _OK),
    _innocent(None, "https://geo.example/", _GOOD, ("unknown", "refused_by_server")),
    _innocent(None, "https://cdn.example/", _GOOD, _OK),
    _innocent(None, "http://cdn.example/", _GOOD, _OK),
    Row(
        mechanism=None,
        target="https://slow.example/",
        step=_GOOD,
        said=_OK,
        patient=True,
        rounds=10,
    ),
    Row(
        mechanism="clock-skew",
        target="https://fresh.example/",
        step=("verify", "ssl_invalid_certificate"),
        said=("unknown", "wrong_clock"),
    ),
    _innocent("clock-skew", _NEWS, _GOOD, _OK),
    _innocent("captive-portal", _PLAIN, _GOOD, ("unknown", "captive_portal")),
    _innocent("captive-portal", _NEWS, _NO_CONNECT, _OWN),
    _innocent("ipv6-cut", _NEWS, _GOOD, _OK),
    _innocent("ipv6-cut", _NEWS6, _NO_CONNECT, _OWN),
    Row(
        mechanism="loss",
        target=_NEWS,
        step=("connect", None),
        said=_OK,
        or_said=(("unknown", "too_few"), ("unknown", "own_fault")),
        patient=True,
        rounds=6,
    ),
    _innocent("link-cut", _NEWS, ("connect", "network_unreachable"), _OWN, patient=True),
    _innocent("blackhole", _NEWS, _NO_CONNECT, _OWN),
    _innocent("unreachable", _NEWS, ("connect", "host_unreachable"), _OWN, patient=True),
    _innocent("drop", _NEWS, _NO_CONNECT, _OWN),
    _innocent("reject", _NEWS, ("connect", "host_unreachable"), _OWN, patient=True),
    _innocent("white-list", _NEWS, _NO_CONNECT, _OWN),
    _innocent("white-list", _NEWS6, _NO_CONNECT, _OWN),
    Row(
        mechanism="white-list",
        target="https://gov.example/",
        step=_GOOD,
        said=_OK,
        domestic=True,
    ),
    Row(
        mechanism="link-throttle",
        target=_NEWS,
        step=_GOOD,
        said=_OK,
        patient=True,
        rounds=10,
    ),
    Row(mechanism="delay", target=_NEWS, step=_GOOD, said=_OK, patient=True, rounds=10),
    _innocent("home-filter", _NEWS, ("lookup", "dns_bogon_error"), ("unknown", "home_filter")),
    _innocent("dns-dead", _NEWS, ("lookup", "generic_timeout_error"), _OWN),
    _innocent("mqtt-block", _NEWS, _GOOD, _OK),
    _compared(None, "news.example:443", _NO_DIFFERENCE, rounds=8),
    _compared(None, "slow.example:443", _NO_DIFFERENCE, rounds=8),
    _compared("link-throttle", "news.example:443", _NO_DIFFERENCE, rounds=8),
    _compared("link-throttle", "https://news.example/big", _NO_DIFFERENCE, probe="rate", rounds=8),
    _compared("line-burst", "news.example:443", _NO_DIFFERENCE, rounds=5, rest_s=4),
    _compared(
        "line-burst",
        "https://news.example/big",
        _NO_DIFFERENCE,
        probe="rate",
        rounds=10,
        rest_s=4,
    ),
    _compared("congestion", "news.example:443", _NO_DIFFERENCE, rounds=8),
    _compared("congestion", "https://news.example/big", _NO_DIFFERENCE, probe="rate", rounds=8),
    _compared(
        "loss",
        "news.example:443",
        _NO_DIFFERENCE,
        rounds=8,
        or_said=(("unknown", "too_few"), ("unknown", "own_fault")),
    ),
    _innocent("udp443-block", _NEWS, _GOOD, _OK),
)

ROWS: Final = (*GUILTY, *INNOCENT)
