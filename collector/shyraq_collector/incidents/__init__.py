"""From scores to incidents: one story for each cause, told once, never edited.

`lifecycle`  the states and the table of transitions
`case`       one incident in the making: who belongs to it, how deep it is, what has been said
`cause`      what is proven of the cause, and when back-fill may revise it
`tracker`    one country, judged at each tick: findings become cases, cases move on
`engine`     the whole: words in, ticks, timeline entries out, snapshots

Pure: no clock, no disk, no network. `Engine` is the only name the app and `replay` need.
"""
