"""One parsed web_connectivity measurement to a verdict in OONI's two words.

The probe's own versions disagree with each other, so the version that measured decides which
rules are asked:

| generation | test_version | rules |
|---|---|---|
| v04 | before 0.5 | `v04`: one flat table |
| v05_flags | 0.5.0 to 0.5.26 | `v05_flags`: flags per layer |
| v05_steps | 0.5.27 and later, or any file with fetch_body tags | `v05_steps`: a walk |

Whatever the file itself concludes is ignored.
"""

from collections.abc import Mapping
from typing import assert_never

from shyraq_collector.facts.verdicts import OoniRefusal, OoniVerdict
from shyraq_collector.judge.engine import F, Rule
from shyraq_collector.judge.ooni.evidence import Evidence
from shyraq_collector.judge.ooni.outcome import Outcome
from shyraq_collector.judge.ooni.reading import read_evidence
from shyraq_collector.judge.ooni.v04 import judge_flat
from shyraq_collector.judge.ooni.v05_flags import judge_flags
from shyraq_collector.judge.ooni.v05_steps import judge_walk


def judge_ooni(measurement: Mapping[str, object]) -> OoniVerdict | OoniRefusal:
    """The verdict on one measurement, or why it cannot be judged.

    Args:
        measurement: A JSON object as OONI publishes it, of any quality.
    """
    evidence = read_evidence(measurement)
    if isinstance(evidence, OoniRefusal):
        return evidence
    rule, reason, outcome = _ask(evidence)
    return OoniVerdict(
        input=evidence.input,
        blocking=outcome.blocking,
        accessible=outcome.accessible,
        rule=rule,
        reason=reason,
    )


def _ask(evidence: Evidence) -> tuple[str, str, Outcome]:
    match evidence.generation:
        case "v04":
            return _spoken(judge_flat(evidence))
        case "v05_flags":
            return _spoken(judge_flags(evidence))
        case "v05_steps":
            return judge_walk(evidence)
        case _:
            assert_never(evidence.generation)


def _spoken(rule: Rule[F, Outcome]) -> tuple[str, str, Outcome]:
    return rule.id, rule.reason, rule.concludes
