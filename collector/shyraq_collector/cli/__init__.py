"""The command `shyraq-collector`.

    run            verify, store, receipt, judge and tell until told to stop
    status         how the collector and the fleet stand
    nodes          who may report: add, list, show, move, add-key, revoke
    incidents      what was told: list, show
    query          what was stored: measurements, verdicts
    replay         judge a recorded fleet by the same engine
    judge          judge stored reports again, or OONI measurements from files
    keygen         make the key that signs receipts
    ca             certificates for the broker: init, issue, renew, revoke, list
    broker-config  the broker's configuration and access list, from the registry
    check-config   every mistake in a configuration

Exit codes: 0 all is well; 1 something is wrong and the text says what; 2 usage or configuration.
Answers go to standard output, complaints and progress to standard error. Commands that only read
work beside a running collector, and after it has stopped.
"""

from shyraq_collector.cli.main import main

__all__ = ["main"]
