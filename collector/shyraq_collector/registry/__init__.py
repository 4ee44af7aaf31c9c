"""Who the nodes are: keys with validity, placements with validity, in the ledger's own file.

Rules:

1. A node id is given once and never reused; a node is never deleted.
2. A key is refused unless it may stand behind evidence, and is registered for one node only.
3. A key is revoked, never removed: "not trusted from this moment on". What the log holds already
   stays as it is.
4. A node has one placement at any time; a new one ends the one before at the moment it begins.

Every change raises `revision`, so that a running collector sees what a command beside it did
(`nodes add`, `nodes revoke`) without being restarted.

What this module does not do: open the file (it is given a connection), cache, or talk to nodes.
"""

from shyraq_collector.registry.book import Registry
from shyraq_collector.registry.entries import Assignment, Node

__all__ = ["Assignment", "Node", "Registry"]
