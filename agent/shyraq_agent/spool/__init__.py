"""The node's durable queue: a frame is here before it is sent, until a receipt covers it.

`queue`      the async face that the rest of the agent uses; one thread does the disk work
`rows`       what one transaction does: append, forget, thin out; and the queries of sending
`cover`      what receipts say, and how covered frames leave
`thin`       giving frames up when there is no more room; the edges of gaps
`database`   the file itself: lock, settings, migrations, a damaged file set aside
`items`      the values that go in and come out

Rules, each kept by one of the rooms above:

1. A frame is committed with fsync before anyone may publish it (WAL, synchronous FULL).
2. A frame leaves only for one of three causes, all on record: `stored` (a verified receipt
   covers it), `refused` (a verified receipt says it never will be), `dropped` (the spool was
   full; a signed event closes the range).
3. The tip (epoch, seq, hash) survives every deletion, so the chain cannot fork after a crash.
4. One process at a time owns a spool.
5. What is kept is the MQTT payload, compressed once, and never written again.
6. Small facts that must outlive a restart (bytes used, a pause) are written with the frame that
   speaks of them, in one transaction: what was said and what is remembered never differ.

What this room does not do: sign, connect, or read a clock.
"""

from shyraq_agent.spool.items import Applied, Outgoing, Place, Standing, Stored
from shyraq_agent.spool.queue import Spool
from shyraq_agent.spool.rows import NO_FACTS

__all__ = ["NO_FACTS", "Applied", "Outgoing", "Place", "Spool", "Standing", "Stored"]
