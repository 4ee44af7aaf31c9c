"""From arrivals to scores: who is silent against their own habit, and is it more than chance?

`pace`      every time threshold, as one frozen value
`habit`     how far a habit learned from a few gaps may be trusted
`line`      one line: its learned habit, its drop rate, what it is worth as evidence
`country`   the lines of one country, and what is usual among them
`roster`    all lines: arrivals in, transitions up → missing → absent out
`wheel`     which lines are to be looked at now
`lattice`   the fixed tree of groups of one country, with their counts
`edge`      test: too many lines fell at once
`level`     test: too many lines are down, whenever they fell
`hush`      test: a whole group quiet before any leash is over, where words are rare
`target`    test: one target fails for one network; rates against the same hours of the day
`reaching`   test: lines that are heard reach the country and nothing abroad
`watch`     canaries and controls as one stream
`health`    is it us? holds, how far the past may be judged
`growth`    score, scope and onset of any set of fallen lines
`scope`     the narrowest set of networks, regions and access that explains who is down
`finding`   what a test found in a group

Pure: no clock, no disk, no network. Instants come in as POSIX seconds, conclusions go out as
values. Nothing here knows what an incident is; that is `shyraq_collector.incidents`.
"""
