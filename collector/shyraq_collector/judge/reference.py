"""The rule tables as a page for people: docs/reference/rules.md is exactly this text.

`python -m shyraq_collector.judge.reference > docs/reference/rules.md` writes it anew; a test
fails while the two differ.
"""

import json
from typing import Final

from shyraq_collector.judge import pair_rules, rules
from shyraq_collector.judge.case import Conclusion
from shyraq_collector.judge.engine import F, Rule
from shyraq_collector.judge.ooni import v04, v05_flags, v05_steps
from shyraq_collector.judge.ooni.outcome import Outcome

_HEAD: Final = """\
# Rules of the judge

Written by `python -m shyraq_collector.judge.reference`; do not edit. Every verdict carries the id
of the rule that gave it. A table is asked from top to bottom and the first rule that matches
speaks. An id is never given a new meaning.
"""

_OURS: Final = """\
## Our own measurements

Asked about each observation of a measurement: the last redirect first, and in it HTTP, TLS, TCP,
DNS, successes before failures. "Control" means the nodes abroad or, for a domestic target, the
other networks at home. Confidence is for controls in two networks or more at the same address;
with one network it is 0.85 of that, and so again where they could only try other addresses.

| id | verdict | confidence | because |
|---|---|---|---|
"""

_PAIRS: Final = """\
## Names and pages beside a neutral twin

Asked about each kind of pair in a measurement of `name_pair` or `rate`: a transfer from our own
server under the target's name beside a neutral one, the first answer at the target's address under
both names, the target's page beside our own server's bytes. The first rule that matches any of them
speaks. With controls of one network confidence is 0.85 of what stands here.

| id | verdict | confidence | because |
|---|---|---|---|
"""

_OONI_HEAD: Final = """\
## OONI's measurements

A file is judged by the rules that its version of OONI's probe followed (ts-017, web connectivity).
Where a probe's own conclusion goes beyond what it saw, we do not follow it:

- before 0.5, an address that the control could not connect to either is down, not `tcp_ip`;
- a control that got no page, or says nothing of the page or of the lookup, accuses nobody by it;
- up to 0.5.26, two pages with the same few ordinary headers are the same only if the lengths of
  their bodies do not contradict;
- from 0.5.0 to 0.5.26, an address that the control was given too is no lie, however odd it is;
- from 0.5.27 on, a failed lookup without a control is unknown, not accessible, and what failed in a
  redirect is down where the control did not get to the end of the chain either.
"""

_OONI: Final = """\
| id | blocking | accessible | because |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    ours = [_our_row(rule) for rule in (*rules.RULES, rules.NOTHING)]
    steps = [_ooni_row(rule) for rule in v05_steps.RULES]
    steps += [_ooni_row(v05_steps.NOTHING), _ooni_row(v05_steps.WRONG_ADDRESS)]
    tables = {
        "OONI web_connectivity before 0.5": [_ooni_row(rule) for rule in v04.RULES],
        "OONI web_connectivity 0.5.0 to 0.5.26": [_ooni_row(rule) for rule in v05_flags.RULES],
        "OONI web_connectivity from 0.5.27 on": steps,
    }
    pairs = [_our_row(rule) for rule in (*pair_rules.RULES, pair_rules.NOTHING)]
    parts = [_HEAD, _OURS + "\n".join(ours) + "\n", _PAIRS + "\n".join(pairs) + "\n", _OONI_HEAD]
    parts += [f"## {title}\n\n{_OONI}" + "\n".join(rows) + "\n" for title, rows in tables.items()]
    return "\n".join(parts)


def _our_row(rule: Rule[F, Conclusion]) -> str:
    said = rule.concludes
    detail = said.layer or (said.doubt or "").replace("_", " ")
    verdict = f"{said.state} ({detail})" if detail else said.state
    return f"| `{rule.id}` | {verdict} | {rule.confidence:g} | {rule.reason} |"


def _ooni_row(rule: Rule[F, Outcome]) -> str:
    blocking, accessible = map(json.dumps, (rule.concludes.blocking, rule.concludes.accessible))
    return f"| `{rule.id}` | {blocking} | {accessible} | {rule.reason} |"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # this module is also the command that writes the page
