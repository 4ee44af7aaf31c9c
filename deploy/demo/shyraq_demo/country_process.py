"""The process that holds the country of a run: servers, resolvers, doors and canaries.

    python -m shyraq_demo.country_process STORY RUN DIRECTORY

STORY is the story's file, RUN the number of the address plan, DIRECTORY where certificates and
keys go. When everything is open it says `ready`. Then it takes orders, one JSON object a line,
and answers each with one line when canaries have proved it:

    {"turn": 10.0}      bring every network to what the faults mean at this heartbeat
    {"forget": true}    drop the canaries that stand through a cut: the broker itself goes

    {"proved": true}    or    {"failed": "what a canary met instead"}

The end of standard input ends it.
"""

import asyncio
import json
import sys
from pathlib import Path

from shyraq_demo.addresses import Plan
from shyraq_demo.country import Country
from shyraq_demo.errors import EffectError
from shyraq_demo.start import READY
from shyraq_demo.story_toml import load


async def _serve(country: Country) -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    await country.begin()
    try:
        _say(READY)
        while line := await orders.readline():
            _say(json.dumps(await _obey(country, json.loads(line))))
    finally:
        await country.close()


async def _obey(country: Country, order: dict[str, float]) -> dict[str, object]:
    try:
        if "forget" in order:
            country.forget_standing()
        else:
            await country.turn(order["turn"])
    except EffectError as error:
        return {"failed": str(error)}
    return {"proved": True}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Open the country and take orders."""
    story, run, directory = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    asyncio.run(_serve(Country(load(story), Plan(run=run), directory)))


if __name__ == "__main__":
    main()
