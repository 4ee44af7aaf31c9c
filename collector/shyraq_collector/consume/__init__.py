"""From the broker to the ledger and back: bytes in, receipts out.

`connection` one connection to the broker; the only import of aiomqtt in this wing
`tls`        how the broker proves itself to us, and we to it
`door`       always one connection, or on its way to one
`inbox`      what was read and not yet stored: bounded, stamped, first in first out
`rates`      how much one node may send
`pipeline`   inbox → verify in threads by chunks → writer → receipts, in the order of arrival
`receipts`   signing and publishing what a commit calls for, newest word per node

No broker's word is enough anywhere here. Agents delete on receipts only, so whatever is lost
between broker and commit costs a resend; it is counted all the same.
"""
