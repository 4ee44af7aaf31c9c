"""A client of the broker without manners: any bytes on any topic, as fast as it can.

It also listens to receipts, opens them as a node would, and remembers what each node was told.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from shyraq_agent.publish.receipts import open_receipt
from shyraq_wire.receipt import Receipt
from shyraq_wire.topics import NodeId, every_node, parse_node_topic

HOST: Final = "127.0.0.1"
_PATIENCE_S: Final = 30.0


class RudeClient:
    """One connection; a context manager."""

    def __init__(self, port: int, receipt_key: bytes) -> None:
        """Prepare; `with` connects.

        Args:
            port: Of the broker on the loopback address.
            receipt_key: The collector's raw public key.
        """
        self._port = port
        self._receipt_key = receipt_key
        self.receipts: defaultdict[NodeId, list[Receipt]] = defaultdict(list)
        self._news = threading.Condition()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(2_000)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = lambda client, *_: client.subscribe(every_node("receipt"), qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear

    def __enter__(self) -> Self:
        self._client.connect(HOST, self._port)
        self._client.loop_start()
        if not self._subscribed.wait(_PATIENCE_S):
            raise TimeoutError("the broker does not answer")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Publish with QoS 1; returns when the broker has acknowledged all."""
        sent = [self._client.publish(topic, payload, qos=1) for payload in payloads]
        for info in sent:
            info.wait_for_publish(_PATIENCE_S)

    def wait_for_receipt(self, node: NodeId, epoch: str, seq: int) -> Receipt:
        """The receipt that tells a node of this frame as stored.

        Raises:
            TimeoutError: There was none within half a minute.
        """
        return self._wait(node, lambda receipt: covers(receipt, epoch, seq))

    def wait_for_refusal(self, node: NodeId, sha256: str) -> str:
        """The reason a node was told for the frame with this hash."""
        receipt = self._wait(node, lambda each: sha256 in {r.sha256 for r in each.refused})
        return next(each.reason for each in receipt.refused if each.sha256 == sha256)

    def _wait(self, node: NodeId, wanted: Callable[[Receipt], bool]) -> Receipt:
        deadline = time.monotonic() + _PATIENCE_S
        with self._news:
            while True:
                for receipt in reversed(self.receipts[node]):
                    if wanted(receipt):
                        return receipt
                if not self._news.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{node} was not told")

    def _hear(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        del client, userdata
        node, _ = parse_node_topic(message.topic)
        receipt = open_receipt(
            bytes(message.payload), node=node, collector_keys=[self._receipt_key]
        )
        with self._news:
            self.receipts[node].append(receipt)
            self._news.notify_all()


def covers(receipt: Receipt, epoch: str, seq: int) -> bool:
    """Whether a receipt says that a frame is stored."""
    return any(
        each.epoch == epoch and any(i.lo <= seq <= i.hi for i in each.intervals)
        for each in receipt.epochs
    )
