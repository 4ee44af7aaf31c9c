"""The envelope: what is sealed opens, what is altered does not, and nothing else escapes."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.envelope import (
    MAX_FRAME_SIZE_BYTES,
    from_dsse,
    open_frame,
    pae,
    seal,
    to_dsse,
    verify,
)
from shyraq_wire.errors import BadSignature, FrameTooLarge, LocalError, MalformedFrame, PeerError
from shyraq_wire.keys import key_id
from shyraq_wire.report_json import encode_report
from support.reports import example_report

TYPE = "application/vnd.shyraq.test+json;v=1"
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = key_id(PUBLIC)
FRAME = seal(encode_report(example_report()), TYPE, KEY)
OTHER_FRAME = seal(encode_report(example_report(kind="bulk", events=())), TYPE, KEY)
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the Ed25519 base point: a signature's second half must be below it (RFC 8032, 5.1.7)."""

payload_types = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255
)


@given(payload=st.binary(max_size=2_000), payload_type=payload_types)
def test_what_is_sealed_opens_to_the_same_type_and_bytes(payload: bytes, payload_type: str) -> None:
    """open_frame(seal(x)) == x for any payload and any allowed type."""
    assert open_frame(seal(payload, payload_type, KEY), PUBLIC) == (payload_type, payload)


@given(
    payload=st.binary(max_size=2_000),
    payload_type=payload_types,
    keyid=st.text("ab 0/=", max_size=70),
)
def test_the_dsse_form_gives_the_same_frame_back(
    payload: bytes, payload_type: str, keyid: str
) -> None:
    """from_dsse(to_dsse(f)) == f, whatever the key id says."""
    frame = seal(payload, payload_type, KEY)
    assert from_dsse(to_dsse(frame, keyid)) == frame
    assert from_dsse(to_dsse(frame, keyid), keyid=keyid) == frame


def test_more_than_20_000_altered_frames_are_refused_with_a_peer_error() -> None:
    """Any bit flip, cut, loss, insertion, doubling, exchange or splice is refused."""
    mutants = set(_altered_frames()) - {FRAME, OTHER_FRAME}
    assert len(mutants) > 20_000
    accepted = [mutant for mutant in mutants if _opens(mutant)]
    assert accepted == []


def _altered_frames() -> Iterator[bytes]:
    size = len(FRAME)
    for place, bit in product(range(size), range(8)):
        flipped = bytes((FRAME[place] ^ 1 << bit,))
        yield FRAME[:place] + flipped + FRAME[place + 1 :]
    for place in range(size):
        yield FRAME[:place]
        yield FRAME[place:]
        yield FRAME[:place] + FRAME[place + 1 :]
        yield FRAME[:place] + FRAME[place : place + 1] * 2 + FRAME[place + 1 :]
        for inserted in (b"\x00", b" ", b"0", b"\xff", b"\n"):
            yield FRAME[:place] + inserted + FRAME[place:]
    for left, right in product(range(0, size, 23), range(0, len(OTHER_FRAME), 19)):
        yield FRAME[:left] + OTHER_FRAME[right:]
        yield OTHER_FRAME[:right] + FRAME[left:]
    for left, right in product(range(0, size, 17), repeat=2):
        yield FRAME[:left] + FRAME[right:]


def _opens(frame: bytes) -> bool:
    """Whether a frame is accepted; an error other than PeerError fails the test."""
    try:
        open_frame(frame, PUBLIC)
    except PeerError:
        return False
    return True


def test_no_altered_export_is_a_second_form_of_the_same_evidence() -> None:
    """Of 20,000 altered DSSE texts, one is accepted only as its own exact form, never verified."""
    text = to_dsse(FRAME, KEY_ID)
    mutants = set(_altered_texts(text)) - {text}
    assert len(mutants) > 20_000
    for mutant in mutants:
        try:
            frame = from_dsse(mutant, keyid=KEY_ID)
        except PeerError:
            continue
        assert frame != FRAME
        assert to_dsse(frame, KEY_ID) == mutant
        assert not _opens(frame)


def _altered_texts(text: str) -> Iterator[str]:
    size = len(text)
    for place, bit in product(range(size), range(8)):
        flipped = chr(ord(text[place]) ^ 1 << bit)
        yield text[:place] + flipped + text[place + 1 :]
    for place in range(size):
        yield text[:place]
        yield text[:place] + text[place + 1 :]
        for inserted in (" ", "\n", "=", "A", "\\u0041", "\u00a0", ","):
            yield text[:place] + inserted + text[place:]
    for left, right in product(range(0, size, 9), repeat=2):
        yield text[:left] + text[right:]


def test_the_key_id_of_an_export_is_a_hint_and_changes_no_evidence() -> None:
    """Two exports that differ in the unsigned key id alone hold the same frame."""
    assert from_dsse(to_dsse(FRAME, "one")) == from_dsse(to_dsse(FRAME, "another")) == FRAME
    with pytest.raises(MalformedFrame, match="another key"):
        from_dsse(to_dsse(FRAME, "another"), keyid="one")


@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise_anything_but_a_peer_error(data: bytes) -> None:
    """Bytes that nobody sealed are refused, whatever they are."""
    assert not _opens(data)
    with pytest.raises(PeerError):
        to_dsse(data, "")


@given(st.binary(max_size=400))
def test_a_well_signed_message_that_is_no_pae_is_malformed(message: bytes) -> None:
    """A key holder cannot make this module raise anything else, either."""
    frame = KEY.sign(message) + message
    with pytest.raises(MalformedFrame):
        open_frame(frame, PUBLIC)


@pytest.mark.parametrize("size", range(200))
def test_short_frames_are_malformed_and_longer_ones_badly_signed(size: int) -> None:
    """A frame too short to hold a signature is malformed; a zero frame never verifies."""
    with pytest.raises(MalformedFrame if size < 64 else BadSignature):
        open_frame(bytes(size), PUBLIC)


NOT_PAE = {
    "nothing": b"",
    "another version": b"DSSEv2 4 text 2 {}",
    "lower case": b"dssev1 4 text 2 {}",
    "plus sign": b"DSSEv1 +4 text 2 {}",
    "plus sign before the body": b"DSSEv1 4 text +2 {}",
    "minus zero": b"DSSEv1 4 text -0 ",
    "leading zero": b"DSSEv1 04 text 2 {}",
    "leading zero before the body": b"DSSEv1 4 text 02 {}",
    "hexadecimal": b"DSSEv1 0x4 text 2 {}",
    "underscore": b"DSSEv1 4 text 1_0 0123456789",
    "Arabic-Indic digit": "DSSEv1 ٤ text 2 {}".encode(),
    "full-width digit": "DSSEv1 4 text ２ {}".encode(),
    "superscript digit": "DSSEv1 4 text ² {}".encode(),
    "two spaces": b"DSSEv1  4 text 2 {}",
    "two spaces before the body": b"DSSEv1 4 text 2  {}",
    "tabulator": b"DSSEv1\t4\ttext\t2\t{}",
    "line feed": b"DSSEv1 4 text 2\n{}",
    "space in front": b" DSSEv1 4 text 2 {}",
    "byte behind": b"DSSEv1 4 text 2 {}x",
    "line feed behind": b"DSSEv1 4 text 2 {}\n",
    "body too short": b"DSSEv1 4 text 2 {",
    "no body length": b"DSSEv1 4 text {}",
    "no type": b"DSSEv1 0  2 {}",
    "type length too small": b"DSSEv1 3 text 2 {}",
    "type length too large": b"DSSEv1 5 text 2 {}",
    "type length past the end": b"DSSEv1 999999 text 2 {}",
    "type length huge": b"DSSEv1 " + b"9" * 5_000 + b" text 2 {}",
    "body length huge": b"DSSEv1 4 text " + b"9" * 5_000 + b" {}",
    "type with a space": b"DSSEv1 5 te xt 2 {}",
    "type with a NUL": b"DSSEv1 5 te\x00xt 2 {}",
    "type with a line feed": b"DSSEv1 5 text\n 2 {}",
    "type beyond ASCII": b"DSSEv1 5 te\xd2\x9b 2 {}",
    "type of 256 characters": b"DSSEv1 256 " + b"x" * 256 + b" 2 {}",
}


@pytest.mark.parametrize("message", NOT_PAE.values(), ids=NOT_PAE.keys())
def test_a_signed_encoding_that_is_not_the_one_exact_form_is_malformed(message: bytes) -> None:
    """Lengths are plain decimal, spaces single, types printable, and nothing trails."""
    frame = KEY.sign(message) + message
    with pytest.raises(MalformedFrame):
        open_frame(frame, PUBLIC)
    with pytest.raises(MalformedFrame):
        to_dsse(frame, KEY_ID)


@pytest.mark.parametrize("signature_size", [0, 1, 31, 32, 63, 65, 66, 96, 128, 10_000])
def test_a_signature_of_another_size_does_not_verify(signature_size: int) -> None:
    """Cut, padded and doubled signatures are bad signatures."""
    good = KEY.sign(b"message")
    with pytest.raises(BadSignature):
        verify(PUBLIC, b"message", (good * 200)[:signature_size])


def test_a_signature_whose_second_half_is_not_reduced_does_not_verify() -> None:
    """S + L passes the bare equation; it would be a second signature for the same message."""
    good = KEY.sign(b"message")
    scalar = int.from_bytes(good[32:], "little")
    for multiple in range(1, 16):
        raised = scalar + multiple * ORDER
        with pytest.raises(BadSignature):
            verify(PUBLIC, b"message", good[:32] + raised.to_bytes(32, "little"))


def test_a_signature_of_zeros_or_ones_does_not_verify() -> None:
    """Neither trivial points nor trivial scalars pass under an honest key."""
    identity = (1).to_bytes(32, "little")
    for first, second in product((bytes(32), identity, b"\xff" * 32), repeat=2):
        with pytest.raises(BadSignature):
            verify(PUBLIC, b"message", first + second)


def test_an_empty_message_and_an_empty_payload_are_ordinary() -> None:
    """Nothing at all can be signed, sealed and exported like anything else."""
    verify(PUBLIC, b"", KEY.sign(b""))
    frame = seal(b"", TYPE, KEY)
    assert open_frame(frame, PUBLIC) == (TYPE, b"")
    assert from_dsse(to_dsse(frame, KEY_ID)) == frame


def test_another_key_does_not_open_a_frame() -> None:
    """A frame opens under the one key that sealed it."""
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(BadSignature):
        open_frame(FRAME, other)


def test_a_frame_of_exactly_the_limit_travels_and_one_byte_more_does_not() -> None:
    """The limit counts signature, lengths, type and payload."""
    overhead = len(seal(b"x" * 60_000, TYPE, KEY)) - 60_000
    largest = b"x" * (MAX_FRAME_SIZE_BYTES - overhead)
    frame = seal(largest, TYPE, KEY)
    assert len(frame) == MAX_FRAME_SIZE_BYTES
    assert open_frame(frame, PUBLIC)[1] == largest
    assert from_dsse(to_dsse(frame, "k" * 255)) == frame
    with pytest.raises(LocalError):
        seal(largest + b"x", TYPE, KEY)
    with pytest.raises(FrameTooLarge):
        open_frame(frame + b"x", PUBLIC)
    with pytest.raises(FrameTooLarge):
        to_dsse(frame + b"x", KEY_ID)


@pytest.mark.parametrize(
    "payload_type",
    [
        "",
        " ",
        "a b",
        "text/plain ",
        "text\n",
        "\x00",
        "a\x7f",
        "қаз",
        "é",
        "\ud800",
        "x" * 256,
        "x" * 70_000,
    ],
    ids=ascii,
)
def test_a_type_that_is_not_short_printable_ascii_is_our_own_mistake(payload_type: str) -> None:
    """Our side refuses it as LocalError, with a text that stays short."""
    with pytest.raises(LocalError) as caught:
        seal(b"{}", payload_type, KEY)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("keyid", ["\n", "\x00", "қ", "\ud800", "k" * 256], ids=ascii)
def test_a_key_id_that_is_not_short_printable_ascii_is_our_own_mistake(keyid: str) -> None:
    """to_dsse refuses it, so that every export can be read back."""
    with pytest.raises(LocalError):
        to_dsse(FRAME, keyid)


def test_any_buffer_is_read_and_bytes_come_back() -> None:
    """A bytearray or memoryview, even a strided one, is as good as bytes."""
    doubled = bytes(byte for byte in FRAME for _ in range(2))
    frames: list[Any] = [bytearray(FRAME), memoryview(FRAME), memoryview(doubled)[::2]]
    keys: list[Any] = [bytearray(PUBLIC), memoryview(PUBLIC)]
    for frame, key in product(frames, keys):
        payload_type, payload = open_frame(frame, key)
        assert type(payload_type) is str
        assert type(payload) is bytes
        assert to_dsse(frame, KEY_ID) == to_dsse(FRAME, KEY_ID)


def test_a_buffer_of_wider_items_is_sealed_by_its_bytes() -> None:
    """The stated length counts bytes, not items."""
    words: Any = memoryview(bytes(8)).cast("I")
    assert open_frame(seal(words, TYPE, KEY), PUBLIC) == (TYPE, bytes(8))


def test_text_where_bytes_are_due_is_a_type_error() -> None:
    """A bug of the caller shows at once and is never mistaken for bad input."""
    wrongs: list[Any] = [FRAME.decode("latin-1"), None, 64, [1, 2]]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            open_frame(wrong, PUBLIC)
        with pytest.raises(TypeError):
            open_frame(FRAME, wrong)
        with pytest.raises(TypeError):
            verify(PUBLIC, wrong, bytes(64))
        with pytest.raises(TypeError):
            seal(wrong, TYPE, KEY)
    with pytest.raises(TypeError):
        from_dsse(to_dsse(FRAME, KEY_ID).encode())  # type: ignore[arg-type]


def test_a_key_of_another_algorithm_cannot_seal() -> None:
    """Ed448 signs with one argument too; its frames would never open."""
    with pytest.raises(TypeError, match="Ed25519"):
        seal(b"{}", TYPE, ed448.Ed448PrivateKey.generate())  # type: ignore[arg-type]


def test_the_pre_authentication_encoding_is_that_of_the_dsse_specification() -> None:
    """The specification's own example: lengths count bytes."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


_SHORT = '{"payload": "", "payloadType": "t", "signatures": [{"keyid": %s, "sig": "AAAA"}]}'
_SIG = '"signatures": [{"keyid": "", "sig": "' + "A" * 86 + '=="}]'
NOT_DSSE = {
    "nothing": "",
    "no object": "[]",
    "a string": '"payload"',
    "no JSON": "{",
    "deep nesting": "[" * 100_000,
    "a huge number": "9" * 100_000,
    "no fields": "{}",
    "no signatures": '{"payload": "", "payloadType": "t", "signatures": []}',
    "signatures of text": '{"payload": "", "payloadType": "t", "signatures": "x"}',
    "signatures null": '{"payload": "", "payloadType": "t", "signatures": null}',
    "a payload of numbers": f'{{"payload": 5, "payloadType": "t", {_SIG}}}',
    "a payload list": f'{{"payload": [], "payloadType": "t", {_SIG}}}',
    "a type of numbers": f'{{"payload": "", "payloadType": 5, {_SIG}}}',
    "a type list": f'{{"payload": "", "payloadType": ["t"], {_SIG}}}',
    "an empty type": f'{{"payload": "", "payloadType": "", {_SIG}}}',
    "a type with a space": f'{{"payload": "", "payloadType": "a b", {_SIG}}}',
    "a short signature": _SHORT % '""',
    "a key id of numbers": _SHORT % "5",
    "a key id not a number": _SHORT % "NaN",
}


@pytest.mark.parametrize("text", NOT_DSSE.values(), ids=NOT_DSSE.keys())
def test_text_that_is_no_envelope_of_ours_is_malformed(text: str) -> None:
    """Missing, mistyped and foreign fields are refused as MalformedFrame."""
    with pytest.raises(MalformedFrame):
        from_dsse(text)


@given(st.text(max_size=300))
def test_arbitrary_text_is_malformed(text: str) -> None:
    """Nothing but a PeerError leaves from_dsse."""
    with pytest.raises(PeerError):
        from_dsse(text)


def test_other_spellings_of_the_same_envelope_are_malformed() -> None:
    """Order, spacing, base64 dialects, padding bits and duplicate keys all count."""
    text = to_dsse(seal(b"a", TYPE, KEY), KEY_ID)
    assert '"YQ=="' in text
    spellings = (
        text.replace('"YQ=="', '"YR=="'),
        text.replace('"YQ=="', '"YQ"'),
        text.replace('"YQ=="', '"YQ==\\n"'),
        text.replace('"YQ=="', '"YQ==", "payload": "YQ=="'),
        text.replace(", ", ","),
        text.replace("+json", "\\u002bjson"),
        text.replace('"payloadType"', '"extra": 1, "payloadType"'),
        text.replace("]}", ', {"keyid": "", "sig": "AAAA"}]}'),
        text + "\n",
        "\ufeff" + text,
        text + text,
    )
    for spelling in spellings:
        assert spelling != text
        with pytest.raises(MalformedFrame):
            from_dsse(spelling)


def test_an_export_beyond_the_limits_is_too_large() -> None:
    """Neither an endless text nor a payload past the frame limit is taken."""
    with pytest.raises(FrameTooLarge):
        from_dsse("x" * (2 * MAX_FRAME_SIZE_BYTES + 1))
    payload = "A" * (88_000)
    text = f'{{"payload": "{payload}", "payloadType": "t", {_SIG}}}'
    with pytest.raises(FrameTooLarge):
        from_dsse(text)
