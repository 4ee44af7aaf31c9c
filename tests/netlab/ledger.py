"""The lab's collector as a program: the real one, on the journey's pace.

python -m netlab.ledger CONFIGURATION ANCHOR
"""

import asyncio
import logging
import sys
from pathlib import Path

from netlab.pace import journey_pace
from shyraq_collector.app import Collector
from shyraq_collector.clock import RealStopwatch
from shyraq_collector.config import load_config

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    collector = Collector(
        load_config(Path(sys.argv[1])),
        pace=journey_pace(int(sys.argv[2])),
        stopwatch=RealStopwatch(),
    )
    asyncio.run(collector.run())
