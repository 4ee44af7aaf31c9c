"""Serves the scenes of the public pages on loopback, for a look in a browser.

    .venv/bin/python -m support.preview PORT      (with tests/ on the path)

Every scene has its own port, from PORT on, in the order of `scenes.SCENES`. Not a test.
"""

import asyncio
import sys

import uvicorn

from shyraq_collector.disclose.api import build
from support.clock import FakePace
from support.scenes import SCENES, played


async def serve(first_port: int) -> None:
    """Serve all scenes until interrupted."""
    servers = []
    for offset, name in enumerate(SCENES):
        app = build(played(name), FakePace())
        config = uvicorn.Config(app, "127.0.0.1", first_port + offset, log_level="warning")
        servers.append(uvicorn.Server(config).serve())
        sys.stdout.write(f"http://127.0.0.1:{first_port + offset}/  {name}\n")
    sys.stdout.flush()
    await asyncio.gather(*servers)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
