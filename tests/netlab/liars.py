"""Mechanisms that lie in DNS: beside the path, or in place of the resolver."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from netlab import canary
from netlab.country import only
from netlab.geography import NAME_SERVER, NO_RESOLVER
from netlab.injector import injecting
from netlab.mechanisms import Mechanism, Scene
from netlab.serving import serving
from netlab.sites import BLOCK_PAGE_HOST, DEAD_HOST, answer, zone
from support.hostile_servers import dns_answer, dns_server

_OTHER: Final = "neutral.example"
_LIAR_PORT: Final = 5300

Apply = Callable[[Scene], AbstractContextManager[None]]


def _inject(scene: Scene) -> AbstractContextManager[None]:
    addresses = (BLOCK_PAGE_HOST,)
    return injecting(scene.stage.country, scene.isp, name=scene.name, addresses=addresses)


def _lie(*addresses: str, to_all: bool = False) -> Apply:
    """Port 53 led to a liar; without addresses the name does not exist."""

    @contextmanager
    def apply(scene: Scene) -> Iterator[None]:
        country, names = scene.stage.country, dict(zone("home"))

        def reply(query: bytes) -> list[tuple[float, bytes]]:
            if to_all:
                return []
            true = answer(query, names, delay_ms=0)
            asked = scene.name.encode().split(b".")[0] in query
            if not asked:
                return list(true)
            rcode = "NOERROR" if addresses else "NXDOMAIN"
            return [(0, dns_answer(query, *addresses, rcode=rcode))]

        liar = dns_server(reply, host="0.0.0.0", port=_LIAR_PORT)  # noqa: S104  # in a namespace
        lead = "-t nat PREROUTING -p {} --dport 53 -j REDIRECT --to-ports " + str(_LIAR_PORT)
        with (
            serving(country, scene.isp, [liar]),
            country.rules(scene.isp, lead.format("udp"), lead.format("tcp"), families=only(4)),
        ):
            yield

    return apply


def _answers(scene: Scene) -> str:
    """The resolver on the name, on another; and a host that runs no resolver, on the name."""
    told = [_short(scene, canary.ask(NAME_SERVER[0], name)) for name in (scene.name, _OTHER)]
    return " / ".join((*told, _short(scene, canary.ask(NO_RESOLVER, scene.name))))


def _short(scene: Scene, answers: str) -> str:
    true = {name: addresses[0] for name, addresses in zone("home").items()}
    words = {true[scene.name]: "true", true[_OTHER]: "true", BLOCK_PAGE_HOST: "lie"}
    return "|".join(words.get(each, each) for each in answers.split("|"))


_TRUE: Final = "true / true / timeout"

LIARS: Final = (
    Mechanism(
        id="dns-injection",
        what="A forged answer comes first and the true one after it, also where no resolver runs.",
        recipe="a raw socket beside the path; nothing is held up",
        apply=_inject,
        canary=_answers,
        healthy=_TRUE,
        effect="lie|true / true / lie",
    ),
    Mechanism(
        id="dns-nxdomain",
        what="Port 53 is led to a liar: the name does not exist.",
        recipe="REDIRECT of port 53 to a resolver of the provider",
        apply=_lie(),
        canary=_answers,
        healthy=_TRUE,
        effect="NXDOMAIN / true / NXDOMAIN",
    ),
    Mechanism(
        id="dns-block-page",
        what="Port 53 is led to a liar: the name is given the address of a block page.",
        recipe="REDIRECT of port 53 to a resolver of the provider",
        apply=_lie(BLOCK_PAGE_HOST),
        canary=_answers,
        healthy=_TRUE,
        effect="lie / true / lie",
    ),
    Mechanism(
        id="dns-dead-address",
        what="Port 53 is led to a liar: the name is given an address where nothing listens.",
        recipe="REDIRECT of port 53 to a resolver of the provider",
        apply=_lie(DEAD_HOST),
        canary=_answers,
        healthy=_TRUE,
        effect=f"{DEAD_HOST} / true / {DEAD_HOST}",
    ),
    Mechanism(
        id="home-filter",
        what="The resolver gives 0.0.0.0 for the name, as filters at home do.",
        recipe="REDIRECT of port 53 to a resolver of the household",
        apply=_lie("0.0.0.0"),  # noqa: S104  # an answer, not a socket
        canary=_answers,
        healthy=_TRUE,
        effect="0.0.0.0 / true / 0.0.0.0",
    ),
    Mechanism(
        id="dns-dead",
        what="No resolver answers anything.",
        recipe="REDIRECT of port 53 to a resolver that is silent",
        apply=_lie(to_all=True),
        canary=_answers,
        healthy=_TRUE,
        effect="timeout / timeout / timeout",
    ),
)
