"""From what happened on the node to signed frames.

`basket`    collects what finished, cuts it to size, closes reports in time
`sealing`   reads the clocks once, takes the place in the chain, signs
`shapes`    what both are given

Because reports close far below the frame limit, no frame passes it. What this room does not
do: store, send, or decide what is measured.
"""

from shyraq_agent.sign.basket import Basket
from shyraq_agent.sign.sealing import Signer
from shyraq_agent.sign.shapes import Contents, LifeEvent

__all__ = ["Basket", "Contents", "LifeEvent", "Signer"]
