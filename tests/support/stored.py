"""A ledger for tests: a real file, nodes registered, reports verified and stored on demand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.reports import Message, Rejection, VerifiedReport
from shyraq_collector.registry import Registry
from shyraq_collector.store.ingest import Ingest, Kept
from shyraq_collector.store.schema import open_ledger, transaction
from shyraq_collector.store.told import ReceiptContent
from shyraq_collector.store.touched import Touched
from shyraq_collector.verify import verify
from shyraq_wire.codec import pack
from shyraq_wire.topics import NodeId
from support.clock import STORY_START_MS
from support.signing import SigningNode


def placement(node: str, /, number: int = 0, **changes: str | None) -> Placement:
    """A sensor of one network and region; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "node": node,
        "isp": "isp-a",
        "region": "KZ-75",
        "country": "KZ",
        "access": "fixed",
        "site": f"site-{number}",
        "role": "sensor",
    }
    return Placement(**(fields | changes))


class StoredLedger:
    """A ledger and the one connection that writes it."""

    def __init__(self, directory: Path, *nodes: SigningNode) -> None:
        """Make the file and register the nodes.

        Args:
            directory: Where `ledger.db` goes.
            nodes: Trusted since the story began.
        """
        self.path = directory / "ledger.db"
        self.connection = open_ledger(self.path)
        self.registry = Registry(self.connection)
        self.ingest = Ingest(self.connection)
        for number, node in enumerate(nodes):
            self.registry.add(
                placement=placement(node.id, number=number),
                public_key=node.public_key,
                valid_from_ms=STORY_START_MS,
            )

    def verified(
        self, node: SigningNode, frame: bytes, *, received_ms: int = STORY_START_MS
    ) -> VerifiedReport | Rejection:
        """What verification makes of a frame on the node's topic."""
        message = Message(topic=node.topic, payload=pack(frame), received_ms=received_ms)
        return verify(message, self.registry.key_ring())

    def store(
        self, items: Sequence[VerifiedReport | Rejection]
    ) -> tuple[list[Kept | None], dict[NodeId, tuple[ReceiptContent, ...]]]:
        """One batch in one transaction: what was kept, and what each node is to be told."""
        touched = Touched()
        with transaction(self.connection, on_rollback=self.ingest.forget):
            kept = [self.ingest.add(item, touched) for item in items]
            told = self.ingest.finish(touched)
        return kept, told

    def take(
        self, node: SigningNode, *frames: bytes, received_ms: int = STORY_START_MS
    ) -> tuple[list[Kept | None], list[list[tuple[int, int]]]]:
        """Verify and store frames of one node: what was kept, and the intervals of its receipts."""
        items = [self.verified(node, frame, received_ms=received_ms) for frame in frames]
        kept, told = self.store(items)
        receipts = told.get(node.id, ())
        return kept, [
            [(i.lo, i.hi) for each in content.epochs for i in each.intervals]
            for content in receipts
        ]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Plain rows."""
        return self.connection.execute(query).fetchall()

    def count(self, name: str) -> int:
        """One counter of the whole collector."""
        row = self.connection.execute(
            "SELECT value FROM counter WHERE node_no = 0 AND name = ?", (name,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> "StoredLedger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
