"""The life of an incident, as a table.

Only `step` moves an incident, and only along `TRANSITIONS`; a pair that is not in the table is a
bug and raises. docs/reference/incident-lifecycle.md is generated from this table by
`python -m shyraq_collector.incidents.lifecycle`, and a test keeps both equal.
"""

from typing import Final, Literal, TypeAlias

from shyraq_collector.facts.incidents import State

Event: TypeAlias = Literal[
    "confirm",
    "dismiss",
    "change",
    "partial",
    "worsen",
    "restore",
    "recut",
    "close",
    "revise",
    "interrupt",
]

EVENTS: Final[dict[Event, str]] = {
    "confirm": "score at 13 nats or more, three lines at two sites, 30 % of the group, still down",
    "dismiss": "the lines came back, or left the count, before it could be confirmed",
    "change": "scope or depth changed: an entry for each change",
    "partial": "a quarter of those that were down, and at least two lines, are back",
    "worsen": "nine tenths of the deepest point are down again",
    "restore": "90 % of the lines up before are back (one straggler tolerated), and stayed so; or "
    "every network and region for a day, but for the few that a long cut leaves behind",
    "recut": "a new cut of the same scope, or inside it, was confirmed before closing",
    "close": "24 hours after restoration",
    "revise": "back-fill, an outside source or a second look changed what is known of the past",
    "interrupt": "our memory of it was lost: what became of it is not known, and never will be",
}

STATES: Final[dict[State, str]] = {
    "suspected": "too unlikely to be chance, not yet proven",
    "confirmed": "published as an incident",
    "ongoing": "confirmed, and its scope or depth has changed since",
    "partial_restore": "some of it is back",
    "restored": "all of it is back; the level is printed",
    "reopened": "cut again before closing: the same incident",
    "closed": "over, or our observation of it is",
    "dismissed": "a suspicion that came to nothing",
}

TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    ("suspected", "confirm"): "confirmed",
    ("suspected", "dismiss"): "dismissed",
    ("suspected", "revise"): "suspected",
    ("suspected", "interrupt"): "dismissed",
    ("confirmed", "change"): "ongoing",
    ("confirmed", "partial"): "partial_restore",
    ("confirmed", "restore"): "restored",
    ("confirmed", "revise"): "confirmed",
    ("confirmed", "interrupt"): "closed",
    ("ongoing", "change"): "ongoing",
    ("ongoing", "partial"): "partial_restore",
    ("ongoing", "restore"): "restored",
    ("ongoing", "revise"): "ongoing",
    ("ongoing", "interrupt"): "closed",
    ("partial_restore", "change"): "partial_restore",
    ("partial_restore", "worsen"): "ongoing",
    ("partial_restore", "restore"): "restored",
    ("partial_restore", "revise"): "partial_restore",
    ("partial_restore", "interrupt"): "closed",
    ("restored", "recut"): "reopened",
    ("restored", "close"): "closed",
    ("restored", "revise"): "restored",
    ("restored", "interrupt"): "closed",
    ("reopened", "change"): "ongoing",
    ("reopened", "partial"): "partial_restore",
    ("reopened", "restore"): "restored",
    ("reopened", "revise"): "reopened",
    ("reopened", "interrupt"): "closed",
    ("closed", "revise"): "closed",
}

OPEN: Final[frozenset[State]] = frozenset({"confirmed", "ongoing", "partial_restore", "reopened"})
"""States in which the incident is going on and claims its lines."""

FINAL: Final[frozenset[State]] = frozenset({"closed", "dismissed"})


def step(state: State, event: Event) -> State:
    """The state after an event.

    Raises:
        KeyError: The table has no such transition: a bug in the caller.
    """
    return TRANSITIONS[state, event]


def as_markdown() -> str:
    """The reference page: states, events, transitions."""
    lines = [
        "# The life of an incident",
        "",
        "Generated from `shyraq_collector.incidents.lifecycle`; do not edit.",
        "An incident begins as *suspected*. Every later entry of its timeline is the result of one",
        "row of the last table.",
        "",
        "| state | meaning |",
        "|---|---|",
        *(f"| {state} | {text} |" for state, text in STATES.items()),
        "",
        "| event | when |",
        "|---|---|",
        *(f"| {event} | {text} |" for event, text in EVENTS.items()),
        "",
        "| state | event | state after |",
        "|---|---|---|",
        *(f"| {state} | {event} | {after} |" for (state, event), after in TRANSITIONS.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201 - this is the generator of the reference page
