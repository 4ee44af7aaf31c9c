"""Fixtures of the agent's tests."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture
def never_blocks() -> Iterator[None]:
    """A call from the agent that would block the event loop raises instead."""
    with blockbuster_ctx("shyraq_agent"):
        yield
