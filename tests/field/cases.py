"""What is tried on the fleet, in order; each case says what was seen, or raises why it is wrong.

The cases build on one another: the first makes the fleet out of empty machines, the last moves its
collector to another host. What counts is what the collector has stored, never what a service says
of itself.
"""

from collections.abc import Callable
from typing import Final

from field import changes, standing
from field.fleet import Fleet

CASES: Final[tuple[tuple[str, Callable[[Fleet], str]], ...]] = (
    ("from empty machines", standing.provision),
    ("second run", standing.second_run),
    ("check mode", standing.check_mode),
    ("real sandbox", standing.measuring),
    ("responder", standing.responder),
    ("inventory", standing.inventory),
    ("event window", changes.frozen),
    ("upgrade, 3 of 8 dark", changes.upgrade),
    ("bad release", changes.bad_release),
    ("rollback", changes.rollback),
    ("audit", changes.audit),
    ("rotate", changes.rotate),
    ("revoke", changes.revoke),
    ("decommission", changes.decommission),
    ("backup, restore elsewhere", changes.move_collector),
    ("no secret here", changes.no_secret_here),
)
"""Name for the table, and what is done."""
