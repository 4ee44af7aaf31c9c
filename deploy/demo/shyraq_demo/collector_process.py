"""The process that holds the collector of a run, as shipped.

    python -m shyraq_demo.collector_process CONFIGURATION

It differs from `shyraq-collector run` in one thing: its pace is the story's.
"""

import asyncio
import logging
import sys
from pathlib import Path

from shyraq_collector.app import Collector
from shyraq_collector.clock import RealStopwatch
from shyraq_collector.config import load_config
from shyraq_demo.start import await_start, until_told_to_end


def main() -> None:
    """Load, say so, and run until told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    config = load_config(Path(sys.argv[1]))
    pace = await_start().pace()
    collector = Collector(config, pace=pace, stopwatch=RealStopwatch())
    asyncio.run(until_told_to_end(collector.run()))


if __name__ == "__main__":
    main()
