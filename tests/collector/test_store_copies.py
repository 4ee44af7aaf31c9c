"""A backup is one consistent moment; what is restored is another ledger with the same contents."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from shyraq_collector.errors import ConfigError, LocalError
from shyraq_collector.store import listing
from shyraq_collector.store.copies import back_up, restore
from shyraq_collector.store.schema import ledger_id, open_ledger, open_reader
from support.clock import STORY_START_MS
from support.findings import commit, findings
from support.signing import SigningNode, measurement
from support.stored import StoredLedger

NEW = "b" * 32


@pytest.fixture
def node() -> SigningNode:
    """A registered node."""
    return SigningNode()


@pytest.fixture
def ledger(tmp_path: Path, node: SigningNode) -> Iterator[StoredLedger]:
    """A ledger with one report in it, still open for writing."""
    with StoredLedger(tmp_path, node) as made:
        made.take(node, node.frame(node.report(measurements=(measurement("tls", "a:443"),))))
        yield made


def test_what_comes_back_is_all_there_under_a_new_id(
    ledger: StoredLedger, node: SigningNode, tmp_path: Path
) -> None:
    """Reports survive, taken beside a writer; the id is new; the engine's memory goes on."""
    commit(ledger, findings())
    backup, again = tmp_path / "backup", tmp_path / "again.db"
    back_up(ledger.path, backup)
    assert backup.stat().st_mode & 0o077 == 0
    restore(backup, again, ledger_id=NEW)
    reader = open_reader(again)
    assert ledger_id(reader) == NEW != ledger_id(ledger.connection)
    before, after = (
        list(listing.reports(each, node=node.id, since_ms=0, limit=-1))
        for each in (ledger.connection, reader)
    )
    assert before == after
    assert reader.execute("SELECT count(*) FROM engine").fetchone() == (1,)
    reader.close()
    open_ledger(again).close()


def test_nothing_is_overwritten_and_nothing_half_made_stays(
    ledger: StoredLedger, tmp_path: Path
) -> None:
    """A file in the way, a damaged backup, a foreign file: refused, and no file appears."""
    backup, damaged, foreign = (tmp_path / each for each in ("backup", "damaged", "foreign"))
    back_up(ledger.path, backup)
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        back_up(ledger.path, backup)
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        restore(backup, ledger.path, ledger_id=NEW)
    content = bytearray(backup.read_bytes())
    content[4096 * 2 :] = b"\x55" * (len(content) - 4096 * 2)
    damaged.write_bytes(content)
    with pytest.raises(LocalError):
        restore(damaged, tmp_path / "new.db", ledger_id=NEW)
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE other (x)")
    other.close()
    with pytest.raises(LocalError, match="not a Shyraq ledger"):
        restore(foreign, tmp_path / "new.db", ledger_id=NEW)
    with pytest.raises(ConfigError, match="cannot be written"):
        back_up(ledger.path, tmp_path / "nowhere" / "backup")
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.glob(".*unfinished*"))


def test_reports_tell_software_and_key(ledger: StoredLedger, node: SigningNode) -> None:
    """Newest first, with what the frame says under its signature; filters limit."""
    ((received_ms, *_, key, sha256),) = listing.reports(
        ledger.connection, node=None, since_ms=0, limit=10
    )
    (row,) = listing.reports(ledger.connection, node=node.id, since_ms=received_ms, limit=1)
    said = dict(zip(listing.REPORT_COLUMNS, row, strict=True))
    assert said["software"].startswith("shyraq-agent/")
    assert (said["node"], said["seq"], said["key_id"]) == (node.id, 0, key)
    assert said["config_sha256"] == sha256
    assert list(listing.reports(ledger.connection, node="other", since_ms=0, limit=1)) == []
    since_ms = STORY_START_MS + 10**12
    assert list(listing.reports(ledger.connection, node=None, since_ms=since_ms, limit=1)) == []
