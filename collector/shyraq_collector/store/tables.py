"""The tables of the ledger, as the list of migrations that made them.

1. Times are integer milliseconds since 1970 in UTC. Hashes are 32-byte blobs.
2. `timeline` rows can never be changed or deleted; the database itself refuses.
3. `seen` holds runs of linked frames (see `segments`); `conflict` names forks, whose frames all
   stay in `frame`; `counter` has node number 0 for the whole collector.
4. `met` is the judge's memory of addresses at which a target's certificate was verified.

The registry's tables stand here too, because a migration spans all tables; only `registry` reads
and writes them.
"""

from typing import Final

_V1: Final = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE node (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    registered_ms INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE node_key (
    node_no INTEGER NOT NULL REFERENCES node (no),
    key_id TEXT NOT NULL,
    public_key BLOB NOT NULL UNIQUE,
    valid_from_ms INTEGER NOT NULL,
    revoked_ms INTEGER,
    revoked_why TEXT,
    PRIMARY KEY (node_no, key_id)
) WITHOUT ROWID;
CREATE TABLE node_assignment (
    node_no INTEGER NOT NULL REFERENCES node (no),
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER,
    isp TEXT,
    region TEXT,
    country TEXT NOT NULL,
    access TEXT CHECK (access IN ('fixed', 'mobile')),
    site TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('sensor', 'control', 'canary')),
    PRIMARY KEY (node_no, valid_from_ms)
) WITHOUT ROWID;

CREATE TABLE epoch (
    no INTEGER PRIMARY KEY,
    node_no INTEGER NOT NULL REFERENCES node (no),
    epoch TEXT NOT NULL,
    tip_seq INTEGER NOT NULL,
    first_received_ms INTEGER NOT NULL,
    UNIQUE (node_no, epoch)
);
CREATE TABLE frame (
    no INTEGER PRIMARY KEY,
    epoch_no INTEGER NOT NULL REFERENCES epoch (no),
    seq INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    prev BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    dated_ms INTEGER NOT NULL,
    live INTEGER NOT NULL,
    flags TEXT NOT NULL,
    key_id TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (epoch_no, seq, sha256)
);
CREATE INDEX frame_by_hash ON frame (sha256);
CREATE INDEX frame_by_arrival ON frame (received_ms);
CREATE TABLE measurement (
    no INTEGER PRIMARY KEY,
    frame_no INTEGER NOT NULL REFERENCES frame (no),
    node_no INTEGER NOT NULL,
    probe TEXT NOT NULL,
    target TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    duration_ms REAL NOT NULL,
    failed_step TEXT,
    failure TEXT,
    result TEXT NOT NULL
);
CREATE INDEX measurement_by_time ON measurement (started_ms, node_no);
CREATE TABLE seen (
    no INTEGER PRIMARY KEY,
    epoch_no INTEGER NOT NULL REFERENCES epoch (no),
    lo INTEGER NOT NULL,
    lo_prev BLOB NOT NULL,
    hi INTEGER NOT NULL,
    hi_sha256 BLOB NOT NULL,
    UNIQUE (epoch_no, hi, hi_sha256)
);
CREATE INDEX seen_by_start ON seen (epoch_no, lo);
CREATE TABLE conflict (
    no INTEGER PRIMARY KEY,
    epoch_no INTEGER NOT NULL REFERENCES epoch (no),
    seq INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    other_sha256 BLOB NOT NULL,
    found_ms INTEGER NOT NULL,
    UNIQUE (epoch_no, seq, sha256, other_sha256)
);
CREATE TABLE refusal (
    no INTEGER PRIMARY KEY,
    node_no INTEGER NOT NULL REFERENCES node (no),
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    reason TEXT NOT NULL,
    refused_ms INTEGER NOT NULL,
    UNIQUE (node_no, epoch, seq, sha256)
);
CREATE TABLE quarantine (
    no INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    topic TEXT NOT NULL,
    node TEXT,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    detail TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE counter (
    node_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (node_no, name)
) WITHOUT ROWID;

CREATE TABLE verdict (
    no INTEGER PRIMARY KEY,
    node_no INTEGER NOT NULL REFERENCES node (no),
    target TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    judged_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    rule TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (node_no, target, at_ms, rule)
);
CREATE INDEX verdict_by_time ON verdict (at_ms);
CREATE INDEX verdict_by_target ON verdict (target, at_ms);
CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    suspected_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE timeline (
    sequence INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (incident, number)
);
CREATE TRIGGER timeline_is_never_changed BEFORE UPDATE ON timeline
BEGIN SELECT RAISE (ABORT, 'a timeline entry is never changed'); END;
CREATE TRIGGER timeline_is_never_deleted BEFORE DELETE ON timeline
BEGIN SELECT RAISE (ABORT, 'a timeline entry is never deleted'); END;
CREATE TABLE engine (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    cursor INTEGER NOT NULL,
    ticked_ms INTEGER NOT NULL,
    snapshot BLOB NOT NULL
);
CREATE TABLE view (at_ms INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_V2: Final = """
CREATE TABLE met (
    target TEXT NOT NULL,
    address TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (target, address)
) WITHOUT ROWID;
CREATE INDEX met_by_time ON met (at_ms);
"""

_V3: Final = """
CREATE TABLE outside (
    no INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    word TEXT NOT NULL,
    source TEXT NOT NULL,
    said_ms INTEGER NOT NULL
);
"""

MIGRATIONS: Final[tuple[str, ...]] = (_V1, _V2, _V3)
"""Step n brings a file from version n to n + 1; never edited once released."""
