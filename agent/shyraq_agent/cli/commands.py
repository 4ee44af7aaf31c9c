"""The commands, as click sees them: arguments in, exit code out. The work is done elsewhere.

The address policy is made here and nowhere in a configuration. `main` takes the one for public
addresses; the entry points of the demo and of the tests call `run_command` with their own.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import click

from shyraq_agent.app import SOFTWARE, ask_status, make_edges
from shyraq_agent.cli.host import pause, resume
from shyraq_agent.cli.keys import keygen
from shyraq_agent.cli.options import DEFAULT_CONFIG, config_option, json_option, state_option
from shyraq_agent.cli.running import run_until_stopped
from shyraq_agent.cli.show import render_status, render_traffic, what_is_wrong
from shyraq_agent.clock import RealPace, RealStopwatch
from shyraq_agent.config import AgentConfig, load_config
from shyraq_agent.config.plan import ladder_of, responder_of
from shyraq_agent.config.probing import LimitSettings
from shyraq_agent.config.reference import render_reference
from shyraq_agent.config.settings import NetworkSettings
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.errors import AgentError, ConfigError
from shyraq_agent.measure import PROBES, misuse
from shyraq_agent.measure.responder import Pairing
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Target, load_shipped_targets, parse_target
from shyraq_agent.once import measure_once, render_steps, render_table, to_json, went_wrong

MakePolicy = Callable[[Sequence[str]], AddressPolicy]
"""From the configured gateways to the address policy."""

WRONG: Final = 1
USAGE: Final = 2


def public_policy(gateways: Sequence[str]) -> AddressPolicy:
    """Public unicast addresses, and the host's named gateways for the ladder."""
    return AddressPolicy(gateways=gateways)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:], make_policy=public_policy))


def run_command(arguments: Sequence[str], *, make_policy: MakePolicy) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name.
        make_policy: What may be reached.

    Returns:
        The exit code.
    """
    try:
        code = cli.main(
            list(arguments), prog_name="shyraq-agent", standalone_mode=False, obj=make_policy
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        click.echo("stopped", err=True)
        return WRONG
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    except AgentError as error:
        click.echo(f"shyraq-agent: {error}", err=True)
        return WRONG
    return code if isinstance(code, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(SOFTWARE.partition("/")[2], prog_name="shyraq-agent")
def cli() -> None:
    """Measure the network of this host, sign what was seen, and deliver it.

    Exit codes: 0 all is well, 1 something is wrong, 2 usage or configuration.
    """


@cli.command()
@config_option
@click.pass_obj
def run(make_policy: MakePolicy, config_path: Path) -> None:
    """Measure, sign, keep and send until SIGTERM or Ctrl-C."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("quic").setLevel(logging.ERROR)  # it names what servers say
    config = load_config(config_path)
    asyncio.run(run_until_stopped(config, make_policy(config.settings.network.gateways)))


@cli.command()
@click.argument("targets", nargs=-1)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take resolvers, limits, ladder and (without TARGETS) targets from this file.",
)
@click.option(
    "--probe",
    type=click.Choice(sorted(PROBES)),
    help="Use this probe for each of TARGETS.  [default: the one that its way of writing means]",
)
@click.option("--explain", is_flag=True, help="Show every step with what it saw.")
@json_option
@click.pass_obj
def once(
    make_policy: MakePolicy,
    *,
    targets: tuple[str, ...],
    config_path: Path | None,
    probe: str | None,
    explain: bool,
    as_json: bool,
) -> int:
    """Measure TARGETS now and show what was seen; nothing is signed, kept or sent.

    A target is a URL, host:port, a name, quic://host:port, trace://host:port or
    messenger:service. Without any, those of the configuration are
    measured, else the list that comes with the agent. Exit code 1: at least one target did not
    answer to the end.
    """
    config = None if config_path is None else load_config(config_path)
    chosen = _targets(targets, config)
    wrong = [misuse(probe, each.kind) for each in chosen] if probe is not None else []
    if any(wrong):
        raise click.UsageError("\n".join(filter(None, wrong)))
    measured = asyncio.run(_measure(chosen, config, make_policy, probe=probe, quiet=as_json))
    if as_json:
        click.echo(json.dumps([to_json(each) for each in measured], ensure_ascii=False, indent=2))
    elif explain:
        click.echo("\n\n".join(render_steps(each) for each in measured))
    else:
        click.echo(render_table(measured))
    return WRONG if any(went_wrong(each) for each in measured) else 0


@cli.command()
@config_option
@state_option
@json_option
def status(config_path: Path, state: Path | None, as_json: bool) -> int:
    """Show how the agent on this host stands; asks it over a local socket.

    Exit code 1: it does not run, or something needs attention.
    """
    directory = state or load_config(config_path).settings.node.state_directory
    told: Mapping[str, Any] = ask_status(directory)
    wrong = what_is_wrong(told)
    if as_json:
        click.echo(json.dumps({**told, "wrong": list(wrong)}, indent=2))
    else:
        click.echo(render_status(told))
    return WRONG if wrong else 0


@cli.command("check-config")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_CONFIG)
@click.option("--keys", is_flag=True, help="Print the reference of every key instead.")
@json_option
def check_config(path: Path, keys: bool, as_json: bool) -> None:
    """Check a configuration file and print what it will cost a month.

    Every mistake is listed at once; exit code 2 if there is any.
    """
    if keys:
        click.echo(render_reference(), nl=False)
        return
    traffic = load_config(path).traffic
    if as_json:
        lines = [
            {"what": each.what, "runs": each.runs, "month_bytes": each.month_bytes}
            for each in traffic.lines
        ]
        totals = {"month_bytes": traffic.month_bytes, "allowed_bytes": traffic.allowed_bytes}
        click.echo(json.dumps({"lines": lines, **totals}, indent=2))
    else:
        click.echo(render_traffic(traffic))


cli.add_command(keygen)
cli.add_command(pause)
cli.add_command(resume)


def _targets(texts: Sequence[str], config: AgentConfig | None) -> tuple[Target, ...]:
    if not texts:
        if config is None:
            return load_shipped_targets()
        return tuple({each.target.text: each.target for each in config.plan}.values())
    try:
        return tuple(parse_target(text) for text in texts)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


async def _measure(
    targets: Sequence[Target],
    config: AgentConfig | None,
    make_policy: MakePolicy,
    *,
    probe: str | None,
    quiet: bool,
) -> tuple[RawMeasurement, ...]:
    network = NetworkSettings() if config is None else config.settings.network
    edges = make_edges(
        network,
        () if config is None else config.settings.resolver,
        LimitSettings() if config is None else config.settings.limits,
        pace=RealPace(),
        stopwatch=RealStopwatch(),
        policy=make_policy(network.gateways),
        rng=SystemRandom(),
        responder=None if config is None else responder_of(config.settings.responder),
        pairing=_one_round(config),
        may_trace_hello=config is not None and config.settings.trace.hello,
    )
    ladder = None if config is None else ladder_of(config.settings)
    wanted = len(targets) + (ladder is not None)
    finished = 0

    def progress(_: RawMeasurement) -> None:
        nonlocal finished
        finished += 1
        if not quiet and sys.stderr.isatty():
            click.echo(f"\r{finished} of {wanted}", nl=finished == wanted, err=True)

    return await measure_once(targets, edges, ladder=ladder, probe=probe, progress=progress)


def _one_round(config: AgentConfig | None) -> Pairing:
    """Nobody waits at a terminal for a washout."""
    if config is None:
        return Pairing(rounds=1, washout_ms=0)
    return Pairing(neutral_name=config.settings.name_pair.neutral_name, rounds=1, washout_ms=0)
