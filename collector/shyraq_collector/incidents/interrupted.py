"""What is said of an incident that stands in the ledger and of which the engine remembers nothing.

A memory may be refused after an upgrade, or be lost with a damaged row. Nobody then knows which
lines the incident held, so nobody can say that they are back: it must not stay open for ever, nor
be called restored. One entry says that observation was interrupted; `restored_at` stays as it was.
"""

from dataclasses import replace

from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Incident
from shyraq_collector.incidents.lifecycle import FINAL, step

NOTE = "observation was interrupted: our memory of it was lost, what became of it is not known"


def settle(incident: Incident, *, seen_until: Instant, published_at: Instant) -> Incident:
    """The incident with its last entry; one that is over is given back as it is.

    Args:
        incident: As the ledger has it.
        seen_until: The last tick before the memory was lost.
        published_at: Now.
    """
    last = incident.history[-1]
    if last.state in FINAL:
        return incident
    entry = replace(
        last,
        number=last.number + 1,
        at=max(seen_until, last.at),
        published_at=published_at,
        state=step(last.state, "interrupt"),
        note=NOTE,
    )
    return replace(incident, state=entry.state, history=(*incident.history, entry))
