"""The running collector: every room joined, one flow.

`collector`  how it is started and stopped
`rooms`      what runs, from broker to receipt and incident, and who is given what
`fleet`      the registry as the running collector sees it, renewed when a command changed it
`eyes`       our own stumbles: broker, canary, queue, disk, late ticks; how far may be judged
`words`      what a stored report, or a verdict, tells the engine
`qualities`  how fast things went, as a report tells it
`engine`     the engine as the configuration wants it
`desk`       the judge, fed in order, in a thread
`asking`     controls are asked to try the addresses that the judge wants to know of
`judging`    the ticks: words and verdicts in, findings committed
`public`     committed state as the public room asks for it
`serving`    the HTTP server inside the collector
`rejudge`    stored reports judged again by today's rules
"""

from shyraq_collector.app.collector import Collector

__all__ = ["Collector"]
