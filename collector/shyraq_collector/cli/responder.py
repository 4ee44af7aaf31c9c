"""`responder`: the server abroad that nodes measure against."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from shyraq_collector.cli.options import json_option
from shyraq_collector.cli.running import feed, notifier
from shyraq_collector.cli.show import print_json
from shyraq_collector.clock import RealStopwatch
from shyraq_collector.config.responder import load_responder
from shyraq_collector.errors import LocalError
from shyraq_collector.responder.networks import read_networks
from shyraq_collector.responder.plan import Plan
from shyraq_collector.responder.service import Responder

DEFAULT_CONFIG: Final = Path("/etc/shyraq/responder.toml")

_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The responder's own configuration file.",
)
@click.option("--check", is_flag=True, help="Check the configuration and its files, and stop.")
@json_option
def responder(config_path: Path, check: bool, as_json: bool) -> int:
    """Serve name pairs, downloads, echoes and "which network am I in" until SIGTERM or Ctrl-C.

    SIGHUP reads the certificate again. No visitor's address is kept or logged.

    Exit codes: 0 stopped as asked, or the configuration is good; 1 a file or an address cannot be
    used; 2 a mistake in the configuration.
    """
    plan = load_responder(config_path)
    if check:
        _check(plan)
        _show(config_path, plan, as_json=as_json)
        return 0
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    if as_json:
        click.echo(json.dumps(_told(plan)))
    asyncio.run(_serve(plan))
    return 0


def _check(plan: Plan) -> None:
    """Open what is named; listeners stay closed, because the running responder has them."""
    Responder(plan, stopwatch=RealStopwatch()).reload()
    if plan.networks_file is not None:
        read_networks(plan.networks_file)


def _told(plan: Plan) -> dict[str, object]:
    return {
        "arms": [asdict(each) for each in plan.arms],
        "echoes": [asdict(each) for each in plan.echoes],
        "body_bytes": plan.body_bytes,
    }


def _show(path: Path, plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json({"config": str(path), **_told(plan)})
        return
    for arm in plan.arms:
        click.echo(f"{arm.use:<8} {arm.address} port {arm.port}/tcp, {plan.body_bytes:,} bytes")
    for echo in plan.echoes:
        click.echo(f"echo     {echo.address} port {echo.port}/{echo.transport}")
    click.echo(f"{path}: no mistake found")


async def _serve(plan: Plan) -> None:
    notify = notifier(os.environ.get("NOTIFY_SOCKET"))
    served = Responder(plan, stopwatch=RealStopwatch())
    opened = asyncio.Event()
    running = asyncio.ensure_future(served.run(opened.set))
    feeding = asyncio.ensure_future(feed(notify, opened))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    loop.add_signal_handler(signal.SIGHUP, _reload, served)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
        notify("STOPPING=1")
    finally:
        feeding.cancel()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _reload(served: Responder) -> None:
    try:
        served.reload()
    except LocalError as error:
        _log.error("event=certificate-kept error=%s", error)  # its text says it all
    else:
        _log.info("event=certificate-read")
