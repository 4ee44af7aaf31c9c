"""The responder: a server of ours abroad that nodes measure against. It keeps nothing.

`plan`       what is served where, and the limits
`allowance`  bytes a source may cost in a minute, without knowing who it is
`networks`   which network an address lies in, by the operator's own table
`downloads`  the arms: the same bytes over TLS under any name
`echoes`     our nonce there and back, over UDP and TCP
`service`    opens it all and runs until it is cancelled

No address of a visitor is kept, logged or sent anywhere else than back to the visitor.
"""
