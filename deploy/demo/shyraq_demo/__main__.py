"""`python -m shyraq_demo`: play a story for people, or check one without.

Exit codes: 0 as expected, 1 something was missed, invented or fell over, 2 usage or story file,
130 ended by Ctrl-C. Whatever ends it, no process, no file and no port is left.
"""

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

import click
from rich.console import Console

from shyraq_demo.broker import Kind, find
from shyraq_demo.errors import DemoError, StoryError
from shyraq_demo.narrator import Narrator
from shyraq_demo.running import Outcome, run
from shyraq_demo.story_toml import load

DEFAULT_STORY: Final = Path(__file__).parents[1] / "stories" / "january.toml"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WIDTH: Final = 160
_INTERRUPTED: Final = 130

_story_option = click.option(
    "--story",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_STORY,
    help="The story to play; default: stories/january.toml.",
)
_keep_option = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep ledger, spools, configurations and logs in this new directory.",
)
_broker_option = click.option(
    "--broker",
    type=click.Choice(["mosquitto", "nats"]),
    help="Which broker; default: mosquitto where this machine has it, else nats-server.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A country on loopback: real agents, a real broker, the real collector, and a story."""
    logging.basicConfig(level=logging.WARNING)


@main.command()
@_story_option
@_keep_option
@_broker_option
@click.option("--port", default=8022, show_default=True, help="Of the page on 127.0.0.1.")
def play(story: Path, keep: Path | None, broker: Kind | None, port: int) -> None:
    """Tell a story in the terminal and on a page, as it unfolds; Ctrl-C ends it."""
    outcome = _run(story, keep, broker, port, _console(sys.stdout), stay=True)
    sys.exit(0 if outcome.is_right else 1)


@main.command()
@_story_option
@_keep_option
@_broker_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def check(story: Path, keep: Path | None, broker: Kind | None, *, as_json: bool) -> None:
    """Play a story without a page to look at, and compare what was found with what is due."""
    console = _console(sys.stderr if as_json else sys.stdout)
    outcome = _run(story, keep, broker, None, console, stay=False)
    if as_json:
        click.echo(json.dumps(_plain(outcome), indent=2, ensure_ascii=False))
    sys.exit(0 if outcome.is_right else 1)


def _console(file: TextIO) -> Console:
    """Where to tell; as wide as the terminal, and wide enough for tables where there is none."""
    return Console(file=file, width=None if file.isatty() else _WIDTH)


def _run(  # every option by name
    story_path: Path,
    keep: Path | None,
    broker: Kind | None,
    port: int | None,
    console: Console,
    *,
    stay: bool,
) -> Outcome:
    """One run; every way it can end is turned into an exit code here."""
    try:
        story = load(story_path)
        with _directory(keep) as directory:
            return asyncio.run(
                _until_interrupted(
                    run(
                        story,
                        story_path,
                        directory,
                        program=find(broker),
                        page_port=port,
                        narrator=Narrator(story, console),
                        stay=stay,
                    )
                )
            )
    except StoryError as error:
        _give_up([error], code=2)
    except DemoError as error:
        _give_up([error], code=1)
    except BaseExceptionGroup as group:
        ours, rest = group.split(DemoError)
        if ours is None or rest is not None:
            raise
        _give_up(_leaves(ours), code=1)
    except asyncio.CancelledError:
        console.print("\nEnded; nothing is left behind.")
        sys.exit(_INTERRUPTED)


async def _until_interrupted(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run, and cancel at the first signal; more signals do not stop the cleaning up."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def end() -> None:
        if not signalled.is_set():
            signalled.set()
            task.cancel()

    for each in _SIGNALS:
        loop.add_signal_handler(each, end)
    return await task


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """The directory of a run: a new one to keep, or a temporary one."""
    if keep is None:
        made = Path(tempfile.mkdtemp(prefix="shyraq-demo-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        problem = f"--keep {keep}: {error.strerror}; a new directory is due"
        raise click.UsageError(problem) from error
    yield keep.resolve()


def _leaves(group: BaseExceptionGroup[DemoError]) -> list[DemoError]:
    leaves: list[DemoError] = []
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            leaves += _leaves(each)
        else:
            leaves.append(each)
    return leaves


def _give_up(errors: list[DemoError], *, code: int) -> NoReturn:
    for error in errors:
        click.echo(f"shyraq-demo: {error}", err=True)
    sys.exit(code)


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        "right": outcome.is_right,
        "findings": [asdict(finding) for finding in outcome.findings],
        "deeds": [asdict(deed) for deed in outcome.deeds],
        "said": [
            {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(said).items()}
            for said in outcome.said
        ],
    }


if __name__ == "__main__":
    main(prog_name="python -m shyraq_demo")
