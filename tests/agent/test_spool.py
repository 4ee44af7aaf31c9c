"""The spool: committed before sent, deleted only on our own hashes, never forked, bounded."""

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shyraq_agent.errors import LocalError
from shyraq_agent.spool import Place, Spool
from shyraq_agent.spool.database import FILE_NAME, MIGRATIONS, open_database
from shyraq_agent.spool.items import seq_of
from shyraq_agent.spool.queue import no_checkpoint
from shyraq_agent.spool.rows import Rows
from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import sha256_hex, unpack
from shyraq_wire.keys import KeyId
from shyraq_wire.receipt import EpochReceipt, Interval, Receipt, Refusal
from shyraq_wire.report import Kind
from shyraq_wire.topics import NodeId

NODE = NodeId("kz-test-0001")
LEDGER = "a1" * 16
EARLY = "2022-01-05T10:00:00.000Z"


def receipt(
    epoch: str,
    *intervals: tuple[int, int, str],
    refused: tuple[tuple[int, str], ...] = (),
    ledger: str = LEDGER,
    at: str = EARLY,
) -> Receipt:
    """A verified receipt for one epoch."""
    return Receipt(
        node=NODE,
        ledger=ledger,
        key=KeyId("0" * 64),
        at=at,
        epochs=(
            EpochReceipt(
                epoch=epoch,
                intervals=tuple(Interval(lo=lo, hi=hi, sha256=sha) for lo, hi, sha in intervals),
            ),
        ),
        refused=tuple(
            Refusal(epoch=epoch, seq=seq, sha256=sha, reason="too-large") for seq, sha in refused
        ),
    )


class Chain:
    """A spool's rows on a disk, and a note of every frame that was ever committed."""

    def __init__(self, directory: Path, *, max_bytes: int = 10**9) -> None:
        """Open the spool."""
        self.directory = directory
        self.max_bytes = max_bytes
        self.epochs = (f"{number:032x}" for number in count(1))
        self.hashes: dict[tuple[str, int], str] = {}
        self.kinds: dict[tuple[str, int], Kind] = {}
        self.announced: list[tuple[str, int, int]] = []
        self.places: list[Place] = []
        self.cut_at: str | None = None
        self.points: list[str] = []
        self.key_id = "key-1"
        self.floor_ms = 0
        self.rows = self.open()

    def open(self) -> Rows:
        """Open the file, as at the start of the program."""
        self.rows = Rows(
            open_database(self.directory),
            key_id=self.key_id,
            max_bytes=self.max_bytes,
            new_epoch=lambda: next(self.epochs),
            floor_ms=self.floor_ms,
            checkpoint=self.checkpoint,
        )
        return self.rows

    def reopen(self, key_id: str | None = None) -> None:
        """Power cut: nothing is flushed, memory is gone."""
        self.rows._database.close()
        self.key_id = key_id or self.key_id
        self.open()

    def checkpoint(self, name: str) -> None:
        """Cut here if the test wants it."""
        self.points.append(name)
        if name == self.cut_at:
            self.cut_at = None
            raise PowerCutError(name)

    def append(self, kind: Kind = "pulse", *, size: int = 200) -> int:
        """Commit one more frame; returns its seq."""
        places: list[Place] = []

        def seal(place: Place) -> bytes:
            places.append(place)
            return frame_of(place, kind, size)

        stored = self.rows.append(kind, seal)
        place = places[0]
        self.hashes[place.epoch, place.seq] = stored.sha256
        self.kinds[place.epoch, place.seq] = kind
        self.places.append(place)
        self.announced += place.dropped
        return stored.seq

    def held(self) -> list[int]:
        """Seqs that would be sent, oldest first."""
        return [seq_of(each.place) for each in self.rows.after(0, 10_000)]

    def sha(self, seq: int) -> str:
        """Hash of a frame of the newest epoch."""
        return self.hashes[self.places[-1].epoch, seq]

    def receipt(self, *intervals: tuple[int, int], ledger: str = LEDGER) -> Receipt:
        """A true receipt for these intervals of the newest epoch."""
        triples = [(lo, hi, self.sha(hi)) for lo, hi in intervals]
        return receipt(self.places[-1].epoch, *triples, ledger=ledger)


class PowerCutError(BaseException):
    """Nothing after this point happens."""


def frame_of(place: Place, kind: str, size: int) -> bytes:
    """A frame that names its place; it does not compress."""
    text = f"{place.epoch} {place.seq} {place.prev} {kind} "
    digest = sha256_hex(text.encode())
    noise = b"".join(bytes.fromhex(sha256_hex(f"{digest}{n}".encode())) for n in range(size // 32))
    return text.encode() + noise


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """An open spool that closes with the test."""
    made = Chain(tmp_path)
    yield made
    made.rows.close()


def test_frames_chain_from_genesis_and_go_on_after_reopening(chain: Chain) -> None:
    """Each place names the hash of the frame before, across a power cut too."""
    for _ in range(3):
        chain.append()
    chain.reopen()
    chain.append()
    places = chain.places
    assert [place.seq for place in places] == [0, 1, 2, 3]
    assert [place.prev for place in places] == [GENESIS, chain.sha(0), chain.sha(1), chain.sha(2)]
    assert len({place.epoch for place in places}) == 1


def test_the_tip_survives_every_deletion(chain: Chain) -> None:
    """With all frames receipted and gone, the next one still names its predecessor."""
    last = chain.append()
    chain.rows.apply(chain.receipt((0, last)))
    chain.rows.flush()
    assert chain.held() == []
    chain.reopen()
    assert chain.append() == 1
    assert chain.places[-1].prev == chain.sha(0)


def test_another_key_is_another_epoch_and_old_frames_are_still_sent(chain: Chain) -> None:
    """A new key begins at seq 0; what the old key signed goes first."""
    chain.append()
    chain.reopen("key-2")
    chain.append()
    assert [(place.seq, place.prev) for place in chain.places] == [(0, GENESIS), (0, GENESIS)]
    first, second = (place.epoch for place in chain.places)
    assert first != second
    frames = [unpack(each.payload).decode("latin-1") for each in chain.rows.after(0, 9)]
    assert [frame.split()[0] for frame in frames] == [first, second]
    chain.rows.apply(receipt(first, (0, 0, chain.hashes[first, 0])))
    assert len(chain.rows.after(0, 9)) == 1


def test_what_a_seal_raises_changes_nothing(chain: Chain) -> None:
    """A frame that cannot be sealed leaves tip and rows as they were."""

    def fail(_place: Place) -> bytes:
        raise ValueError("no")

    chain.append()
    with pytest.raises(ValueError, match="no"):
        chain.rows.append("pulse", fail)
    assert chain.append() == 1
    assert chain.places[-1].prev == chain.sha(0)


def test_a_clones_receipt_deletes_nothing(chain: Chain) -> None:
    """An interval that ends in another hash than ours covers nothing, and is counted."""
    for _ in range(3):
        chain.append()
    applied = chain.rows.apply(receipt(chain.places[0].epoch, (0, 2, "ee" * 32)))
    assert (applied.covered, applied.foreign) == (frozenset(), 1)
    assert chain.held() == [0, 1, 2]


def test_a_receipt_for_another_epoch_or_a_frame_never_made_deletes_nothing(chain: Chain) -> None:
    """Only hashes that this spool gave itself count."""
    chain.append()
    epoch = chain.places[0].epoch
    assert not chain.rows.apply(receipt("f" * 32, (0, 0, chain.sha(0)))).covered
    assert not chain.rows.apply(receipt(epoch, (0, 7, chain.sha(0)))).covered
    assert chain.held() == [0]


def test_a_hole_that_is_filled_late_is_verified_by_the_hash_of_a_frame_long_gone(
    chain: Chain,
) -> None:
    """Frames 1 to 4 go while 0 is missing; a receipt ending in 4 then covers 0, after a cut too."""
    for _ in range(5):
        chain.append()
    chain.rows.apply(chain.receipt((1, 4)))
    chain.append()
    chain.reopen()
    assert chain.held() == [0, 5]
    applied = chain.rows.apply(chain.receipt((0, 4)))
    assert len(applied.covered) == 1
    chain.rows.flush()
    assert chain.held() == [5]
    assert chain.rows._integer("SELECT count(*) FROM gone") == 0


def test_a_refused_frame_is_written_down_and_goes(chain: Chain) -> None:
    """A refusal with our hash drops the frame and leaves a record; with another hash, nothing."""
    for _ in range(3):
        chain.append()
    epoch = chain.places[0].epoch
    applied = chain.rows.apply(receipt(epoch, refused=((0, "ee" * 32), (1, chain.sha(1)))))
    assert applied.refused == ((1, "too-large"),)
    chain.rows.flush()
    chain.reopen()
    assert chain.held() == [0, 2]
    assert chain.rows.standing().refused == 1


def test_covered_frames_are_not_sent_and_leave_with_the_next_append(chain: Chain) -> None:
    """Between receipt and append the rows still exist, but nothing offers them."""
    chain.append()
    chain.append("bulk")
    chain.rows.apply(chain.receipt((0, 1)))
    assert (chain.held(), chain.rows.newest_pulse(), chain.rows.standing().held) == ([], None, 0)
    assert chain.rows._integer("SELECT count(*) FROM frame") == 2
    assert chain.rows.take(range(1 << 40, (1 << 40) + 3)) == ()
    chain.append()
    assert chain.rows._integer("SELECT count(*) FROM frame") == 1


def test_a_new_ledger_is_reported_once_and_a_former_one_is_never_believed_again(
    chain: Chain,
) -> None:
    """A restored backup asks for everything held; the old ledger's retained receipt is ignored."""
    chain.append()
    chain.append()
    assert not chain.rows.apply(chain.receipt((0, 0))).new_ledger
    assert chain.rows.apply(chain.receipt(ledger="b2" * 16)).new_ledger
    assert not chain.rows.apply(chain.receipt(ledger="b2" * 16)).new_ledger
    chain.reopen()
    stale = chain.rows.apply(chain.receipt((0, 1)))
    assert stale.former_ledger
    assert not stale.covered
    assert chain.rows.standing().ledger == "b2" * 16


def test_the_moment_of_a_receipt_becomes_the_floor_and_survives(chain: Chain) -> None:
    """A wall clock can be raised to the newest moment the collector signed, after a cut too."""
    chain.append()
    chain.rows.apply(receipt(chain.places[0].epoch, at="2022-01-05T10:00:01.000Z"))
    chain.rows.apply(receipt(chain.places[0].epoch, at=EARLY))
    chain.append()
    chain.reopen()
    chain.append()
    assert chain.places[-1].floor_ms == 1_641_376_801_000


def test_edges_are_the_two_first_and_two_last_of_each_run(chain: Chain) -> None:
    """Stored frames between held ones end a run; the newest edge comes first."""
    for _ in range(20):
        chain.append()
    chain.rows.apply(chain.receipt((0, 1), (8, 9)))
    edges = [seq_of(place) for place in chain.rows.edges()]
    assert edges == [19, 18, 11, 10, 7, 6, 3, 2]


def test_thinning_takes_the_oldest_bulk_and_keeps_pulses_and_edges(tmp_path: Path) -> None:
    """A full spool gives up whole bulk frames, oldest first, and stays within its limit."""
    chain = Chain(tmp_path, max_bytes=20_000)
    for _ in range(30):
        chain.append("pulse", size=200)
        chain.append("bulk", size=1000)
    held = chain.held()
    kinds = [chain.kinds[chain.places[0].epoch, seq] for seq in held]
    assert kinds.count("pulse") == 30
    assert chain.rows.standing().held_bytes <= 20_000
    bulk = [seq for seq, kind in zip(held, kinds, strict=True) if kind == "bulk"]
    assert bulk[0] == 1, "the first gap edge stays"
    assert bulk[1:] == list(range(bulk[1], 60, 2)), "the rest are the newest"
    chain.rows.close()


def test_pulses_go_only_when_no_bulk_is_left(tmp_path: Path) -> None:
    """Pulses alone above the limit lose the oldest that are no edge; the newest stays."""
    chain = Chain(tmp_path, max_bytes=10_000)
    for _ in range(60):
        chain.append("pulse", size=300)
    held = chain.held()
    assert held[:2] == [0, 1]
    assert held[-1] == 59
    assert held[2:] == list(range(held[2], 60))
    assert chain.rows.standing().held_bytes <= 10_000
    chain.rows.close()


def test_every_dropped_frame_is_announced_until_a_stored_pulse_has_said_it(tmp_path: Path) -> None:
    """Ranges ride in pulses; once the announcing pulse is stored the list is empty."""
    chain = Chain(tmp_path, max_bytes=12_000)
    for _ in range(20):
        chain.append("pulse", size=200)
        chain.append("bulk", size=1000)
    chain.append("pulse")
    gone = set(range(chain.places[-1].seq + 1)) - set(chain.held())
    assert gone
    said = {seq for _, lo, hi in chain.announced for seq in range(lo, hi + 1)}
    assert said == gone
    chain.rows.apply(chain.receipt(*[(seq, seq) for seq in chain.held()]))
    chain.rows.flush()
    assert chain.rows.standing().dropped == 0
    chain.rows.close()


def test_two_processes_cannot_own_one_spool(tmp_path: Path) -> None:
    """The second is refused with the owner's process id; after the first has gone it may."""
    first = open_database(tmp_path)
    with pytest.raises(LocalError, match=r"another agent \(process [0-9]+\) owns this spool"):
        open_database(tmp_path)
    script = (
        "from pathlib import Path; from shyraq_agent.spool.database import open_database\n"
        f"open_database(Path({str(tmp_path)!r}))"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert b"owns this spool" in other.stderr
    first.close()
    open_database(tmp_path).close()


def seal_any(place: Place) -> bytes:
    """A frame for a place, for tests in which its content does not matter."""
    return f"{place.epoch}/{place.seq}".encode().ljust(80)


@pytest.mark.parametrize("cut_at", ["append.sealed", "append.inserted", "append.committed"])
def test_facts_are_remembered_with_the_frame_that_speaks_of_them(chain: Chain, cut_at: str) -> None:
    """After a power cut anywhere, the fact is there exactly when the frame is."""
    chain.rows.append("pulse", seal_any, {"a": "1", "b": "1"})
    chain.cut_at = cut_at
    with pytest.raises(PowerCutError):
        chain.rows.append("pulse", seal_any, {"a": "2"})
    chain.reopen()
    was_kept = chain.rows.standing().tip_seq == 1
    assert was_kept == (cut_at == "append.committed")
    assert chain.rows.facts == {"a": "2" if was_kept else "1", "b": "1"}


def test_a_fact_that_did_not_change_is_not_written_again(chain: Chain) -> None:
    """No page wears for what is known already."""
    chain.rows.append("pulse", seal_any, {"a": "1"})
    chain.rows._sql.execute("UPDATE fact SET value = 'left alone'")
    chain.rows.append("pulse", seal_any, {"a": "1"})
    assert chain.rows._sql.execute("SELECT value FROM fact").fetchone() == ("left alone",)


def test_the_floor_is_the_later_of_what_is_given_and_what_was_saved(chain: Chain) -> None:
    """A program's build time raises a new node's floor; an older program never lowers it."""
    chain.floor_ms = 1_700_000_000_000
    chain.reopen()
    assert chain.rows.standing().floor_ms == 1_700_000_000_000
    chain.append()
    chain.floor_ms = 1_600_000_000_000
    chain.reopen()
    assert chain.rows.standing().floor_ms == 1_700_000_000_000
    assert chain.append() == 1
    assert chain.places[-1].floor_ms == 1_700_000_000_000


def test_a_spool_from_a_newer_program_is_refused(tmp_path: Path) -> None:
    """A higher user_version is left untouched, and the text says what to do."""
    open_database(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(LocalError, match="version 99, this program knows 2"):
        open_database(tmp_path)


def test_migration_keeps_a_copy_and_the_frames(chain: Chain) -> None:
    """An older file is copied beside itself and brought forward with everything in it."""
    chain.append()
    chain.rows.close()
    newer = (*MIGRATIONS, "ALTER TABLE frame ADD COLUMN note TEXT")
    database = open_database(chain.directory, newer)
    assert database.connection.execute("SELECT count(*), note FROM frame").fetchone() == (1, None)
    assert database.connection.execute("PRAGMA user_version").fetchone() == (3,)
    database.close()
    copy = sqlite3.connect(chain.directory / f"{FILE_NAME}.version-2")
    assert copy.execute("SELECT count(*) FROM frame").fetchone() == (1,)
    copy.close()
    for name in (f"{FILE_NAME}", f"{FILE_NAME}-wal"):
        (chain.directory / name).unlink(missing_ok=True)
    chain.open()


@pytest.mark.parametrize("damage", [b"", b"not a database at all " * 400])
def test_a_damaged_file_is_set_aside_and_a_new_epoch_begins(tmp_path: Path, damage: bytes) -> None:
    """Noise in place of the file is kept under another name; an empty file is a new spool."""
    (tmp_path / FILE_NAME).write_bytes(damage)
    database = open_database(tmp_path)
    assert (database.set_aside is None) == (damage == b"")
    if database.set_aside is not None:
        assert database.set_aside.read_bytes() == damage
    database.close()


def flip(file: bytearray, rng: Random) -> None:
    """One bit, as a card that wears does."""
    file[rng.randrange(len(file))] ^= 1 << rng.randrange(8)


def lose_a_sector(file: bytearray, rng: Random) -> None:
    """512 bytes that were never written."""
    begin = rng.randrange(len(file) // 512) * 512
    file[begin : begin + 512] = bytes(512)


def scribble(file: bytearray, rng: Random) -> None:
    """Noise over a sector, the header's as often as any."""
    begin = rng.choice([0, rng.randrange(len(file) // 512) * 512])
    file[begin + 24 : begin + 512] = rng.randbytes(488)


def swap(file: bytearray, rng: Random) -> None:
    """Two pages in each other's place."""
    one, other = (rng.randrange(len(file) // 1024) * 1024 for _ in range(2))
    file[one : one + 1024], file[other : other + 1024] = (
        file[other : other + 1024],
        file[one : one + 1024],
    )


def cut_off(file: bytearray, rng: Random) -> None:
    """The end is missing."""
    del file[rng.randrange(len(file)) :]


@given(
    damage=st.sampled_from([flip, lose_a_sector, scribble, swap, cut_off]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_no_damage_keeps_a_node_from_storing_what_it_measures(
    damage: Callable[[bytearray, Random], None], seed: int
) -> None:
    """Whatever a card does to the file: it is sound enough to go on with, or it is set aside."""
    with tempfile.TemporaryDirectory() as name:
        chain = Chain(Path(name))
        for number in range(15):
            chain.append("bulk" if number % 3 else "pulse")
        chain.rows.close()
        file = bytearray((chain.directory / FILE_NAME).read_bytes())
        damage(file, Random(seed))  # noqa: S311  # not for secrets
        (chain.directory / FILE_NAME).write_bytes(file)
        refusal = ""
        try:
            chain.open()
            chain.append()
            chain.rows.close()
        except LocalError as error:
            refusal = str(error)
        # Noise in one byte of the header looks like a newer program's file.
        assert not refusal or "install the newer agent" in refusal


def test_a_full_disk_is_a_local_error_and_loses_nothing(chain: Chain) -> None:
    """When the file cannot grow, append fails, nothing changes, and it works once there is room."""
    chain.append()
    pages = chain.rows._integer("PRAGMA page_count")
    chain.rows._sql.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LocalError, match="full"):
        chain.append("bulk", size=60_000)
    chain.rows._sql.execute("PRAGMA max_page_count = 1000000")
    assert chain.append() == 1
    assert chain.held() == [0, 1]


@pytest.mark.usefixtures("never_blocks")
async def test_the_event_loop_never_waits_for_the_disk(tmp_path: Path) -> None:
    """Every call of the async face does its disk work in another thread."""
    spool = await Spool.open(
        tmp_path / "state", key_id="k", max_bytes=10**6, new_epoch=lambda: "0" * 32
    )
    stored = await spool.append("pulse", lambda place: frame_of(place, "pulse", 200))
    await spool.apply(receipt("0" * 32, (0, 0, stored.sha256)))
    assert await spool.newest_pulse() is None
    assert (await spool.after(0, 5), await spool.take([1, 2])) == ((), ())
    assert await spool.edges() == ()
    assert (await spool.standing()).tip_seq == 0
    await spool.close()


async def test_a_cancelled_append_is_still_committed_whole(tmp_path: Path) -> None:
    """Cancelling the caller never leaves the tip and the rows apart."""
    spool = await Spool.open(tmp_path, key_id="k", max_bytes=10**6, new_epoch=lambda: "0" * 32)
    task = asyncio.create_task(spool.append("pulse", lambda place: frame_of(place, "pulse", 200)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stored = await spool.append("pulse", lambda place: frame_of(place, "pulse", 200))
    assert stored.seq == len(await spool.after(0, 9)) - 1
    await spool.close()


CUTS = ("append.begun", "append.sealed", "append.inserted", "append.committed", "forget.committed")


class SpoolMachine(RuleBasedStateMachine):
    """Any order of appends, receipts, cuts and thinning loses nothing and forks nothing."""

    def __init__(self) -> None:
        """Begin with an empty directory."""
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.ledger: dict[tuple[str, int], str] = {}

    @initialize(max_bytes=st.sampled_from([4_000, 20_000, 10**9]))
    def begin(self, max_bytes: int) -> None:
        """Open the spool, small or large."""
        self.chain = Chain(Path(self.directory.name), max_bytes=max_bytes)

    @rule(pulse=st.booleans(), size=st.integers(32, 1500))
    def append(self, pulse: bool, size: int) -> None:
        """One more frame."""
        self.chain.append("pulse" if pulse else "bulk", size=size)

    @rule(point=st.sampled_from(CUTS), pulse=st.booleans())
    def append_and_cut(self, point: str, pulse: bool) -> None:
        """Power is cut at a named point; a frame that was committed counts."""
        before = self.chain.rows.standing()
        sealed: list[tuple[Place, bytes]] = []

        def seal(place: Place) -> bytes:
            frame = frame_of(place, "pulse" if pulse else "bulk", 300)
            sealed.append((place, frame))
            return frame

        self.chain.cut_at = point
        committed = False
        try:
            if point == "forget.committed":
                self.chain.rows.flush()
            else:
                self.chain.rows.append("pulse" if pulse else "bulk", seal)
        except PowerCutError:
            committed = point == "append.committed"
        self.chain.cut_at = None
        self.chain.reopen()
        if committed:
            place, frame = sealed[0]
            self.chain.hashes[place.epoch, place.seq] = sha256_hex(frame)
            self.chain.kinds[place.epoch, place.seq] = "pulse" if pulse else "bulk"
            self.chain.places.append(place)
            self.chain.announced += place.dropped
        else:
            assert self.chain.rows.standing().tip_seq == before.tip_seq

    @rule(data=st.data())
    @precondition(lambda self: bool(self.chain.places))
    def deliver(self, data: st.DataObject) -> None:
        """The collector stores some of what is held, and its receipt comes."""
        for frame in self.chain.rows.after(0, 1000):
            if data.draw(st.booleans()):
                text = unpack(frame.payload)
                epoch, seq = text.split()[0].decode(), int(text.split()[1])
                self.ledger[epoch, seq] = sha256_hex(text)
        for epoch in {epoch for epoch, _ in self.ledger}:
            self.chain.rows.apply(receipt(epoch, *self.intervals(epoch)))

    @rule(hi=st.integers(0, 50))
    @precondition(lambda self: bool(self.chain.places))
    def lie(self, hi: int) -> None:
        """A receipt for a clone's chain, whatever it claims."""
        held = self.chain.held()
        self.chain.rows.apply(receipt(self.chain.places[-1].epoch, (0, hi, "ee" * 32)))
        assert self.chain.held() == held

    @rule(key=st.sampled_from(["key-1", "key-2"]))
    def restart(self, key: str) -> None:
        """The program starts again, perhaps with another key."""
        self.chain.reopen(key)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Each frame is held, in the ledger, or on the list of what was given up."""
        if not hasattr(self, "chain"):
            return
        held = {
            (text.split()[0].decode(), int(text.split()[1]))
            for frame in self.chain.rows.after(0, 10_000)
            for text in [unpack(frame.payload)]
        }
        listed = self.chain.rows._sql.execute("SELECT lo, hi FROM dropped").fetchall()
        dropped = {
            (self.chain.rows._epochs[lo >> 40], seq_of(place))
            for lo, hi in listed
            for place in range(lo, hi + 1)
        } | {(epoch, seq) for epoch, lo, hi in self.chain.announced for seq in range(lo, hi + 1)}
        for key in self.chain.hashes:
            assert key in held or key in self.ledger or key in dropped

    @invariant()
    def nothing_is_forked(self) -> None:
        """One hash for each place in each chain, and each frame names the one before."""
        if not hasattr(self, "chain"):
            return
        seen: set[tuple[str, int]] = set()
        for place in self.chain.places:
            assert (place.epoch, place.seq) not in seen
            seen.add((place.epoch, place.seq))
            before = self.chain.hashes.get((place.epoch, place.seq - 1), GENESIS)
            assert place.prev == before

    @invariant()
    def what_is_held_is_bounded(self) -> None:
        """Above the limit only edges, the newest pulse and the newest frame remain."""
        if not hasattr(self, "chain"):
            return
        rows = self.chain.rows
        counted = rows._integer("SELECT coalesce(sum(size_bytes), 0) FROM held")
        assert counted == rows.standing().held_bytes
        if counted > self.chain.max_bytes:
            spared = len(rows.edges()) + 2
            assert rows.standing().held <= spared

    def intervals(self, epoch: str) -> list[tuple[int, int, str]]:
        """The ledger's intervals of an epoch."""
        found: list[tuple[int, int, str]] = []
        for seq in sorted(seq for of, seq in self.ledger if of == epoch):
            lo = seq
            if found and found[-1][1] == seq - 1:
                lo = found.pop()[0]
            found.append((lo, seq, self.ledger[epoch, seq]))
        return found

    def teardown(self) -> None:  # type: ignore[explicit-override]  # Python 3.12 has override
        """Close and clean up."""
        if hasattr(self, "chain"):
            self.chain.rows.close()
        self.directory.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_the_hook_that_runs_in_the_field_does_nothing() -> None:
    """Outside crash tests a checkpoint is a no-op."""
    hook: Callable[[str], None] = no_checkpoint
    hook("append.begun")
