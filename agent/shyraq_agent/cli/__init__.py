"""The command `shyraq-agent`.

    run            measure, sign, keep and send until told to stop
    once           measure real targets now and show what was seen; needs no broker, no key
    pause, resume  the host leaves the agent, or lets it go on
    status         how the agent on this host stands
    check-config   every mistake in a configuration, and what it will cost a month
    keygen         make this node's evidence key, or its TLS key and a request for a certificate

Exit codes: 0 all is well; 1 something is wrong and the text says what; 2 usage or configuration.
Answers go to standard output, complaints and progress to standard error.
"""

from shyraq_agent.cli.commands import main

__all__ = ["main"]
