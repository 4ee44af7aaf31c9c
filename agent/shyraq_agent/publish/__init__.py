"""Sending what the spool holds, and believing nothing but the collector's receipts.

`publisher`    reconnecting, the order of sending, the receipt watchdog
`outbox`       what it needs of the spool, what it tells of itself
`window`       which frames are on their way, and when each goes again (pure)
`signed`       what the collector has signed (pure)
`receipts`     from a payload to a verified receipt (pure)
`asks`         from a payload to a verified ask (pure)
`connection`   one MQTT connection; the only door to aiomqtt
`linecount`    what a connection costs
`endpoint`     where a broker is and how it is spoken to
`request`      the node's TLS key, and its request for a certificate

What this room does not do: restart, purge or stop anything because nothing can be reached.
"""

from shyraq_agent.publish.endpoint import Endpoint, Tls
from shyraq_agent.publish.outbox import PublishState
from shyraq_agent.publish.publisher import Publisher

__all__ = ["Endpoint", "PublishState", "Publisher", "Tls"]
