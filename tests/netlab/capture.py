"""Count what leaves a namespace: started as a program, it prints the tally when its input ends.

It begins with a canary, a datagram to an address that no one may reach, and is ready once it has
seen that leave: a capture that hears nothing cannot pass for an agent that sends nothing.

Every interface is heard, loopback included. Only packets that a program asked for count: TCP, UDP
and ICMP echo requests; the kernel's own neighbour discovery does not. One JSON object comes out:
destination address to number of packets.
"""

import json
import select
import socket
import sys
from collections import Counter
from ipaddress import ip_address

_ALL_PROTOCOLS = 0x0003
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_ECHO_REQUEST = {_ICMP: 8, _ICMPV6: 128}


def destination(protocol: int, packet: bytes) -> str | None:
    """Where a packet goes; None when no program asked for it."""
    if protocol == _IPV4:
        payload, kind, address = packet[(packet[0] & 15) * 4 :], packet[9], packet[16:20]
    elif protocol == _IPV6:
        payload, kind, address = packet[40:], packet[6], packet[24:40]
    else:
        return None
    if kind in (_TCP, _UDP) or (payload and payload[0] == _ECHO_REQUEST.get(kind)):
        return str(ip_address(address))
    return None


def count(canary: str) -> Counter[str]:
    """Tally outgoing packets until standard input ends.

    Args:
        canary: Address for the datagram that must be seen.
    """
    tally: Counter[str] = Counter()
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS)) as raw,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bird,
    ):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        bird.sendto(b"canary", (canary, 9))
        while True:
            readable, _, _ = select.select([raw, sys.stdin], [], [])
            if raw in readable:
                packet, (_, protocol, kind, *_) = raw.recvfrom(65_535)
                goes_to = destination(protocol, packet)
                if kind == socket.PACKET_OUTGOING and goes_to is not None:
                    tally[goes_to] += 1
                    if goes_to == canary:
                        print("ready", flush=True)  # noqa: T201  # the lab waits for this line
            elif sys.stdin in readable:
                return tally


if __name__ == "__main__":
    print(json.dumps(count(sys.argv[1])))  # noqa: T201  # the result
