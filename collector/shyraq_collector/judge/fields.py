"""Single values out of JSON of any quality: what is not of the due kind is absent.

Measurements come from a decade of probes and from strangers. None of these functions raises,
whatever JSON it is given, and none converts between kinds beyond what its docstring says.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Final, cast

BROKEN_FAILURE: Final = "unknown_failure: not a text"


def as_object(value: object) -> Mapping[str, object]:
    """A JSON object; empty for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """The objects of a JSON array, in order; other members are skipped."""
    if isinstance(value, list | tuple):
        for member in value:
            if isinstance(member, Mapping):
                yield cast("Mapping[str, object]", member)


def texts(value: object) -> Iterator[str]:
    """The texts of a JSON array, in order; other members are skipped."""
    if isinstance(value, list | tuple):
        yield from (member for member in value if isinstance(member, str))


def as_text(value: object) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def as_number(value: object) -> int | None:
    """A whole number, also when written as 80.0; None for anything else, and for true."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def as_failure(value: object) -> str | None:
    """A failure word; None for success, which old probes wrote as false or as an empty text."""
    if value is None or value is False or value == "":
        return None
    return value if isinstance(value, str) else BROKEN_FAILURE


def as_body(value: object) -> bytes | None:
    """A page's body, a text or `{"format": "base64", "data": …}` (df-001); None: unreadable."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    data = as_object(value).get("data")
    if not isinstance(data, str):
        return None
    try:
        return base64.b64decode(data.encode("utf-8", "replace"), validate=False)
    except (binascii.Error, ValueError):
        return None


def tag_value(tags: object, name: str) -> str | None:
    """The text after `name=` in a list of tags, the last if there are several; None: no such."""
    found = [tag for tag in texts(tags) if tag.startswith(name + "=")]
    return found[-1].partition("=")[2] if found else None
