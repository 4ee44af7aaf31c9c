"""The registry's tables behind one connection; its rules stand at the top of the package."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from shyraq_collector.errors import ConfigError
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry.entries import Assignment, Node, check_placement
from shyraq_collector.verify import KeyRing, RegisteredKey
from shyraq_wire.errors import WeakKey
from shyraq_wire.keys import KeyId, key_id, load_evidence_key
from shyraq_wire.topics import NodeId

_REVISION: Final = "registry_revision"


class Registry:
    """The registry's tables behind one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection to the ledger.

        Args:
            connection: In autocommit mode; a read-only one serves for asking.
        """
        self._connection = connection

    def revision(self) -> int:
        """A number that is higher after every change."""
        row = self._connection.execute(
            "SELECT value FROM setting WHERE name = ?", (_REVISION,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def add(
        self, *, placement: Placement, public_key: bytes, valid_from_ms: int, note: str = ""
    ) -> KeyId:
        """Register a node with its first key and placement.

        Args:
            placement: Where it stands; its node id must be new.
            public_key: 32 raw bytes.
            valid_from_ms: From when reports that arrive are trusted.
            note: For the operator; never published.

        Raises:
            ConfigError: The id or key is taken or malformed; the text says what to change.
        """
        check_placement(placement)
        _check_key(public_key)
        with self._change():
            if self._node_no(placement.node) is not None:
                raise ConfigError(f"node {placement.node}: this id is taken; ids are never reused")
            cursor = self._connection.execute(
                "INSERT INTO node (id, registered_ms, note) VALUES (?, ?, ?)",
                (placement.node, valid_from_ms, note),
            )
            assert cursor.lastrowid is not None  # noqa: S101  # an INSERT has one
            self._insert_key(cursor.lastrowid, public_key, valid_from_ms)
            self._insert_assignment(cursor.lastrowid, placement, valid_from_ms)
        return key_id(public_key)

    def add_key(self, node: str, *, public_key: bytes, valid_from_ms: int) -> KeyId:
        """Register another key of a node; the others stay trusted until they are revoked.

        Raises:
            ConfigError: The node is unknown, or the key is taken or unfit.
        """
        _check_key(public_key)
        with self._change():
            self._insert_key(self._known(node), public_key, valid_from_ms)
        return key_id(public_key)

    def place(self, placement: Placement, *, valid_from_ms: int) -> None:
        """Give a node a new placement from a moment on.

        Raises:
            ConfigError: The node is unknown, a field is malformed, or the moment is not later
                than the beginning of the placement before.
        """
        check_placement(placement)
        with self._change():
            node_no = self._known(placement.node)
            (newest_ms,) = self._connection.execute(
                "SELECT max(valid_from_ms) FROM node_assignment WHERE node_no = ?", (node_no,)
            ).fetchone()
            if newest_ms >= valid_from_ms:
                raise ConfigError(
                    f"node {placement.node}: a placement must begin after the one before it"
                )
            self._connection.execute(
                "UPDATE node_assignment SET valid_to_ms = ? WHERE node_no = ? "
                "AND valid_to_ms IS NULL",
                (valid_from_ms, node_no),
            )
            self._insert_assignment(node_no, placement, valid_from_ms)

    def revoke(self, node: str, *, at_ms: int, why: str, key: KeyId | None = None) -> int:
        """Trust a node's keys no longer from a moment on.

        Args:
            node: Its id.
            at_ms: Reports that arrive from this moment on are refused.
            why: For the operator's records.
            key: One key only; None: every key of the node.

        Returns:
            How many keys were still trusted and are no longer.

        Raises:
            ConfigError: The node, or the key, is unknown.
        """
        with self._change():
            node_no = self._known(node)
            if key is not None and not any(each.id == key for each in self._keys(node_no)):
                raise ConfigError(f"node {node}: no key with id {key} is registered")
            cursor = self._connection.execute(
                "UPDATE node_key SET revoked_ms = ?, revoked_why = ? WHERE node_no = ? "
                "AND (revoked_ms IS NULL OR revoked_ms > ?) AND (? IS NULL OR key_id = ?)",
                (at_ms, why, node_no, at_ms, key, key),
            )
        return cursor.rowcount

    def key_ring(self) -> KeyRing:
        """All keys of all nodes, revoked ones too."""
        rows = self._connection.execute(
            "SELECT id, key_id, public_key, valid_from_ms, revoked_ms "
            "FROM node_key JOIN node ON node.no = node_key.node_no"
        )
        ring: dict[NodeId, tuple[RegisteredKey, ...]] = {}
        for node, *key in rows:
            ring[node] = (*ring.get(node, ()), _registered_key(*key))
        return ring

    def placements(self, at_ms: int) -> tuple[Placement, ...]:
        """Where every node stands at a moment; nodes placed only later are absent."""
        rows = self._connection.execute(
            f"SELECT {_PLACED} FROM node_assignment AS a JOIN node ON node.no = a.node_no "  # noqa: S608  # nosec B608
            "WHERE a.valid_from_ms <= ? AND (a.valid_to_ms IS NULL OR a.valid_to_ms > ?) "
            "ORDER BY id",
            (at_ms, at_ms),
        )
        return tuple(_assignment(row).placement for row in rows)

    def next_change_ms(self, after_ms: int) -> int | None:
        """When what was said for later comes true: a placement begins, or a key is revoked.

        Args:
            after_ms: Only moments after this one.

        Returns:
            The first of them; None: nothing is to come.
        """
        row = self._connection.execute(
            "SELECT min(ms) FROM (SELECT valid_from_ms AS ms FROM node_assignment "
            "UNION SELECT revoked_ms FROM node_key) WHERE ms > ?",
            (after_ms,),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def nodes(self) -> tuple[Node, ...]:
        """Every node, by id."""
        rows = self._connection.execute("SELECT no, id, registered_ms, note FROM node ORDER BY id")
        return tuple(self._assemble(*row) for row in rows.fetchall())

    def node(self, node: str) -> Node:
        """One node.

        Raises:
            ConfigError: It is unknown.
        """
        row = self._connection.execute(
            "SELECT no, id, registered_ms, note FROM node WHERE no = ?", (self._known(node),)
        ).fetchone()
        return self._assemble(*row)

    def _assemble(self, no: int, node: str, registered_ms: int, note: str) -> Node:
        assignments = self._connection.execute(
            f"SELECT {_PLACED} FROM node_assignment AS a JOIN node ON node.no = a.node_no "  # noqa: S608  # nosec B608
            "WHERE a.node_no = ? ORDER BY a.valid_from_ms",
            (no,),
        )
        return Node(
            id=NodeId(node),
            registered_ms=registered_ms,
            note=note,
            keys=self._keys(no),
            assignments=tuple(_assignment(row) for row in assignments),
        )

    def _keys(self, node_no: int) -> tuple[RegisteredKey, ...]:
        rows = self._connection.execute(
            "SELECT key_id, public_key, valid_from_ms, revoked_ms FROM node_key "
            "WHERE node_no = ? ORDER BY valid_from_ms, key_id",
            (node_no,),
        )
        return tuple(_registered_key(*row) for row in rows)

    def _insert_key(self, node_no: int, public_key: bytes, valid_from_ms: int) -> None:
        taken = self._connection.execute(
            "SELECT id FROM node_key JOIN node ON node.no = node_no WHERE public_key = ?",
            (public_key,),
        ).fetchone()
        if taken is not None:
            raise ConfigError(f"this key is registered already, for node {taken[0]}")
        self._connection.execute(
            "INSERT INTO node_key (node_no, key_id, public_key, valid_from_ms) VALUES (?, ?, ?, ?)",
            (node_no, key_id(public_key), public_key, valid_from_ms),
        )

    def _insert_assignment(self, node_no: int, placement: Placement, valid_from_ms: int) -> None:
        self._connection.execute(
            "INSERT INTO node_assignment (node_no, valid_from_ms, isp, region, country, access, "
            "site, role) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                node_no,
                valid_from_ms,
                placement.isp,
                placement.region,
                placement.country,
                placement.access,
                placement.site,
                placement.role,
            ),
        )

    def _node_no(self, node: str) -> int | None:
        row = self._connection.execute("SELECT no FROM node WHERE id = ?", (node,)).fetchone()
        return None if row is None else int(row[0])

    def _known(self, node: str) -> int:
        no = self._node_no(node)
        if no is None:
            raise ConfigError(f"node {node}: not registered; `nodes list` shows who is")
        return no

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction, which also raises the revision."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute(
                "INSERT INTO setting VALUES (?, 1) "
                "ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1",
                (_REVISION,),
            )
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


_PLACED: Final = "id, isp, region, country, access, site, role, a.valid_from_ms, a.valid_to_ms"


def _registered_key(
    key: KeyId, public_key: bytes, valid_from_ms: int, revoked_ms: int | None
) -> RegisteredKey:
    return RegisteredKey(
        id=key, public_key=public_key, valid_from_ms=valid_from_ms, revoked_ms=revoked_ms
    )


def _assignment(row: Sequence[Any]) -> Assignment:
    node, isp, region, country, access, site, role, valid_from_ms, valid_to_ms = row
    return Assignment(
        placement=Placement(
            node=node,
            isp=isp,
            region=region,
            country=country,
            access=access,
            site=site,
            role=role,
        ),
        valid_from_ms=valid_from_ms,
        valid_to_ms=valid_to_ms,
    )


def _check_key(public_key: bytes) -> None:
    try:
        load_evidence_key(public_key)
    except WeakKey as error:
        remedy = "make one with `shyraq-agent keygen`"
        raise ConfigError(f"public key: {error}; {remedy}") from error
