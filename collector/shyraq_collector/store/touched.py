"""What one batch has touched: whom it must answer, what it counts, which numbers it knows.

`Touched` lives for one transaction; `Numbers` lives as long as the writer and saves asking for
the same node, epoch and refusals again. After a rollback it may be wrong, so it is emptied.
"""

import sqlite3
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

from shyraq_collector.store.pending import Pending
from shyraq_wire.chain import Position
from shyraq_wire.receipt import Refusal
from shyraq_wire.topics import NodeId

_EPOCHS_CACHED: Final = 20_000


@dataclass(slots=True)
class Touched:
    """What one batch has to answer for."""

    places: dict[NodeId, dict[str, list[Position]]] = field(default_factory=dict)
    """Per node and epoch what arrived, oldest first; a node without epochs: only a refusal."""
    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By (node number or 0 for all, name)."""
    quarantined: Counter[str] = field(default_factory=Counter)
    """Rows this batch put into the quarantine, by reason."""
    pending: Pending = field(default_factory=Pending)
    """Rows that are not in the tables yet."""

    def count(self, node_no: int, name: str) -> None:
        """Count once for the whole collector and, where it is registered, once for the node."""
        self.counts[(0, name)] += 1
        if node_no:
            self.counts[(node_no, name)] += 1


@dataclass(slots=True)
class Epoch:
    """What is known of one epoch."""

    no: int
    node_no: int
    tip_seq: int
    """Newest seq stored; -1: none yet."""
    forked: bool
    """Whether two frames of it are known to contradict each other."""
    tip_sha256: str | None = None
    """Hash of the frame at `tip_seq`, where it is known and no other frame stands there."""


class Numbers:
    """Row numbers of nodes and epochs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing remembered.

        Args:
            connection: The writer's.
        """
        self._connection = connection
        self._nodes: dict[NodeId, int] = {}
        self._epochs: OrderedDict[tuple[NodeId, str], Epoch] = OrderedDict()
        self._refusals: dict[int, tuple[Refusal, ...]] = {}

    def forget(self) -> None:
        """Drop what was remembered."""
        self._nodes.clear()
        self._epochs.clear()
        self._refusals.clear()

    def node(self, node: NodeId) -> int:
        """The node's number; 0 for a node that is not registered."""
        no = self._nodes.get(node)
        if no is None:
            row = self._connection.execute("SELECT no FROM node WHERE id = ?", (node,)).fetchone()
            if row is None:
                return 0
            no = self._nodes[node] = int(row[0])
        return no

    def epoch(self, node: NodeId, epoch: str, received_ms: int) -> Epoch:
        """The epoch, made when this is its first frame."""
        key = (node, epoch)
        known = self._epochs.get(key)
        if known is not None:
            self._epochs.move_to_end(key)
            return known
        node_no = self.node(node)
        self._connection.execute(
            "INSERT OR IGNORE INTO epoch (node_no, epoch, tip_seq, first_received_ms) "
            "VALUES (?, ?, -1, ?)",
            (node_no, epoch, received_ms),
        )
        no, tip_seq, forked = self._connection.execute(
            "SELECT no, tip_seq, EXISTS (SELECT 1 FROM conflict WHERE epoch_no = epoch.no) "
            "FROM epoch WHERE node_no = ? AND epoch = ?",
            (node_no, epoch),
        ).fetchone()
        known = Epoch(no=no, node_no=node_no, tip_seq=tip_seq, forked=bool(forked))
        self._epochs[key] = known
        if len(self._epochs) > _EPOCHS_CACHED:
            self._epochs.popitem(last=False)
        return known

    def has_forked(self, node: NodeId, epoch: str) -> bool:
        """Whether two frames of an epoch that this batch touched contradict each other."""
        known = self._epochs.get((node, epoch))
        return known is None or known.forked

    def refusals(self, node_no: int) -> tuple[Refusal, ...]:
        """What the node is to be told as refused, the newest last."""
        known = self._refusals.get(node_no)
        if known is None:
            known = self._refusals[node_no] = tuple(
                Refusal(epoch=epoch, seq=seq, sha256=sha256.hex(), reason=reason)
                for epoch, seq, sha256, reason in self._connection.execute(
                    "SELECT epoch, seq, sha256, reason FROM refusal WHERE node_no = ? ORDER BY no",
                    (node_no,),
                )
            )
        return known

    def refused(self, node_no: int) -> None:
        """The node's refusals have changed."""
        self._refusals.pop(node_no, None)
