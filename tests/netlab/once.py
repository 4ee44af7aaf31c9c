"""The lab's entry point to `shyraq-agent once`: the only one that admits the lab's prefixes.

The probes, the host's own resolver and the renderers are the product's; only the address policy is
built here, and it admits exactly `addresses.ADMITTED`. Started as a program with a bundle; reads
targets from its input, one a line, and prints measurements as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from random import SystemRandom

from netlab.addresses import ABROAD, ADMITTED, ECHO_PORT, NAME_SERVER, ROUTER, SITE
from shyraq_agent.clock import RealPace, RealStopwatch
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.edges import Edges, Resolver, ThreadedResolver
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.target import Ladder, Rung, parse_target
from shyraq_agent.once import measure_once, to_json

LADDER = Ladder(
    rungs=(
        Rung(tier="gateway", host=ROUTER[0], port=0, proof="ping"),
        Rung(tier="resolver", host=NAME_SERVER, port=53, proof="dns"),
        Rung(tier="domestic", host=SITE[0], port=443, proof="tls", server_name="orda.example"),
        Rung(tier="domestic", host=SITE[1], port=443, proof="tls", server_name="orda.example"),
        Rung(tier="abroad", host=ABROAD, port=ECHO_PORT, proof="echo"),
        Rung(tier="abroad", host="silent.example", port=443, proof="tls"),
    )
)


async def main(bundle: Path, texts: list[str]) -> None:
    """Measure the targets and print what was seen."""
    edges = Edges(
        pace=RealPace(),
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(gateways=ROUTER, admitted=ADMITTED),
        trust=Trust.from_bundle(bundle),
        rng=SystemRandom(),
        system_resolver=ThreadedResolver(),
        resolvers=(Resolver(role="isp", address=NAME_SERVER),),
        limits=Limits(
            late_answer_ms=30, connect_ms=1500, handshake_ms=1000, request_ms=1500, ladder_ms=1000
        ),
    )
    targets = [parse_target(text) for text in texts]
    measured = await measure_once(targets, edges, ladder=LADDER)
    json.dump([to_json(each) for each in measured], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.stdin.read().split()))
