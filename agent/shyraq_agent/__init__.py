"""The agent: schedule → measure → sign → spool → publish, in that order.

`schedule` says what is due, `measure` does it in steps that each fail once, `sign` builds the
report, chains and seals it, `spool` commits it to disk, `publish` sends it and waits for the
collector's receipt, and only then does `spool` forget. `app` joins these rooms; `cli` is the
only place that exits.
"""
