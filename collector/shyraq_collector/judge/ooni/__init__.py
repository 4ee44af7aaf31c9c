"""OONI web_connectivity measurements: judged from raw observations, read and written.

`lines`         text in, one result per measurement out: the entry for `judge --format ooni`
`verdict`       one parsed measurement to a verdict; which generation of rules decides
`evidence`      the raw observations and the control as plain values
`reading`       a JSON object of any quality to evidence, or a refusal
`v04`           rules of version 0.4: one flat table
`v05_flags`     rules of versions 0.5.0 to 0.5.26: flags per layer
`v05_steps`     rules from version 0.5.27 on: a walk from the last redirect to the first
`walks`         the observations in the order in which v05_steps walks them
`outcome`       OONI's two words, as conclusions
`export`        our web measurements in OONI's format; `rows` their rows, `schema/` the strict form
"""

from shyraq_collector.judge.ooni.lines import judge_lines
from shyraq_collector.judge.ooni.verdict import judge_ooni

__all__ = ["judge_lines", "judge_ooni"]
