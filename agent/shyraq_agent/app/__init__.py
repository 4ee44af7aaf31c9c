"""The agent put together: what runs beside what, and how it starts and stops.

`agent`     the composition root; read it top to bottom
`edges`     what probes may touch, from this host and its configuration
`work`      keeps the schedule: ladder, probes, vitals, and the beat
`asked`     control nodes: obeys the collector's asks; `obeyed` remembers which, on the disk
`jobs`      what is due how often, at each level of spending
`spending`  the month's account: what was used, and what may still be
`presence`  here or away: what runs in either phase, and what is said between them
`absence`   the host's pause, which outlives restarts
`sealer`    from contents to committed frames, in order, through a failing disk
`status`    tells `shyraq-agent status` how things stand, over a local socket
"""

from shyraq_agent.app.agent import SOFTWARE, Agent
from shyraq_agent.app.edges import make_edges
from shyraq_agent.app.status import ask_status

__all__ = ["SOFTWARE", "Agent", "ask_status", "make_edges"]
