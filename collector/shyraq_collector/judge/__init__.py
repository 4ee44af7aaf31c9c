"""Observations in, verdicts out: tables of rules with stable ids, pure and recomputable.

`engine`     what a rule is; the first that matches speaks
`ooni`       OONI web_connectivity measurements: judge, import, export
"""
