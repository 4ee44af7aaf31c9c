"""An injector beside the path: hears DNS questions at a provider and answers first, forged.

Nothing is held up: the question goes on, and the true answer arrives as well, later. Questions to
addresses that run no resolver are answered too. Both families; frames are read and written on
the customer's cable as they are, so no capability beyond the sandbox's own is needed.
"""

import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import dns.exception
import dns.message

from netlab.country import Country
from support.hostile_servers import dns_answer

_ALL_PROTOCOLS: Final = 0x0003
_IPV4, _IPV6, _UDP = 0x0800, 0x86DD, 17
_READY: Final = b"listening\n"


@contextmanager
def injecting(
    country: Country, isp: str, *, name: str, addresses: tuple[str, ...]
) -> Iterator[None]:
    """Every question for a name is answered by the injector as well.

    It is a program of its own: a thread of the trial would wait for the trial's other threads, and
    an injector that comes second injects nothing.

    Args:
        country: As built.
        isp: Where it listens.
        name: The question.
        addresses: The forged answer, of both families.
    """
    command = [sys.executable, "-m", "netlab.injector", name, *addresses]
    with country.inside(isp):
        injector = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert injector.stdout is not None
    try:
        if injector.stdout.readline() != _READY:
            raise RuntimeError("the injector did not start")
        yield
    finally:
        injector.terminate()
        injector.wait()
        injector.stdout.close()


def main(name: str, *addresses: str) -> None:
    """Listen and answer until ended."""
    with suppress(OSError):  # an ordinary user's sandbox may not
        os.nice(-10)
    ears = [_ear(lan) for lan in ("lan1", "lan2")]
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    while True:
        for ear in select.select(ears, [], [])[0]:
            frame, (_, _, kind, *_) = ear.recvfrom(65_535)
            if kind != socket.PACKET_OUTGOING:
                forged = forge(frame, name, addresses)
                if forged is not None:
                    ear.send(forged)


def _ear(device: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    raw.bind((device, 0))
    return raw


def forge(frame: bytes, name: str, addresses: tuple[str, ...]) -> bytes | None:
    """The frame that answers a frame; None when it is no question for the name."""
    (protocol,) = struct.unpack_from("!H", frame, 12)
    packet = frame[14:]
    if protocol == _IPV4 and packet[9] == _UDP:
        start, source, target = (packet[0] & 15) * 4, packet[12:16], packet[16:20]
    elif protocol == _IPV6 and packet[6] == _UDP:
        start, source, target = 40, packet[8:24], packet[24:40]
    else:
        return None
    asker, port = struct.unpack_from("!HH", packet, start)
    query = packet[start + 8 :]
    if port != 53 or not _asks_for(query, name):
        return None
    answer = dns_answer(query, *addresses)
    udp = _udp(target, source, asker, answer)
    return frame[6:12] + frame[:6] + frame[12:14] + _ip(target, source, udp)


def _asks_for(query: bytes, name: str) -> bool:
    try:
        question = dns.message.from_wire(query).question
    except dns.exception.DNSException:
        return False
    return bool(question) and question[0].name.to_text(omit_final_dot=True).lower() == name


def _udp(source: bytes, target: bytes, port: int, payload: bytes) -> bytes:
    size = 8 + len(payload)
    pseudo = source + target + struct.pack("!IxxxB", size, _UDP)
    head = struct.pack("!HHHH", 53, port, size, 0)
    return head[:6] + struct.pack("!H", _checksum(pseudo + head + payload) or 0xFFFF) + payload


def _ip(source: bytes, target: bytes, udp: bytes) -> bytes:
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(udp), _UDP, 60) + source + target + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 60, _UDP, 0)
    head += source + target
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


if __name__ == "__main__":
    main(*sys.argv[1:])
