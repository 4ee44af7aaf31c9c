"""The collector: consume → verify → store → receipt → judge → correlate → incidents → disclose.

`consume` takes bytes off the broker and stamps their arrival, `verify` turns bytes into a
verified report or a reason, `store` commits frame, rows and seen ranges in one transaction,
and only then is a receipt signed. `judge` turns observations into verdicts, `correlate` turns
arrivals and verdicts into scores per group, `incidents` moves each incident along its table of
states, `disclose` tells. `facts` are the values that pass between these rooms; `app` joins
them; `cli` is the only place that exits.
"""
