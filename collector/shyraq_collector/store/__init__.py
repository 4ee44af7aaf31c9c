"""The ledger: one SQLite file, one writer thread, any number of readers.

`tables`     the tables, as migrations
`schema`     opening for writing and for reading, migrating, transactions
`segments`   runs of linked frames within an epoch, and what a receipt may say of them (pure)
`touched`    what one batch has touched, and the row numbers that are remembered
`pending`    rows that wait for the end of their batch: many to a statement
`refused`    rejections: counted, quarantined in samples, told where they are final
`told`       what each node of a batch is to be told in its receipt
`ingest`     one transaction's work: frame, rows, segments, forks, counts
`writer`     the one thread that writes; group commit; results after the commit
`findings`   verdicts, incidents, timeline, engine snapshot and view, committed together
`history`    stored frames as the verified reports they were, to judge them again
`judged`     which measurements have a verdict already
`outside`    what others say of an incident
`queries`    read-only questions

Everything durable in the collector is here, and nothing is told to a node before it is.
"""
