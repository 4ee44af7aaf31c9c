"""From scores to incidents: one story for each cause, told once, never edited.

`lifecycle`  the states and the table of transitions
`case`       one incident in the making: who belongs to it, how deep it is, what has been said
`story`      what is told of the lines that fell: scope, onset, which lines are claimed
`depth`      how deep an open case is, and its way back
`targets`    blocking and throttling, from verdicts and quality
`phases`     domestic-only and white-list phases of lines that are heard
`explain`    why: lines, test, score against time, as text and picture
`now`        every group as it stands
`codec`, `shape`, `snapshot`  the memory as bytes, and what makes it readable again
`interrupted`  what is said of incidents whose memory was lost
`cause`      what is proven of the cause, and when back-fill may revise it
`fault`      our own faults, told as such
`tracker`    one country, judged at each tick: findings become cases, cases move on
`engine`     the whole: words in, ticks, timeline entries out, snapshots

Pure: no clock, no disk, no network. `Engine` is the only name the app and `replay` need.
"""
