"""Who the nodes are: keys and placements with validity."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shyraq_collector.errors import ConfigError
from shyraq_collector.registry import Registry
from shyraq_collector.store.schema import open_ledger, open_reader
from shyraq_wire.keys import KeyId
from support.clock import STORY_START_MS
from support.signing import SigningNode
from support.stored import placement

NOW_MS = STORY_START_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger file."""
    made = tmp_path / "ledger.db"
    open_ledger(made).close()
    return made


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    """An empty registry."""
    with contextlib.closing(open_ledger(path)) as connection:
        yield Registry(connection)


def add(registry: Registry, node: SigningNode, **changes: str | None) -> KeyId:
    """Register a node."""
    return registry.add(
        placement=placement(node.id, number=0, **changes),
        public_key=node.public_key,
        valid_from_ms=NOW_MS,
    )


def test_a_registered_node_is_known_with_key_and_place(registry: Registry) -> None:
    """What was given is what is answered."""
    node = SigningNode()
    assert add(registry, node) == node.key_id
    found = registry.node(node.id)
    assert found.keys == registry.key_ring()[node.id]
    assert found.current.placement == placement(node.id)
    assert registry.placements(NOW_MS) == (placement(node.id),)
    assert [each.id for each in registry.nodes()] == [node.id]


def test_an_id_is_never_given_twice(registry: Registry) -> None:
    """Also after its keys were revoked."""
    node, other = SigningNode(), SigningNode(seed="other")
    add(registry, node)
    registry.revoke(node.id, at_ms=NOW_MS, why="test")
    with pytest.raises(ConfigError, match="this id is taken"):
        add(registry, other)


def test_a_key_belongs_to_one_node(registry: Registry) -> None:
    """Two nodes under one key could speak for each other."""
    node = SigningNode()
    add(registry, node)
    with pytest.raises(ConfigError, match="registered already, for node node-0001"):
        registry.add(
            placement=placement("node-0002"), public_key=node.public_key, valid_from_ms=NOW_MS
        )
    assert [each.id for each in registry.nodes()] == ["node-0001"]


@pytest.mark.parametrize("key", [b"", b"\x01" + bytes(31), bytes(31), b"\xff" * 32])
def test_an_unfit_key_is_refused(registry: Registry, key: bytes) -> None:
    """Small order, wrong length, not canonical."""
    with pytest.raises(ConfigError, match="public key"):
        registry.add(placement=placement("node-0001"), public_key=key, valid_from_ms=NOW_MS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"country": "kz"}, "country"),
        ({"region": "Almaty"}, "region"),
        ({"isp": "Kcell!"}, "isp"),
        ({"site": ""}, "site"),
        ({"access": "fibre"}, "access"),
        ({"role": "spy"}, "role"),
        ({"isp": None}, "isp and region"),
        ({"country": "kz", "site": "", "region": "x"}, "country.*region.*site"),
    ],
)
def test_a_slip_of_the_keyboard_makes_no_new_group(
    registry: Registry, changes: dict[str, str | None], named: str
) -> None:
    """Every wrong field is named with what is due."""
    with pytest.raises(ConfigError, match=named):
        add(registry, SigningNode(), **changes)
    assert registry.nodes() == ()


def test_a_node_id_that_no_topic_could_hold_is_refused(registry: Registry) -> None:
    """Eight to 32 of a-z, 0-9 and hyphen."""
    with pytest.raises(ConfigError, match="node id"):
        registry.add(
            placement=placement("+/#"), public_key=SigningNode().public_key, valid_from_ms=NOW_MS
        )


def test_a_control_abroad_needs_no_network_and_region(registry: Registry) -> None:
    """Only sensors stand in a cell."""
    add(registry, SigningNode(), role="control", isp=None, region=None, access=None, country="DE")


def test_revocation_is_from_a_moment_on_and_only_gets_earlier(registry: Registry) -> None:
    """What arrived before stays trusted; a later date does not give trust back."""
    node = SigningNode()
    add(registry, node)
    assert registry.revoke(node.id, at_ms=NOW_MS + 100, why="lost") == 1
    assert registry.revoke(node.id, at_ms=NOW_MS + 200, why="again") == 0
    assert registry.revoke(node.id, at_ms=NOW_MS + 50, why="earlier") == 1
    (key,) = registry.node(node.id).keys
    assert [key.is_trusted(NOW_MS + at) for at in (-1, 0, 49, 50)] == [False, True, True, False]


def test_one_key_of_two_can_be_revoked(registry: Registry) -> None:
    """A rotation: the new key beside the old one, then the old one ends."""
    node, new = SigningNode(), SigningNode(seed="new")
    old_key = add(registry, node)
    registry.add_key(node.id, public_key=new.public_key, valid_from_ms=NOW_MS)
    assert registry.revoke(node.id, at_ms=NOW_MS, why="rotated", key=old_key) == 1
    trusted = [key.id for key in registry.node(node.id).keys if key.is_trusted(NOW_MS)]
    assert trusted == [new.key_id]
    with pytest.raises(ConfigError, match="no key with id"):
        registry.revoke(node.id, at_ms=NOW_MS, why="typo", key=KeyId("00"))


def test_a_move_ends_the_place_before(registry: Registry) -> None:
    """At any moment there is one place; the past stays where it was."""
    node = SigningNode()
    add(registry, node)
    later = placement(node.id, region="KZ-71")
    registry.place(later, valid_from_ms=NOW_MS + 1000)
    assert registry.placements(NOW_MS - 1) == ()
    assert registry.placements(NOW_MS + 999) == (placement(node.id),)
    assert registry.placements(NOW_MS + 1000) == (later,)
    assert [each.valid_to_ms for each in registry.node(node.id).assignments] == [
        NOW_MS + 1000,
        None,
    ]
    with pytest.raises(ConfigError, match="after the one before"):
        registry.place(later, valid_from_ms=NOW_MS + 1000)


@pytest.mark.parametrize("what", ["node", "add_key", "place", "revoke"])
def test_an_unknown_node_is_named(registry: Registry, what: str) -> None:
    """With the command that shows who is known."""
    asked: dict[str, Callable[[], object]] = {
        "node": lambda: registry.node("node-0009"),
        "add_key": lambda: registry.add_key(
            "node-0009", public_key=SigningNode().public_key, valid_from_ms=NOW_MS
        ),
        "place": lambda: registry.place(placement("node-0009"), valid_from_ms=NOW_MS),
        "revoke": lambda: registry.revoke("node-0009", at_ms=NOW_MS, why="test"),
    }
    with pytest.raises(ConfigError, match="node-0009: not registered; `nodes list`"):
        asked[what]()


def test_every_change_is_seen_from_outside(path: Path, registry: Registry) -> None:
    """A running collector looks at one number; a change that fails does not move it."""
    node = SigningNode()
    with contextlib.closing(open_reader(path)) as reader:
        seen = Registry(reader)
        revisions = [seen.revision()]
        add(registry, node)
        revisions.append(seen.revision())
        with pytest.raises(ConfigError):
            add(registry, node)
        revisions.append(seen.revision())
        registry.revoke(node.id, at_ms=NOW_MS, why="test")
        revisions.append(seen.revision())
        assert revisions == [0, 1, 1, 2]
        assert seen.key_ring() == registry.key_ring()
