"""docs/reference/lab.md is exactly what `page` gives.

`PYTHONPATH=tests python -m netlab.reference > docs/reference/lab.md` writes it anew; a test fails
while the two differ.
"""

from collections.abc import Sequence
from typing import Final

from netlab.rows import GUILTY, INNOCENT, MECHANISMS, Row, Said
from netlab.tracing import TRACES

_HEAD: Final = """\
# The test country

Written by `PYTHONPATH=tests python -m netlab.reference`; do not edit.

`make lab` builds a country of network namespaces in a private sandbox, as root and as an ordinary
user: four providers with two nodes each, an exchange, a border gateway, sites at home and abroad,
name servers with two views, two control nodes abroad, a broker; IPv4 and IPv6, documentation
prefixes only, no route out. Nothing remains when it ends.

## Mechanisms

Each proves itself: a canary must say the healthy word before, the word of the effect while it
works, and the healthy word again after. "a / b" is what the thing aimed at meets, then what must
be spared. What was done to whom, and when, is logged as the ground truth.

| id | what happens | how | canary: healthy → at work |
|---|---|---|---|
"""

_TABLE: Final = """\
## What the probes must see and the judge must say

Real probes of the agent measure from a node of the provider and from the controls; the real judge
hears them in order of time. "step" is one of the steps of the last measurement.

"""

_TRACES: Final = """\
## What a trace finds

From a node to a site abroad: the provider's router, the gateway, the site; the same over both
families. What the provider does to a ClientHello shows at distance 2, where a neutral name still
meets the gateway. Of the node's own network nothing is told.

| mechanism | path | heard |
|---|---|---|
"""

_COLUMNS: Final = "| mechanism | probe and target | step | verdict |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page, in Markdown."""
    mechanisms = "".join(
        f"| `{each.id}` | {each.what} | {each.recipe} | {each.healthy} → {each.effect} |\n"
        for each in MECHANISMS.values()
    )
    guilty = f"### Guilty: somebody interferes\n\n{_COLUMNS}{_rows(GUILTY)}\n"
    traces = "".join(
        f"| {each.mechanism or 'none'} | {path} | {_end(*end)} |\n"
        for each in TRACES
        for path, end in each.ends.items()
    )
    innocent = f"### Innocent: never blocked or throttled\n\n{_COLUMNS}{_rows(INNOCENT)}"
    return f"{_HEAD}{mechanisms}\n{_TABLE}{guilty}{innocent}\n{_TRACES}{traces}"


def _end(last_router: int | None, end: int | None, answer: str | None) -> str:
    heard = f"routers to {last_router}" if last_router else "no router"
    return f"{heard}, then {answer} at {end}" if answer else f"{heard}, then silence"


def _rows(rows: Sequence[Row]) -> str:
    return "".join(f"{_row(row)}\n" for row in rows)


def _row(row: Row) -> str:
    name, failure = row.step
    said = " or ".join(_said(each) for each in (row.said, *row.or_said))
    beyond = f" (missed: {row.beyond})" if row.beyond else ""
    probe = f"{row.probe} " if row.probe else ""
    return (
        f"| {row.mechanism or 'none'} | {probe}{row.target} |"
        f" {name}: {failure or 'good'} | {said}{beyond} |"
    )


def _said(said: Said) -> str:
    state, detail = said
    return f"{state} ({detail.replace('_', ' ')})" if detail else state


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # this module is also the command that writes the page
