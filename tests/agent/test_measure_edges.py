"""The host's own edges: name lookups that never block, and the state of the link."""

import asyncio
import socket
import threading

import pytest

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.edges import ThreadedResolver, family_of, read_links

LOOKUPS_AT_ONCE = 16


@pytest.mark.usefixtures("never_blocks")
async def test_the_hosts_resolver_knows_its_own_name() -> None:
    """Without a network, localhost still resolves, each address once."""
    addresses = await ThreadedResolver().addresses("localhost")
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert len(addresses) == len(set(addresses)) > 0


@pytest.mark.usefixtures("never_blocks")
async def test_a_name_that_cannot_be_is_an_error_of_the_resolver() -> None:
    """The C library's own reason arrives as it is; the name is too long to be sent."""
    with pytest.raises(socket.gaierror):
        await ThreadedResolver().addresses(".".join(["a" * 60] * 5))


async def test_a_bug_in_a_lookup_comes_out_where_it_is_awaited() -> None:
    """It neither hangs the probe nor dies unseen in a thread."""

    def broken(_name: str) -> tuple[str, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ThreadedResolver(broken).addresses("a.example")


class StuckLibrary:
    """A C library whose lookups hang until the test lets them go."""

    def __init__(self) -> None:
        """Nothing is let go yet."""
        self.released = threading.Event()

    def __call__(self, _name: str) -> tuple[str, ...]:
        """Hang, then answer."""
        self.released.wait(10)
        return ("192.0.2.1",)


async def test_lookups_that_hang_neither_block_nor_pile_up() -> None:
    """The loop goes on, a few lookups may be out, more are failed at once, and all come back."""
    library = StuckLibrary()
    resolver = ThreadedResolver(library)
    waiting = [asyncio.create_task(resolver.addresses("a.example")) for _ in range(LOOKUPS_AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(StepFailed, match="dns_temporary_failure"):
        await resolver.addresses("b.example")
    waiting[0].cancel()
    library.released.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [("192.0.2.1",)] * (LOOKUPS_AT_ONCE - 1)
    assert await resolver.addresses("b.example") == ("192.0.2.1",)


async def test_a_lookup_may_outlive_the_program() -> None:
    """A thread that comes back to a closed loop ends quietly."""
    library = StuckLibrary()
    loop = asyncio.new_event_loop()

    def look_up_and_give_up() -> None:
        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await ThreadedResolver(library).addresses("a.example")

        loop.run_until_complete(give_up())
        loop.close()

    await asyncio.to_thread(look_up_and_give_up)
    threads = [each for each in threading.enumerate() if each.name == "getaddrinfo"]
    library.released.set()
    for thread in threads:
        await asyncio.to_thread(thread.join)


def test_the_link_is_read_without_loopback() -> None:
    """Only families stand in the answer: nothing that names an interface or an address."""
    assert read_links().families <= {"ipv4", "ipv6"}


def test_families_are_told_by_the_address() -> None:
    """Dots or colons."""
    assert [family_of("192.0.2.1"), family_of("2001:db8::1")] == ["ipv4", "ipv6"]
