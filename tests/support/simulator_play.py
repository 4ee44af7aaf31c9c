"""A small fleet whose every minute a test decides: who beats, who is silent, what time it is."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import NodeId, Placement
from shyraq_collector.facts.incidents import Entry, Incident
from shyraq_collector.incidents.engine import Engine
from support.simulator import canaries, lattice_fleet
from support.simulator_noise import BEAT_S

BEGIN_S = 1_640_995_200.0
"""1 January 2022: a multiple of the heartbeat and of the day."""

Silent = Callable[[Placement], bool]


def nobody(placement: Placement) -> bool:
    """Everyone beats."""
    del placement
    return False


class Play:
    """An engine, a fleet, and a clock that only the test moves."""

    def __init__(self, placements: Iterable[Placement] | None = None) -> None:
        """Four networks × four regions × three lines and three canaries, unless told otherwise."""
        sensors = lattice_fleet(4, 4, 3) if placements is None else list(placements)
        self.placements = [*sensors, *canaries()]
        self.engine = Engine(pace=Pace(), placements=self.placements)
        self.now = BEGIN_S
        self.said: list[Entry] = []

    def minutes(self, count: float, silent: Silent = nobody) -> list[Entry]:
        """Let so many minutes pass; returns what was said meanwhile."""
        said: list[Entry] = []
        for _ in range(2 * round(count)):
            begin, minute = self.now, self.now - self.now % BEAT_S
            self.now += BEAT_S / 2.0
            for turn, placement in enumerate(self.placements):
                at = minute + 1.0 + (turn * 17) % 58
                if begin <= at < self.now and not silent(placement):
                    self.engine.heard(placement.node, at)
            said += self.engine.tick(self.now)
        self.said += said
        return said

    def warm_up(self, hours: float = 3.0) -> None:
        """Long enough for every habit to be known; nothing may be said."""
        assert self.minutes(hours * 60) == []

    def crash(self) -> None:
        """Stop dead and start again from the snapshot."""
        snapshot = self.engine.snapshot()
        self.engine = Engine(pace=Pace(), placements=self.placements)
        self.engine.restore(snapshot)

    def only(self) -> Incident:
        """The only incident so far."""
        (incident,) = self.engine.incidents()
        return incident

    def backfill(self, node: NodeId, begin: float, end: float, *, up: bool) -> None:
        """A node tells, now, of every ten minutes of a gap."""
        at = begin
        while at < end:
            self.engine.word(node, at, self.now, up=up)
            at += 10 * BEAT_S


def sensors_of(isp: str | None = None, region: str | None = None, but: str | None = None) -> Silent:
    """Sensors of a network, of a region, or of all networks but one."""

    def chosen(placement: Placement) -> bool:
        return (
            placement.role == "sensor"
            and isp in {None, placement.isp}
            and region in {None, placement.region}
            and (but is None or placement.isp != but)
        )

    return chosen


def everyone(placement: Placement) -> bool:
    """Sensors and canaries alike: our own fault."""
    del placement
    return True


def without_networks(placements: Iterable[Placement]) -> list[Placement]:
    """The same fleet as a panel that does not know its networks."""
    return [replace(placement, isp=None, access=None) for placement in placements]
