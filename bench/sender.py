"""A process that sends prepared messages as fast as the broker takes them.

    python -m bench.sender PORT FILE

FILE holds lines of JSON: [topic, payload in hexadecimal]. It says `ready`, waits for a line on its
standard input, sends everything with QoS 1 and says `sent`.

It speaks just enough of MQTT 3.1.1 for that, over a plain socket, every packet made beforehand:
a client library costs more for each message than the broker does, on the same two processors as
what is to be measured.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Final

_WINDOW: Final = 1_000
"""Messages on their way without an acknowledgement."""

_ACKNOWLEDGEMENT_BYTES: Final = 4
_CONNECT: Final = b"\x10\x18\x00\x04MQTT\x04\x02\x00\x00\x00\x0cbench-sender"
"""A clean session, no keep-alive."""


def main() -> None:
    """Prepare, wait, send."""
    port, path = sys.argv[1:]
    lines = Path(path).read_text().splitlines()
    messages = [(topic, bytes.fromhex(text)) for topic, text in map(json.loads, lines)]
    packets = [
        _publish(topic.encode(), payload, number % 65_535 + 1)
        for number, (topic, payload) in enumerate(messages)
    ]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as broker:
        broker.sendall(_CONNECT)
        if broker.recv(4)[3:] != b"\x00":
            sys.exit("the broker refuses the sender")
        print("ready", flush=True)
        sys.stdin.readline()
        _send(broker, packets)
    print("sent", flush=True)


def _send(broker: socket.socket, packets: list[bytes]) -> None:
    sent, heard_bytes = 0, 0
    while heard_bytes < len(packets) * _ACKNOWLEDGEMENT_BYTES:
        room = _WINDOW - (sent - heard_bytes // _ACKNOWLEDGEMENT_BYTES)
        if room > 0 and sent < len(packets):
            broker.sendall(b"".join(packets[sent : sent + min(room, 64)]))
            sent = min(len(packets), sent + min(room, 64))
        else:
            heard_bytes += len(broker.recv(64 * 1024))


def _publish(topic: bytes, payload: bytes, number: int) -> bytes:
    """A PUBLISH packet with QoS 1 (MQTT 3.1.1, section 3.3)."""
    body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + payload
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return b"\x32" + bytes(length) + body


if __name__ == "__main__":
    main()
