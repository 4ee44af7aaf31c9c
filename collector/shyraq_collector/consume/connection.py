"""One connection to the broker: the only module of this wing that knows aiomqtt.

What aiomqtt leaves open is closed here, over the parts of it and of paho that a test pins:

1. A client serves one connection. Entered again it returns before CONNACK, and paho sends what an
   earlier attempt left in its memory.
2. An end before CONNACK ends the attempt at once; aiomqtt would wait out its whole time-out.
3. A message goes to its handler as the socket is read. aiomqtt's own queue would be a second one,
   and drops what has been acknowledged when it is bounded.
4. A refused publication is told; aiomqtt's `publish` swallows the reason.
5. After a failed attempt, or a farewell that takes longer than a second, the socket is closed;
   also the one of a failed TLS handshake, which paho lets go of.
6. Sockets are watched and forgotten on the event loop alone, and at once (`socketwatch`).

The session at the broker is kept (clean start off, with an expiry); TCP_NODELAY, because Nagle and
delayed acknowledgements together cost 40 ms a receipt.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shyraq_collector.consume.socketwatch import AtOnce, connect
from shyraq_collector.consume.tls import RememberingContext, Tls
from shyraq_collector.errors import PeerError

_FAILED: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5.0, section 2.4)."""

_FAREWELL_S: Final = 1.0
_IN_FLIGHT: Final = 256
"""Above anything we have under way: paho must not hold receipts back on its own."""

_SILENT = logging.getLogger("shyraq_collector.mqtt")
_SILENT.setLevel(logging.CRITICAL)  # the door says what matters, in its own words


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker is and how to speak to it."""

    host: str
    port: int
    protocol: Literal["5", "3.1.1"] = "5"
    """3.1.1 for brokers that speak nothing newer, such as NATS."""
    client_id: str = "shyraq-collector"
    """The session at the broker is kept under this name; two collectors need two names."""
    tls: Tls | None = None
    """None: in clear, for loopback only."""
    session_expiry_s: int = 7 * 86_400
    """How long the broker keeps what arrives while we are away."""
    keepalive_s: int = 60
    """MQTT keep-alive; real time."""
    connect_timeout_ms: int = 5_000
    """For the TCP connection; real time."""
    answer_timeout_ms: int = 10_000
    """For CONNACK, SUBACK and PUBACK; real time."""
    backoff_first_ms: int = 250
    """Pause before the first attempt to reconnect, on the pace."""
    backoff_cap_ms: int = 30_000
    """Longest pause, on the pace."""


class ConnectionLost(PeerError):  # noqa: N818  # an event of the network, not a programming error
    """The connection could not be made, or has ended."""


class Connection:
    """One attempt, and the connection if it succeeds."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        context: ssl.SSLContext | None,
        on_message: Callable[[str, bytes], None],
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            settings: Where and how.
            context: TLS, if the settings ask for it (see `tls_context`).
            on_message: Called with topic and payload on the event loop, as the socket is read.
        """
        v5 = settings.protocol == "5"
        self._client = aiomqtt.Client(
            settings.host,
            settings.port,
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            clean_start=False if v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            clean_session=None if v5 else False,
            properties=_connect_properties(settings) if v5 else None,
            timeout=settings.answer_timeout_ms / 1000,
            keepalive=settings.keepalive_s,
            max_inflight_messages=_IN_FLIGHT,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
            tls_context=context,
            logger=_SILENT,
        )
        self._client._loop = AtOnce(self._client._loop)  # type: ignore[assignment]  # noqa: SLF001
        self._context = context
        self._timeout_s = settings.answer_timeout_ms / 1000
        self._paho = self._client._client  # noqa: SLF001  # see the module's docstring
        self._paho.connect_timeout = settings.connect_timeout_ms / 1000
        self._paho.on_disconnect = self._ended_by_paho
        self._paho.on_publish = self._acknowledged
        self._paho.on_message = self._read
        self._on_message = on_message
        self._bug: Exception | None = None
        self._answers: dict[int, asyncio.Future[str | None]] = {}

    async def open(self) -> None:
        """Connect and wait for CONNACK; whatever fails leaves no socket open.

        Raises:
            ConnectionLost: Unreachable, refused or silent.
        """
        entering = asyncio.ensure_future(connect(self._client))
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            # The connecting thread cannot be stopped: close what it opens when it comes back.
            entering.add_done_callback(self._discard)
            raise
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            self._shut()
            raise ConnectionLost(_words(error)) from error

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1.

        Raises:
            ConnectionLost: No answer, or the broker refuses one of them.
        """
        try:
            granted: Sequence[int | ReasonCode] = await self._client.subscribe(
                [(topic, 1) for topic in topics]
            )
        except aiomqtt.MqttError as error:
            raise ConnectionLost(f"subscribe: {_words(error)}") from error
        for topic, code in zip(topics, granted, strict=True):
            if (code.value if isinstance(code, ReasonCode) else code) >= _FAILED:
                raise ConnectionLost(f"the broker refuses the subscription to {topic}")

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1 and wait for the broker's word.

        Raises:
            PeerError: The broker refuses this message.
            ConnectionLost: The connection has ended, or the broker keeps silent.
        """
        info = self._paho.publish(topic, payload, qos=1, retain=retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise ConnectionLost("the connection has ended")
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[info.mid] = answer
        try:
            await asyncio.wait(
                (answer, self._client._disconnected),  # noqa: SLF001
                timeout=self._timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            del self._answers[info.mid]
        if not answer.done():
            raise ConnectionLost("no acknowledgement")
        if (refusal := answer.result()) is not None:
            raise PeerError(f"the broker refuses a message on {topic}: {refusal}")

    @property
    def has_ended(self) -> bool:
        """Whether nothing can be published any more."""
        return self._client._disconnected.done()  # noqa: SLF001

    async def ended(self) -> None:
        """Wait for the end of the connection.

        Raises:
            ConnectionLost: Always, once it has ended.
        """
        ended = self._client._disconnected  # noqa: SLF001
        await asyncio.wait((ended,))
        if self._bug is not None:
            raise self._bug  # our handler's, not the network's
        error = ended.exception()
        raise ConnectionLost(_words(error) if error else "closed by the broker") from error

    async def close(self) -> None:
        """Say goodbye if that takes no longer than a second, then close the socket."""
        try:
            ended = self._client._disconnected  # noqa: SLF001
            if not ended.done() and self._paho.disconnect() == paho.MQTT_ERR_SUCCESS:
                await asyncio.wait((ended,), timeout=_FAREWELL_S)
        finally:
            self._shut()

    def _discard(self, entering: "asyncio.Future[Any]") -> None:
        """The end of an attempt that nobody waits for any more."""
        if not entering.cancelled():
            entering.exception()
        self._shut()

    def _shut(self) -> None:
        """Close the socket at once, and mark every outcome as seen."""
        with contextlib.suppress(OSError):
            self._paho._sock_close()  # noqa: SLF001  # disconnect() alone waits for the peer
            if isinstance(self._context, RememberingContext) and self._context.latest is not None:
                self._context.latest.close()
        client = self._client
        if client._misc_task is not None:  # noqa: SLF001
            client._misc_task.cancel()  # noqa: SLF001
        for future in (client._connected, client._disconnected):  # noqa: SLF001
            if future.done() and not future.cancelled():
                future.exception()

    def _ended_by_paho(self, *args: Any) -> None:  # noqa: ANN401  # handed through
        """paho: the connection has ended; before CONNACK that is the end of the attempt."""
        connected = self._client._connected  # noqa: SLF001
        if not connected.done():
            connected.set_exception(aiomqtt.MqttError("closed before CONNACK"))
        self._client._on_disconnect(*args)  # noqa: SLF001

    def _read(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        """paho: a message; a topic that is no text reaches the handler as an empty one."""
        del client, userdata
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        try:
            self._on_message(topic, bytes(message.payload))
        except Exception as error:
            self._bug = error
            raise

    def _acknowledged(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        """paho: a PUBACK; its reason code is the broker's answer."""
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(str(reason_code) if reason_code.value >= _FAILED else None)


def _connect_properties(settings: BrokerSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has none
    properties.SessionExpiryInterval = settings.session_expiry_s
    return properties


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
