"""One connection to a broker: the only module of the agent that knows aiomqtt.

aiomqtt (today's name of asyncio-mqtt) wraps paho-mqtt. What it leaves open is closed here:

- A client object is used for one connection only: entered again it returns before CONNACK, and
  paho sends what an earlier attempt left in its memory.
- A reset or FIN before CONNACK is ignored by aiomqtt, which waits out its whole time-out; here
  it ends the attempt at once (`_ended`).
- A negative PUBACK is swallowed by `publish`; here its reason code is reported
  (`_acknowledged`). `send` does not wait for a PUBACK at all: it is no evidence of storage.
- After a failed attempt aiomqtt leaves the socket open; here it is closed, so that a late
  CONNACK cannot take the session over.
- paho connects in the event loop's default executor for up to its own 5 s: the time-out is
  explicit, and whoever owns the loop sizes the executor (one thread an agent). Beyond that,
  sockets are watched and forgotten on the event loop alone, and at once (`socketwatch`).

MQTT keep-alive is 60 s of real time, the session outlives the connection for an hour, small
packets are not held back (TCP_NODELAY). The last will is a hint for people, never evidence.
All that a connection costs is told to a tally, from the lookup of the broker's name on; only of a
connection that nobody answered is it an estimate.

The private names of aiomqtt and paho used here are pinned by tests/agent/test_publish.py.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
from cryptography import x509
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shyraq_agent.errors import LocalError, PeerError
from shyraq_agent.meter import Tally
from shyraq_agent.publish.endpoint import Endpoint, OneUseContext, tls_context
from shyraq_agent.publish.linecount import LineCount
from shyraq_agent.publish.socketwatch import AtOnce, connect

KEEP_ALIVE_S: Final = 60
SESSION_EXPIRY_S: Final = 3600
"""How long the broker keeps subscriptions and queued receipts of a lost connection."""

_FAILURE: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5.0, section 2.4)."""
_FAREWELL_S: Final = 1.0
_MAX_INCOMING: Final = 256
"""Receipts waiting to be read; they are cumulative, so a lost one is made good by the next."""
_MAX_INFLIGHT: Final = 256
"""Above anything the window sends: paho must not hold frames back on its own."""
_LOGGER = logging.getLogger("shyraq_agent.mqtt")
_LOGGER.setLevel(logging.CRITICAL)  # this module reports what matters, in its own words


class ConnectionLost(PeerError):  # noqa: N818  # an event of the network, not a programming error
    """The connection could not be made, or has ended."""


class Connection:
    """One attempt, and the connection if it succeeds; `open_connection` makes it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client_id: str,
        will: aiomqtt.Will,
        on_refusal: Callable[[str], None],
        context: OneUseContext | None,
        tally: Tally,
    ) -> None:
        """Prepare; nothing is sent. Parameters as for `open_connection`."""
        version_5 = endpoint.protocol == "5"
        self._client = aiomqtt.Client(
            endpoint.host,
            endpoint.port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if version_5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if version_5 else False,
            clean_start=False if version_5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=_connect_properties() if version_5 else None,
            will=will,
            transport="websockets" if endpoint.transport == "websocket" else "tcp",
            timeout=endpoint.answer_timeout_ms / 1000,
            keepalive=KEEP_ALIVE_S,
            tls_context=context,
            max_queued_incoming_messages=_MAX_INCOMING,
            max_inflight_messages=_MAX_INFLIGHT,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
            logger=_LOGGER,
        )
        self._client._loop = AtOnce(self._client._loop)  # type: ignore[assignment]  # noqa: SLF001
        self._paho = self._client._client  # noqa: SLF001  # see the module's docstring
        self._paho.connect_timeout = endpoint.connect_timeout_ms / 1000
        self._count = LineCount(tally, self._client)
        self._paho.on_disconnect = self._ended
        self._paho.on_publish = self._acknowledged
        self._report_refusal = on_refusal
        self._context = context
        self._host = endpoint.host

    async def enter(self) -> None:
        """Connect and wait for the broker's CONNACK; whatever fails leaves no socket open.

        Raises:
            ConnectionLost: Unreachable, refused or silent.
        """
        self._count.begin(self._host)
        entering = asyncio.ensure_future(connect(self._client))
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            # the connecting thread cannot be stopped: close what it opens when it comes back
            entering.add_done_callback(self._discard)
            raise
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            self._shut()
            self._count.give_up(None if self._context is None else self._context.opened)
            raise ConnectionLost(_words(error)) from error

    def check_certificate(self, floor_ms: int) -> None:
        """Return only if the broker's certificate had not expired at a moment long past.

        Raises:
            ConnectionLost: It had, or the broker shows none.
        """
        raw = self._paho.socket()
        shown = raw.getpeercert(binary_form=True) if isinstance(raw, ssl.SSLSocket) else None
        if shown is None:
            raise ConnectionLost("the broker shows no certificate")
        floor = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=floor_ms)
        if x509.load_der_x509_certificate(shown).not_valid_after_utc < floor:
            raise ConnectionLost("the broker's certificate has expired")

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for these topics; retained messages come only now.

        Raises:
            ConnectionLost: No answer, or the broker refuses one of them.
        """
        try:
            codes = await self._client.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise ConnectionLost(f"subscribe: {_words(error)}") from error
        _end_if_cancelled()
        values = [code if isinstance(code, int) else code.value for code in codes]
        for topic, value in zip(topics, values, strict=False):
            if value >= _FAILURE:
                raise ConnectionLost(f"the broker refuses the subscription to {topic}")

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message over with QoS 1 and do not wait.

        Raises:
            ConnectionLost: The connection has ended.
        """
        info = self._paho.publish(topic, payload, qos=1, retain=retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise ConnectionLost("the connection has ended")

    async def messages(self) -> AsyncIterator[tuple[str, bytes]]:
        """What arrives: (topic, payload), until the connection ends.

        Raises:
            ConnectionLost: It has ended.
        """
        try:
            async for message in self._client.messages:
                yield str(message.topic), message.payload
        except aiomqtt.MqttError as error:
            raise ConnectionLost(_words(error.__cause__ or error)) from error

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
        client = self._client
        if client._misc_task is not None:  # noqa: SLF001
            client._misc_task.cancel()  # noqa: SLF001
        for future in (client._connected, client._disconnected):  # noqa: SLF001
            if future.done() and not future.cancelled():
                future.exception()

    def _ended(self, *args: Any) -> None:  # noqa: ANN401
        """paho: the connection has ended; before CONNACK that is the end of the attempt."""
        connected = self._client._connected  # noqa: SLF001
        if not connected.done():
            connected.set_exception(aiomqtt.MqttError("closed before CONNACK"))
        self._client._on_disconnect(*args)  # noqa: SLF001

    def _acknowledged(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        mid: int,  # noqa: ARG002
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        """paho: a PUBACK; its reason code is the broker's answer."""
        if reason_code.value >= _FAILURE:
            self._report_refusal(str(reason_code))


async def open_connection(
    endpoint: Endpoint,
    *,
    client_id: str,
    will_topic: str,
    will_payload: bytes,
    on_refusal: Callable[[str], None],
    floor_ms: int,
    tally: Tally,
) -> Connection:
    """Connect, and return once the broker has accepted.

    Args:
        endpoint: Where and how.
        client_id: The node's id; a second client with it takes the session over.
        will_topic: Retained topic that the broker sets when the connection is lost.
        will_payload: What it sets.
        on_refusal: Called with the broker's words when it refuses a message (MQTT 5 only).
        floor_ms: A wall-clock moment known to have passed; the broker's certificate must not
            have expired before it.
        tally: Where its bytes count, those of a failure too.

    Raises:
        ConnectionLost: Unreachable, refused, silent, or its certificate does not hold.
        LocalError: The TLS files cannot be used.
    """
    connection = Connection(
        endpoint,
        client_id=client_id,
        will=aiomqtt.Will(will_topic, will_payload, qos=1, retain=True),
        on_refusal=on_refusal,
        context=await _context(endpoint),
        tally=tally,
    )
    await connection.enter()
    if endpoint.tls is not None:
        try:
            connection.check_certificate(floor_ms)
        except ConnectionLost:
            await connection.close()
            raise
    return connection


async def _context(endpoint: Endpoint) -> OneUseContext | None:
    if endpoint.tls is None:
        return None
    try:
        return await asyncio.to_thread(tls_context, endpoint.tls)
    except OSError as error:
        raise LocalError(f"broker {endpoint.name}: TLS files: {_words(error)}") from error


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has none
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    return properties


def _end_if_cancelled() -> None:
    """Before Python 3.12, wait_for forgets a cancellation that comes together with the answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
