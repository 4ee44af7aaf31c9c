"""Observations in, verdicts out: tables of rules with stable ids, pure and recomputable.

`judge`      our own measurements, fed one by one in order of arrival
`rules`      its table, on `conditions` that rules share; `reference` prints all tables for
             docs/reference/rules.md
`case`       what a rule may ask about one observation
`memories`   what the judge remembers, and how it answers
`controls`   what the controls saw of each target
`wanted`     addresses that they should try; `asking` plans who is asked, and when
`genuine`    addresses at which a target was surely met
`line`       whether a node's own line can be trusted
`slowness`   handshake times beside neutral ones; `pairs` compares them exactly
`twins`      judges a name beside a neutral one, a page beside our own server: `transfers` are what
             was measured, `comparing` remembers it, `pair_rules` is the table
`sightings`  a measurement as observations, in the order of the walk
`policy`     targets, cadences and strictness
`engine`     what a rule is; the first that matches speaks
`pages`, `addresses`, `fields`
             whether two pages are one, whose an address is, single JSON values
`ooni`       OONI web_connectivity measurements: judge and export
"""
