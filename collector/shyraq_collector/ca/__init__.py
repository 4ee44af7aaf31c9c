"""Certificates for the broker's door: an offline-able root, an intermediate, short client ones.

`certificates`  the X.509 objects: what each kind of certificate may do, and for how long
`requests`      a key and its signing request, for the collector's own sessions
`authority`     the folder they live in: keys, the list of what was issued, the revocation list

Node keys are made on the node; only a signing request (CSR) comes here, only a certificate goes
back. A client certificate's common name is the node id, which the broker takes as user name and
client id. Certificates prove who may talk to the broker; they never stand behind evidence
(`shyraq_wire.keys` do).
"""
