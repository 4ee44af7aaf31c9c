"""A process that sends prepared messages as fast as the broker takes them.

    python -m bench.sender PORT FILE

FILE holds lines of JSON: [topic, payload in hexadecimal]. It says `ready`, waits for a line on its
standard input, sends everything with QoS 1 and says `sent`.
"""

import json
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Prepare, wait, send."""
    port, path = sys.argv[1:]
    lines = Path(path).read_text().splitlines()
    messages = [(topic, bytes.fromhex(text)) for topic, text in map(json.loads, lines)]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(5_000)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    print("ready", flush=True)
    sys.stdin.readline()
    sent = [client.publish(topic, payload, qos=1) for topic, payload in messages]
    for info in sent:
        info.wait_for_publish(60)
    print("sent", flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
