"""What can be wrong with bytes from the other side.

WireError                     never raised itself
├── LocalError                we tried to send what may not travel
└── PeerError                 what arrived may not be used; `reason` is a stable code
    ├── BadSignature          bad-signature
    ├── WeakKey               weak-key
    ├── MalformedFrame        malformed-frame
    ├── FrameTooLarge         too-large
    ├── MalformedPayload      malformed-payload
    ├── UnsupportedVersion    unsupported-version
    └── MalformedTopic        malformed-topic
"""

from typing import ClassVar


class WireError(Exception):
    """Base of every error of this package; never raised itself."""


class LocalError(WireError):
    """This side tried to build something that may not travel: a bug or a setting of ours."""


class PeerError(WireError):
    """Something received may not be used; never raised itself."""

    reason: ClassVar[str] = "peer-error"
    """Stable code for counters, quarantine and receipts; lower case, hyphens."""


class BadSignature(PeerError):  # noqa: N818  # the public names are the wire format's own words
    """The signature does not verify under the key that was given."""

    reason = "bad-signature"


class WeakKey(PeerError):  # noqa: N818
    """The public key is not a point an honest key generator can produce."""

    reason = "weak-key"


class MalformedFrame(PeerError):  # noqa: N818
    """The bytes are not a frame: too short, or the encoding is not the one exact form."""

    reason = "malformed-frame"


class FrameTooLarge(PeerError):  # noqa: N818
    """The bytes, as they are or inflated, pass the frame limit."""

    reason = "too-large"


class MalformedPayload(PeerError):  # noqa: N818
    """The signed text is not the JSON that its type promises."""

    reason = "malformed-payload"


class UnsupportedVersion(PeerError):  # noqa: N818
    """The payload type is not one this version of the program knows."""

    reason = "unsupported-version"


class MalformedTopic(PeerError):  # noqa: N818
    """The MQTT topic is not one of ours."""

    reason = "malformed-topic"
