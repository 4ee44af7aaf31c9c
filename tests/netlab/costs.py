"""What one action puts on the line: in the agent's namespace, by the cable and by our meter.

Both directions of the cable are counted by the kernel; link headers are taken off. The least of
three counts, because the kernel's own neighbour discovery shares the cable; the meter's is that
of the same run. Started as a program with a folder that holds the lab's `bundle.pem`.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import SystemRandom

from netlab.addresses import ABROAD, ADMITTED, BIG, ECHO_PORT, NAME_SERVER, ROUTER
from netlab.arms import known_responder
from shyraq_agent.clock import RealPace, RealStopwatch
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import PROBES
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.edges import Edges, Resolver, ThreadedResolver
from shyraq_agent.measure.ladder import LadderProbe
from shyraq_agent.measure.responder import Pairing
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Ladder, Rung, parse_target
from shyraq_agent.meter import Tally

_QUIET_S = 0.2
"""After an action: what is still on the way arrives and is counted."""

_LINK_HEADER_BYTES = 14

RUNGS = {
    "hello": Rung(tier="domestic", host=BIG[0], port=443, proof="tls", server_name="big.example"),
    "echo": Rung(tier="abroad", host=ABROAD, port=ECHO_PORT, proof="echo"),
    "dns": Rung(tier="resolver", host=NAME_SERVER, port=53, proof="dns"),
    "ping": Rung(tier="gateway", host=ROUTER[0], port=0, proof="ping"),
}
TARGETS = {
    "web": "https://big.example/",
    "web in clear": "http://big.example/",
    "tls": f"{BIG[0]}:443",
    "tcp": f"{BIG[0]}:443",
    "quic": f"quic://{BIG[0]}:443",
    "trace": f"trace://{BIG[0]}:443",
    "name_pair": "big.example:443",
    "rate": "https://big.example/",
}


async def main(bundle: Path) -> None:
    """Do each action alone and print its cost."""
    edges = Edges(
        pace=RealPace(),
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(gateways=ROUTER, admitted=ADMITTED),
        trust=Trust.from_bundle(bundle),
        rng=SystemRandom(),
        system_resolver=ThreadedResolver(),
        resolvers=(Resolver(role="isp", address=NAME_SERVER),),
        responder=known_responder(4),
        pairing=Pairing(rounds=1, washout_ms=0),
    )
    costs = {}
    for name, rung in RUNGS.items():
        costs[name] = await _cost(LadderProbe(Ladder(rungs=(rung,)), edges).climb, edges.meter)
    for name, text in TARGETS.items():
        probe, target = PROBES[name.partition(" ")[0]], parse_target(text)
        costs[name] = await _cost(lambda p=probe, t=target: p(t, edges), edges.meter)  # type: ignore[misc]
    print(json.dumps(costs))  # noqa: T201  # the result


async def _cost(action: Callable[[], Awaitable[RawMeasurement]], meter: Tally) -> tuple[int, int]:
    """On the line, and by the meter."""
    counts = []
    for _ in range(3):
        before, metered = _counted(), meter.used_bytes
        await action()
        await asyncio.sleep(_QUIET_S)
        counts.append((_counted() - before, meter.used_bytes - metered))
    return min(counts)


def _counted() -> int:
    """Bytes in both directions, from this namespace's own table."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (fields,) = (line.partition(":")[2].split() for line in lines if "wan:" in line)
    got_bytes, got_packets, sent_bytes, sent_packets = (int(fields[n]) for n in (0, 1, 8, 9))
    return got_bytes + sent_bytes - (got_packets + sent_packets) * _LINK_HEADER_BYTES


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) / "bundle.pem"))
