"""Recorded files through the engine: formats, refusals, determinism, kinds of record."""

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shyraq_collector.errors import ConfigError, InputError
from shyraq_collector.replay import read_fleet, replay

HEADER = "node,isp,region,country,access,site,role\n"
BEGIN_S = 1_640_995_200
DAY_S = 86_400
Row = tuple[float, str, str, float]


def seeded(seed: int) -> random.Random:
    """The same chance in every run."""
    return random.Random(seed)  # noqa: S311 - a record must be repeatable


def text_of(at: float) -> str:
    """RFC 3339 with seconds."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"


def fleet_text(nodes: int, *, canaries: int = 2, networks: bool = True) -> str:
    """So many nodes in three networks and four regions, and canaries without either."""
    rows = [
        f"n{i},{f'isp{i % 3}' if networks else ''},R{i % 4},XX,,s{i},sensor\n" for i in range(nodes)
    ]
    return HEADER + "".join(rows + [f"c{i},,,,,,canary\n" for i in range(canaries)])


def write(
    folder: Path, fleet: str, rows: Iterable[Row], *, received: bool = False
) -> tuple[Path, Path, Path]:
    """FLEET.csv and OBS.csv, sorted as the format asks."""
    ordered = sorted(rows, key=lambda row: row[3])
    head = "at,node,state" + (",received_at" if received else "")
    lines = [
        f"{text_of(at)},{node},{state}" + (f",{text_of(known)}" if received else "")
        for at, node, state, known in ordered
    ]
    paths = (folder / "fleet.csv", folder / "obs.csv", folder / "incidents.json")
    paths[0].write_text(fleet)
    paths[1].write_text("\n".join([head, *lines]) + "\n")
    return paths


def beats(node: str, begin: float, end: float, every: float, rng: random.Random) -> list[Row]:
    """A node heard every so often."""
    at, rows = begin + rng.uniform(0.0, every), []
    while at < end:
        rows.append((at, node, "up", at))
        at += every
    return rows


def irregular(nodes: int, end: float, rng: random.Random) -> Iterator[Row]:
    """So many nodes and two canaries, each heard five times an hour at any moment."""
    for node in [*(f"n{i}" for i in range(nodes)), "c0", "c1"]:
        at = BEGIN_S + rng.expovariate(5 / 3600)
        while at < end:
            yield at, node, "up", at
            at += rng.expovariate(5 / 3600)


def cut_record(every: float, days: float) -> list[Row]:
    """Thirty nodes with a cut of ten hours on the last day but one; canaries go on."""
    rng = seeded(5)
    end = BEGIN_S + days * DAY_S
    cut = end - 1.5 * DAY_S
    rows: list[Row] = []
    for node in [f"n{i}" for i in range(30)]:
        rows += beats(node, BEGIN_S, cut, every, rng)
        rows += beats(node, cut + 36_000, end, every, rng)
    for canary in ("c0", "c1"):
        rows += beats(canary, BEGIN_S, end, every, rng)
    return rows


@pytest.mark.parametrize(("every", "days", "delay_s"), [(60.0, 2.5, 180.0), (3600.0, 8.0, 9000.0)])
def test_a_cut_is_found_at_any_cadence(
    tmp_path: Path, every: float, days: float, delay_s: float
) -> None:
    """Minutely and hourly nodes are judged by the same rules, in their own time."""
    paths = write(tmp_path, fleet_text(30), cut_record(every, days))
    assert replay(*paths) == 1
    (incident,) = json.loads(paths[2].read_text())
    cut = BEGIN_S + (days - 1.5) * DAY_S
    confirmed = datetime.fromisoformat(incident["confirmed_at"]).timestamp()
    assert incident["scope"]["level"] == "nation"
    assert incident["kind"] == "outage"
    assert 0 < confirmed - cut <= delay_s
    assert incident["restored_at"] is not None
    assert incident["history"][0]["state"] == "suspected"


def test_five_irregular_arrivals_an_hour_are_a_habit_too(tmp_path: Path) -> None:
    """Poisson arrivals are learned; the cut is found, and nothing else."""
    end, cut = BEGIN_S + 6 * DAY_S, BEGIN_S + 4 * DAY_S
    rows = [
        row
        for row in irregular(40, end, seeded(11))
        if row[1][0] == "c" or not cut <= row[0] < cut + 40_000
    ]
    paths = write(tmp_path, fleet_text(40), rows)
    replay(*paths)
    confirmed = [i for i in json.loads(paths[2].read_text()) if i["confirmed_at"]]
    assert [i["scope"]["level"] for i in confirmed] == ["nation"]


def test_a_panel_tells_of_down_and_its_own_gap_proves_nothing(tmp_path: Path) -> None:
    """Hourly samples without networks: `down` is a state; a panel that stops sampling is not."""
    rng = seeded(3)
    rows: list[Row] = []
    for i in range(60):
        at = BEGIN_S + rng.uniform(0, 3600)
        while at < BEGIN_S + 8 * DAY_S:
            hour = (at - BEGIN_S) / 3600
            down = 120 <= hour < 130 or rng.random() < 0.02
            if not 60 <= hour < 72:
                rows.append((at, f"n{i}", "down" if down else "up", at))
            at += 3600
    paths = write(tmp_path, fleet_text(60, canaries=0, networks=False), rows)
    assert replay(*paths) == 1
    (incident,) = json.loads(paths[2].read_text())
    onset = datetime.fromisoformat(incident["onset"]["latest"]).timestamp()
    assert abs(onset - (BEGIN_S + 120 * 3600)) <= 3600


def test_a_log_of_connections_needs_no_beats(tmp_path: Path) -> None:
    """Rows only at connects and disconnects: states hold; the cut and its end are found."""
    rng = seeded(9)
    rows: list[Row] = []
    cut, back = BEGIN_S + 6 * DAY_S, BEGIN_S + 6 * DAY_S + 30_000
    for node in [*(f"n{i}" for i in range(30)), "c0", "c1"]:
        rows.append((BEGIN_S + rng.uniform(0, 600), node, "up", 0.0))
        at = BEGIN_S + rng.uniform(1, 5) * DAY_S
        rows += [(at, node, "down", 0.0), (at + 900, node, "up", 0.0)]
        if node[0] == "n":
            rows += [(cut + rng.uniform(0, 60), node, "down", 0.0), (back, node, "up", 0.0)]
    rows.append((BEGIN_S + 8 * DAY_S, "n0", "up", 0.0))
    paths = write(tmp_path, fleet_text(30), [(at, n, s, at) for at, n, s, _ in rows])
    assert replay(*paths) == 1
    (incident,) = json.loads(paths[2].read_text())
    assert incident["nodes_down_peak"] == 30
    assert incident["restored_at"] is not None


def test_a_collector_fault_is_its_own_kind(tmp_path: Path) -> None:
    """Canaries silent together with the nodes: collector-fault, never an outage."""
    rows = [
        row for row in cut_record(60.0, 2.5) if not BEGIN_S + 40_000 < row[0] < BEGIN_S + 46_000
    ]
    paths = write(tmp_path, fleet_text(30), rows)
    replay(*paths)
    kinds = [i["kind"] for i in json.loads(paths[2].read_text())]
    assert kinds == ["collector-fault", "outage"]


def test_watchers_as_rare_as_the_nodes_do_not_hide_our_own_fault(tmp_path: Path) -> None:
    """All beat once an hour. An hour of ours makes each miss one word: no outage; two real ones do.

    Nobody watched between two words of the canaries, so one missed word of a node proves nothing.
    """
    fault, cut = BEGIN_S + 6 * DAY_S, BEGIN_S + 7 * DAY_S
    rows = [
        row
        for turn, node in enumerate([*(f"n{i}" for i in range(30)), "c0", "c1"])
        for row in beats(node, BEGIN_S, BEGIN_S + 9 * DAY_S, 3600.0, seeded(turn))
        if not fault <= row[0] < fault + 3600
        and not (node[0] == "n" and cut <= row[0] < cut + 6 * 3600)
    ]
    paths = write(tmp_path, fleet_text(30), rows)
    replay(*paths)
    confirmed = [i for i in json.loads(paths[2].read_text()) if i["confirmed_at"]]
    assert [i["kind"] for i in confirmed] == ["outage"]
    onset = datetime.fromisoformat(confirmed[0]["onset"]["latest"]).timestamp()
    assert abs(onset - cut) <= 3600


def test_a_quiet_spell_of_irregular_canaries_delays_no_cut(tmp_path: Path) -> None:
    """One network goes on: whoever is heard shows that we hear, whatever the canaries do."""
    end, cut = BEGIN_S + 6 * DAY_S, BEGIN_S + 5 * DAY_S

    def is_silent(row: Row) -> bool:
        after_s, node = row[0] - cut, row[1]
        if node[0] == "c":
            return -600 <= after_s < 3000
        return int(node[1:]) % 3 != 0 and 0 <= after_s < 40_000

    rows = [row for row in irregular(45, end, seeded(13)) if not is_silent(row)]
    paths = write(tmp_path, fleet_text(45), rows)
    replay(*paths)
    confirmed = [i for i in json.loads(paths[2].read_text()) if i["confirmed_at"]]
    assert [i["scope"]["isps"] for i in confirmed] == [["isp1", "isp2"]]
    at = datetime.fromisoformat(confirmed[0]["confirmed_at"]).timestamp()
    assert at - cut <= 3000


def test_back_fill_counts_only_from_its_receipt(tmp_path: Path) -> None:
    """Late words neither delay the alarm nor end the cut; they decide its cause afterwards."""
    rows = cut_record(60.0, 2.5)
    cut, back = BEGIN_S + DAY_S, BEGIN_S + DAY_S + 36_000
    rows += [
        (cut + 600 * k, f"n{i}", "down", back + 120.0) for i in range(30) for k in range(1, 60)
    ]
    paths = write(tmp_path, fleet_text(30), rows, received=True)
    assert replay(*paths) == 1
    (incident,) = json.loads(paths[2].read_text())
    confirmed = datetime.fromisoformat(incident["confirmed_at"]).timestamp()
    assert confirmed - cut <= 180
    assert incident["cause"] == "network"
    revised = [h for h in incident["history"] if "back-fill" in h["note"]]
    assert datetime.fromisoformat(revised[0]["at"]).timestamp() > back


def test_twice_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    """The output depends on the input alone."""
    paths = write(tmp_path, fleet_text(30), cut_record(60.0, 2.5))
    replay(*paths)
    first = paths[2].read_bytes()
    replay(*paths)
    assert paths[2].read_bytes() == first


def test_time_can_run_thirty_times_faster(tmp_path: Path) -> None:
    """`time_scale` divides every threshold: a 2 s heartbeat is judged like one of 60 s."""
    rows = [
        (BEGIN_S + (at - BEGIN_S) / 30, n, s, BEGIN_S + (k - BEGIN_S) / 30)
        for at, n, s, k in cut_record(60.0, 2.5)
    ]
    paths = write(tmp_path, fleet_text(30), [])
    lines = [f"{at:.3f},{n},{s}" for at, n, s, _ in sorted(rows)]
    paths[1].write_text("at,node,state\n" + "\n".join(lines) + "\n")
    replay(*paths, time_scale=30.0)
    (incident,) = json.loads(paths[2].read_text())
    confirmed = datetime.fromisoformat(incident["confirmed_at"]).timestamp()
    assert 0 < confirmed - (BEGIN_S + DAY_S / 30) <= 6


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2022-01-01T00:00:00Z,n0,sideways", "state"),
        ("2022-01-01T00:00:00Z,stranger,up", "not in the fleet"),
        ("yesterday,n0,up", "neither RFC 3339"),
        ("-5,n0,up", "neither RFC 3339"),
        ("2021-01-01T00:00:00Z,n0,up", "order"),
        ("2022-01-01T00:00:00Z,n0", "too few columns"),
        ("1640995200000,n0,up", "milliseconds"),
        ("2022-01-01T00:00:60Z,n0,up", "neither RFC 3339"),
        ("2022-01-01T00:00:.5Z,n0,up", "neither RFC 3339"),
        ("9999-12-31T23:59:59Z,n0,up", "400 days"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path: Path, row: str, problem: str) -> None:
    """The error begins with file and line and says what is wrong."""
    paths = write(tmp_path, fleet_text(3), [(BEGIN_S, "n0", "up", BEGIN_S)])
    paths[1].write_text(paths[1].read_text() + row + "\n")
    with pytest.raises(InputError, match=problem) as caught:
        replay(*paths)
    assert caught.value.line == 3
    assert str(caught.value).startswith(f"{paths[1]}:3: ")
    assert not paths[2].exists()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("isp,region\n", 1, "header lacks node"),
        ("node,isp,isp\n", 1, "a column twice"),
        (HEADER, 1, "no node"),
        (HEADER + "a,,,XX,,,sensor\na,,,XX,,,sensor\n", 3, "twice"),
        (HEADER + "a,,,XX,carrier pigeon,,sensor\n", 2, "access"),
        (HEADER + "a,,,XX,,,king\n", 2, "role"),
        (HEADER + ",,,XX,,,sensor\n", 2, "node is empty"),
    ],
)
def test_a_wrong_fleet_is_refused_with_its_place(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    """The fleet file is read as strictly as the observations."""
    path = tmp_path / "fleet.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_fleet(path)
    assert caught.value.line == line


def test_what_cannot_be_read_or_scaled_is_a_configuration_error(tmp_path: Path) -> None:
    """A missing file and a scale of nought are named."""
    paths = write(tmp_path, fleet_text(3), [])
    with pytest.raises(ConfigError, match="time-scale"):
        replay(*paths, time_scale=0.0)
    paths[1].unlink()
    with pytest.raises(ConfigError, match="cannot read"):
        replay(*paths)


def test_times_may_carry_zones_fractions_or_none(tmp_path: Path) -> None:
    """All forms of one instant are the same instant; none means UTC."""
    paths = write(tmp_path, fleet_text(3), [])
    forms = [
        "2022-01-01T00:00:00",
        "2022-01-01T00:00:00Z",
        "2022-01-01 00:00:00Z",
        "2022-01-01T06:00:00+06:00",
        "2022-01-01T00:00:00.000Z",
        "2022-01-01t00:00:00z",
        "1640995200",
        "1640995200.0",
    ]
    paths[1].write_text("at,node,state\n" + "".join(f"{form},n0,up\n" for form in forms))
    assert replay(*paths) == 0
