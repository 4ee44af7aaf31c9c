"""The journey inside the sandbox: real agents, a real broker and a real collector in the country.

Faults are put on the wire by the same proved mechanisms; incidents are read where anyone may
read them, at the HTTP API, and verdicts from the operator's command. The story, in order:

    calm       every line of the country is heard
    lie        a provider's resolver gives a dead address for a name: a verdict, because controls
               were asked to try that address
    block      a provider drops a name: a verdict, with that provider and the layer
    cut        a provider's way abroad leads nowhere: an outage of that provider; from what its
               nodes kept meanwhile, that it was domestic-only; its end
    power      the power of one town goes at one provider: an outage of that cell

Started as a program with a folder of its own; prints one JSON object. Delays count from the
moment a mechanism was applied to the moment the answer could be read, in heartbeats.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from netlab.geography import BROKER, ECHO_PORT
from netlab.mechanisms import Scene, working
from netlab.outfit import HTTP_PORT, MQTT_PORT, TARGET, fleet, write_all
from netlab.pace import BEAT_S, journey_pace
from netlab.power import power_cut
from netlab.rows import MECHANISMS
from netlab.sandbox import TESTS
from netlab.serving import serving
from netlab.stage import Stage, open_stage
from support.broker import find_program
from support.hostile_servers import udp_server

_READY_BEATS: Final = 20.0
_PHASES: Final = ("open", "restored", "closed", "dismissed")
_CUT_BEATS: Final = 12


class Journey:
    """The running country."""

    def __init__(self, stage: Stage, folder: Path, stack: ExitStack) -> None:
        """Start broker, collector and agents; they end with the stack."""
        self.stage, self._folder, self._stack = stage, folder, stack
        self._anchor = time.monotonic_ns()
        self.pace = journey_pace(self._anchor)
        self.found: list[dict[str, Any]] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.configuration = write_all(folder, stage.bundle)
        stack.enter_context(
            serving(stage.country, "broker", [udp_server(host=BROKER[0], port=ECHO_PORT)])
        )
        conf = folder / "mosquitto.conf"
        conf.write_text(
            f"listener {MQTT_PORT}\nallow_anonymous true\nuser root\n"
            "max_queued_messages 100000\nset_tcp_nodelay true\n"
        )
        self._start("mosquitto", "broker", find_program("mosquitto"), "-c", str(conf))
        self._start("collector", "broker", *_python("ledger", self.configuration, self._anchor))
        self.wait("the collector serves", lambda: self.ask("/api/v1/health") is not None)
        for place in sorted({member.place for member in fleet()}):
            program = _python("agents", folder / "nodes" / place, self._anchor)
            self._start(place, place, *program)

    def _start(self, name: str, place: str, *command: str) -> None:
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        with self.stage.country.inside(place):
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
            )
        self.processes[name] = process
        self._stack.callback(_end, process)

    def ask(self, path: str) -> dict[str, Any] | None:
        """An answer of the HTTP API; None: nobody serves."""
        with self.stage.country.inside("broker"):
            try:
                with urllib.request.urlopen(  # a fixed address in a namespace
                    f"http://127.0.0.1:{HTTP_PORT}{path}", timeout=5
                ) as answer:
                    found: dict[str, Any] = json.load(answer)
                    return found
            except OSError:
                return None

    def entries(self) -> list[dict[str, Any]]:
        """Every line of every incident's timeline."""
        query = "&".join(f"phase={phase}" for phase in _PHASES)
        found = self.ask(f"/api/v1/incidents?{query}&limit=100") or {"incidents": []}
        return [
            entry
            for incident in found["incidents"]
            for entry in (self.ask(f"/api/v1/incidents/{incident['id']}") or {})["timeline"]
        ]

    def expect(
        self, what: str, is_so: Callable[[], bool], *, since: float, beats: float = 25.0
    ) -> None:
        """Wait until something is so, and keep how long it took; a miss is kept as well.

        Args:
            what: For people.
            is_so: Asked again and again.
            since: Moment on the monotonic clock from which the delay is counted, seconds.
            beats: Patience, in heartbeats from now.
        """
        try:
            self.wait(what, is_so, beats=beats)
        except TimeoutError as error:
            _tell(f"MISS {error}")
            self.found.append({"what": what, "beats": None})
            return
        took = (time.monotonic() - since) / BEAT_S
        _tell(f"ok   {took:5.1f} heartbeats ({took * BEAT_S:.1f} s): {what}")
        self.found.append({"what": what, "beats": round(took, 1)})

    def has_said(
        self, kind: str, isp: str, state: str = "confirmed", **more: object
    ) -> Callable[[], bool]:
        """Whether a timeline speaks of one provider; `more` are fields of the entry or scope."""

        def is_so() -> bool:
            return any(
                (entry["kind"], entry["state"], entry["scope"]["isps"]) == (kind, state, [isp])
                and all({**entry["scope"], **entry}[key] == value for key, value in more.items())
                for entry in self.entries()
            )

        return is_so

    def has_judged(self, isp: str, state: str, layer: str) -> Callable[[], bool]:
        """Whether the operator's command gives a verdict on the target."""
        wanted = (isp, state, layer)
        return lambda: any(
            (row["isp"], row["state"], row["layer"]) == wanted for row in self.verdicts()
        )

    def verdicts(self) -> list[dict[str, Any]]:
        """What the operator's command says of the target."""
        command = ("query", "verdicts", "--config", str(self.configuration), "--json")
        done = subprocess.run(
            [sys.executable, "-m", "shyraq_collector", *command],
            capture_output=True,
            text=True,
            check=True,
        )
        return [row for row in json.loads(done.stdout) if row["target"] == TARGET]

    def lines_heard(self) -> int:
        """Lines of the country that are up."""
        status = self.ask("/api/v1/status")
        country = status["countries"][0]["nation"][0] if status and status["countries"] else None
        # Too few lines are not published: no figure then.
        return (country["lines"] or 0) - (country["lines_down"] or 0) if country else 0

    def wait(self, what: str, is_so: Callable[[], bool], *, beats: float = _READY_BEATS) -> float:
        """Wait until something is so; gives the seconds it took.

        Raises:
            TimeoutError: It is not, after so many heartbeats.
        """
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > beats * BEAT_S:
                raise TimeoutError(f"not within {beats:.0f} heartbeats: {what}")
            time.sleep(0.2)
        return time.monotonic() - began


def _python(module: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-m", f"netlab.{module}", *map(str, arguments))


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def starting(folder: Path) -> Iterator[Journey]:
    """A journey in a fresh country."""
    with ExitStack() as stack:
        stage = stack.enter_context(open_stage(folder, standing={"broker": False}))
        yield Journey(stage, folder, stack)


def tell(journey: Journey) -> None:
    """The story."""
    sensors = [member for member in fleet() if member.role == "sensor"]
    journey.wait("all lines are heard", lambda: journey.lines_heard() == len(sensors), beats=60)
    time.sleep(6 * BEAT_S)
    with _deed(journey, "dns-dead-address", "isp2") as lied:
        judged = journey.has_judged("isp2", "blocked", "dns")
        journey.expect("verdict: blocked (dns) at isp2, controls asked", judged, since=lied)
    with _deed(journey, "sni-drop", "isp3") as dropped:
        judged = journey.has_judged("isp3", "blocked", "tls")
        journey.expect("verdict: blocked (tls) at isp3", judged, since=dropped, beats=40)
        with _deed(journey, "blackhole", "isp1") as cut:
            journey.expect("outage of isp1", journey.has_said("outage", "isp1"), since=cut)
            time.sleep(max(0.0, _CUT_BEATS * BEAT_S - (time.monotonic() - cut)))
            mended = time.monotonic()
        known = journey.has_said("outage", "isp1", "partial_restore", cause="domestic-only")
        journey.expect("what isp1's nodes kept tells: domestic-only", known, since=mended)
        restored = journey.has_said("outage", "isp1", "restored")
        journey.expect("isp1 is restored", restored, since=mended, beats=45)
        with power_cut(journey.stage, "isp4", "lan1", journey.processes["node41"]) as dark:
            silent = journey.has_said("outage", "isp4", regions=["KZ-75"])
            journey.expect("outage of isp4 in KZ-75", silent, since=dark)
    invented = [
        entry
        for entry in journey.entries()
        if entry["kind"] == "outage" and not set(entry["scope"]["isps"]) <= {"isp1", "isp4"}
    ]
    journey.found.append({"what": "nothing was invented", "beats": None if invented else 0.0})


def _deed(journey: Journey, mechanism: str, isp: str) -> AbstractContextManager[float]:
    return working(MECHANISMS[mechanism], Scene(stage=journey.stage, isp=isp))


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    with starting(Path(sys.argv[1])) as started:
        tell(started)
        started.stage.truth.write(Path(sys.argv[1], "truth.jsonl"))
        said = started.entries()
    print(json.dumps({"found": started.found, "said": said}))  # noqa: T201  # the findings
