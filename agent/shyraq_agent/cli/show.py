"""What the commands print: plain text for people. No I/O here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shyraq_agent.config.traffic import Traffic

SILENT_HEARTBEATS: Final = 6
"""Without a receipt this long, something is wrong."""

_LEVEL_WORDS: Final = {"full": "", "light": ", measuring lightly", "beat": ", heartbeat only"}


def render_status(told: Mapping[str, Any]) -> str:
    """How the agent stands, a line for each matter."""
    spool, publish, pulse = told["spool"], told["publish"], told["last_pulse"]
    age_ms = told["last_receipt_age_ms"]
    rows = [
        ("node", told["node"]),
        ("software", told["software"]),
        ("configuration", f"version {told['config']['version']}, {told['config']['sha256'][:16]}"),
        ("last pulse", "none yet" if pulse is None else f"seq {pulse['seq']}"),
        ("broker", publish["endpoint"] or f"not connected: {publish['failing'] or 'trying'}"),
        ("last receipt", "none yet" if age_ms is None else f"{age_ms / 1000:.0f} s ago"),
        ("spool", f"{spool['held']} reports held, {spool['held_bytes']:,} bytes"),
        ("sent", f"{publish['sent']}, of which {publish['resent']} again"),
        ("budget", _budget_words(told["budget"])),
        *([("paused", pause_words(told["paused"]))] if told["paused"] else []),
    ]
    wrong = [("wrong", each) for each in what_is_wrong(told)]
    return "\n".join(f"{name:<14} {value}" for name, value in [*rows, *wrong])


def pause_words(paused: Any) -> str:  # noqa: ANN401  # JSON
    """Whether the host has paused the agent, and for how much longer."""
    if paused is None:
        return "not paused"
    if paused["left_s"] is None:
        return "paused until resumed"
    return f"paused for {paused['left_s'] / 60:.0f} more minutes"


def _budget_words(budget: Mapping[str, Any]) -> str:
    used, of = budget["used_bytes"], budget["monthly_bytes"]
    words = f"{used:,} of {of:,} bytes this month ({used / of:.0%})"
    window = ", event window" if budget["event_window"] else ""
    return words + _LEVEL_WORDS[budget["level"]] + window


def what_is_wrong(told: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each thing that needs attention; a lost network is one, too."""
    publish, age_ms = told["publish"], told["last_receipt_age_ms"]
    is_here = told["paused"] is None
    limit_ms = told["heartbeat_s"] * 1000 * SILENT_HEARTBEATS
    findings = (
        (is_here and publish["failing"] is not None, f"sending: {publish['failing']}"),
        (is_here and (age_ms or 0) > limit_ms, "the collector has been silent for long"),
        (told["spool_failing"] is not None, f"the spool: {told['spool_failing']}"),
        (publish["refused_by_broker"], "the broker refuses messages: look at its access list"),
        (publish["bad_receipts"], "receipts that our collector did not sign: check receipt_keys"),
        (publish["foreign_intervals"], "another program signs with this key: is there a clone?"),
        (told["spool"]["refused"], "the collector has refused reports: see its quarantine"),
        (told["spool"]["dropped"], "the spool was full and reports were given up"),
        (told["budget"]["level"] == "beat", "the month's budget for measuring is used up"),
        (told["probe_bugs"], f"{told['probe_bugs']} errors in probes: see the log"),
    )
    return tuple(text for is_wrong, text in findings if is_wrong)


def render_traffic(traffic: Traffic) -> str:
    """Expected bytes per probe and month, as a table."""
    rows = [("WHAT", "A MONTH", "BYTES")]
    rows += [(each.what, f"{each.runs:,}", f"{each.month_bytes:,}") for each in traffic.lines]
    rows.append(("together", "", f"{traffic.month_bytes:,}"))
    rows.append(("allowed", "", f"{traffic.allowed_bytes:,}"))
    return _columns(rows)


def _columns(rows: Sequence[tuple[str, str, str]]) -> str:
    wide = max(len(what) for what, _, _ in rows) + 1
    return "\n".join(f"{what:<{wide}}{runs:>10}{size:>18}".rstrip() for what, runs, size in rows)
