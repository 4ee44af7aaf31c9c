"""The meter: what real sockets on loopback cost, by the kernel's own count."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from shyraq_agent.measure.connect import connect
from shyraq_agent.meter import Meter, Tally
from support.broker import free_port
from support.clock import until
from support.hostile_servers import LOOPBACK, reset, stay_silent, tcp_server

SYN, HEADERS, BARE = 60, 52, 40
"""Bytes of an IPv4 SYN of Linux, of a segment with time stamps, and of one without."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket that accepts nothing by itself."""
    with socket.create_server((LOOPBACK, 0)) as made:
        yield made


async def test_a_refused_connection_costs_a_syn_and_a_reset() -> None:
    """Two packets, counted although there never was a connection."""
    tally = Tally()
    with pytest.raises(ConnectionRefusedError):
        await connect(LOOPBACK, free_port(), tally)
    assert tally.used_bytes == SYN + BARE


async def test_a_connection_costs_its_bytes_and_each_segments_headers() -> None:
    """Seven segments: three to open, one with data and its ACK, and what closing takes."""
    tally = Tally()
    async with tcp_server(stay_silent) as port:
        stream = await connect(LOOPBACK, port, tally)
        await stream.write(bytes(500))
        opened = 2 * SYN + HEADERS
        await until(lambda: tally.used_bytes == opened + 500 + 2 * HEADERS)  # with the peer's ACK
        stream.close()
    assert tally.used_bytes == opened + 500 + 5 * HEADERS
    stream.close()
    assert tally.used_bytes == opened + 500 + 5 * HEADERS


async def test_what_is_received_counts_too() -> None:
    """A page of 100 kB costs at least its bytes, at most a tenth more."""

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(100_000))
        await writer.drain()
        await stay_silent(_reader, writer)

    tally, got = Tally(), 0
    async with tcp_server(send) as port:
        stream = await connect(LOOPBACK, port, tally)
        while got < 100_000:
            got += len(await stream.read())
        stream.close()
    assert 100_000 < tally.used_bytes < 110_000


async def test_a_broken_connection_keeps_its_count() -> None:
    """A reset takes nothing back."""
    tally = Tally()
    async with tcp_server(reset) as port:
        stream = await connect(LOOPBACK, port, tally)
        await stream.write(bytes(1_000))
        with pytest.raises(ConnectionResetError):
            await stream.read()
        before = tally.used_bytes
        stream.close()
    assert 1_000 + 2 * SYN + HEADERS < before == tally.used_bytes < 1_500


def test_a_socket_that_was_closed_elsewhere_keeps_its_count(listener: socket.socket) -> None:
    """Who closed it first does not matter; a socket that nobody watches counts nothing."""
    tally = Tally()
    sock = socket.create_connection(listener.getsockname())
    tally.watch(sock)
    sock.close()
    assert tally.used_bytes == 2 * SYN + HEADERS
    tally.settle(sock)
    assert tally.used_bytes == 2 * SYN + 4 * HEADERS
    tally.settle(sock)
    assert tally.used_bytes == 2 * SYN + 4 * HEADERS


def test_datagrams_cost_their_headers() -> None:
    """20 or 40 bytes of IP and 8 of UDP."""
    tally = Tally()
    tally.datagram(100, "192.0.2.1")
    tally.datagram(100, "2001:db8::1")
    assert tally.used_bytes == 128 + 148


def test_a_lookup_by_the_system_is_an_estimate_of_both_families() -> None:
    """A name of 20 letters: two questions, two answers."""
    tally = Tally()
    tally.lookup("a" * 20)
    assert 300 <= tally.used_bytes <= 500


def test_a_meter_goes_on_from_its_counts() -> None:
    """By kind; one kind is one tally wherever it is asked for."""
    meter = Meter({"web": 7})
    meter.tally("web").add(3)
    meter.tally("dns").add(5)
    assert meter.counts() == {"web": 10, "dns": 5}
