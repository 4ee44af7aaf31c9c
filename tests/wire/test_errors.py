"""The error tree: one base, whose fault, stable reasons."""

import inspect

import pytest

from shyraq_wire import errors

PEER_ERRORS = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.PeerError) and each is not errors.PeerError
]


@pytest.mark.parametrize("error", PEER_ERRORS, ids=lambda error: error.__name__)
def test_every_reason_stands_in_the_drawn_tree(error: type[errors.PeerError]) -> None:
    """The module's first lines name each error with its reason code."""
    rows = [line.split() for line in (errors.__doc__ or "").splitlines()]
    assert [error.__name__, error.reason] in [row[-2:] for row in rows]


def test_reasons_are_unique() -> None:
    """A counter by reason never mixes two kinds."""
    assert len({error.reason for error in PEER_ERRORS}) == len(PEER_ERRORS) == 7


def test_the_faults_do_not_overlap() -> None:
    """Our mistakes are no peer errors, and all are wire errors."""
    assert not issubclass(errors.LocalError, errors.PeerError)
    assert issubclass(errors.LocalError, errors.WireError)
    assert issubclass(errors.PeerError, errors.WireError)
