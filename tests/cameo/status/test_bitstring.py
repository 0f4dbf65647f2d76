"""The bits of a status list: what hostile text cannot do, what the standard's own example says, and how small it is."""

from __future__ import annotations

import base64
import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameo.errors import StatusListInvalid
from cameo.status import LEAST_ENTRIES, MOST_ENTRIES, Bitstring

# The encodedList of the examples in Bitstring Status List v1.0 (W3C).
PUBLISHED = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
# Of an implementation of that standard (Java, its test data), whose bit 94567, the index in the standard's example of a
# credential, is set; there in plain Base64.
PUBLISHED_94567 = "H4sIAAAAAAAAA+3OMQ0AAAgDsOHfNBp2kZBWQRMAAAAAAAAAAAAAAL6Z6wAAAAAAtQVQdb5gAEAAAA=="


def packed(content: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(gzip.compress(content, mtime=0)).rstrip(b"=").decode()


def unpacked(encoded: str) -> int:
    """The judge: a list as one large number, its leftmost bit the highest."""
    body = encoded[1:]
    return int.from_bytes(gzip.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))), "big")


def refused(encoded: str, match: str) -> None:
    with pytest.raises(StatusListInvalid, match=match) as caught:
        Bitstring.decode(encoded)
    assert (caught.value.exit_status, caught.value.code) == (3, "status_list_invalid")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "encoded",
    ["", "u", PUBLISHED[1:], "z" + PUBLISHED[1:], PUBLISHED + "=", PUBLISHED.replace("-", "+"), PUBLISHED + "\n"],
)
def test_another_base(encoded: str) -> None:
    refused(encoded, "Multibase")


@pytest.mark.parametrize("encoded", ["uA", "uAAAA", "u" + "A" * 5, packed(bytes(16384)).replace("uH4s", "uH4t")])
def test_no_gzip(encoded: str) -> None:
    refused(encoded, "no GZIP")


def test_zlib_is_no_gzip() -> None:
    refused("u" + base64.urlsafe_b64encode(zlib.compress(bytes(16384))).rstrip(b"=").decode(), "no GZIP")


def test_cut_short_anywhere() -> None:
    whole = Bitstring.of(LEAST_ENTRIES, random.Random(0).sample(range(LEAST_ENTRIES), 40)).encode()
    for length in range(1, len(whole)):
        with pytest.raises(StatusListInvalid):
            Bitstring.decode(whole[:length])


def test_something_behind_its_end() -> None:
    for extra in (b"\0", gzip.compress(bytes(16384))):
        content = gzip.compress(bytes(16384)) + extra
        refused("u" + base64.urlsafe_b64encode(content).rstrip(b"=").decode(), "follows its end")


def test_too_few_entries() -> None:
    refused(packed(bytes(LEAST_ENTRIES // 8 - 1)), "has 131064 entries, expected at least 131072")
    assert len(Bitstring.decode(packed(bytes(LEAST_ENTRIES // 8)))) == LEAST_ENTRIES


def test_a_bomb_is_not_unpacked() -> None:
    """128 MiB of zeros in 170 kB of text: refused after two of them."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packing.compress(bytes(2**20)) for _ in range(128)) + packing.flush()
    text = "u" + base64.urlsafe_b64encode(bomb).rstrip(b"=").decode()
    tracemalloc.start()
    try:
        refused(text, "more than 16777216 entries")
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert len(Bitstring.decode(packed(bytes(MOST_ENTRIES // 8)))) == MOST_ENTRIES


@pytest.mark.parametrize("size", [0, 8, LEAST_ENTRIES - 8, LEAST_ENTRIES + 1, MOST_ENTRIES + 8])
def test_lengths_that_no_list_has(size: int) -> None:
    with pytest.raises(ValueError):
        Bitstring.of(size, [])


@pytest.mark.parametrize("index", [-1, LEAST_ENTRIES, 2**70])
def test_indexes_that_are_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        Bitstring.of(LEAST_ENTRIES, [index])
    with pytest.raises(IndexError):
        Bitstring.of(LEAST_ENTRIES, [])[index]


def test_the_standards_own_example() -> None:
    bits = Bitstring.decode(PUBLISHED)
    assert len(bits) == 131_072 and bits.ones == 0 and unpacked(PUBLISHED) == 0


def test_the_bit_another_implementation_set() -> None:
    encoded = "u" + PUBLISHED_94567.translate(str.maketrans("+/", "-_", "="))
    bits = Bitstring.decode(encoded)
    assert len(bits) == 131_072 and bits.ones == 1 and bits[94567]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 2 * LEAST_ENTRIES - 1), max_size=300), st.integers(0, LEAST_ENTRIES // 8))
def test_what_is_set_is_read(ones: set[int], more: int) -> None:
    size = LEAST_ENTRIES + 8 * more
    within = {index for index in ones if index < size}
    bits = Bitstring.of(size, within)
    again = Bitstring.decode(bits.encode())
    assert again == bits and len(again) == size and again.ones == len(within)
    assert all(again[index] == (index in within) for index in ones if index < size)
    # By the judge's own arithmetic: index 0 is the leftmost of all the bits.
    assert unpacked(bits.encode()) == sum(1 << (size - 1 - index) for index in within)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("uzA-_9=+/ ") | st.characters(), max_size=60) | st.binary(max_size=60).map(packed))
def test_any_text_is_a_refusal(text: str) -> None:
    with pytest.raises(StatusListInvalid):
        Bitstring.decode(text)


def test_equal_bits_are_equal_text() -> None:
    assert Bitstring.of(LEAST_ENTRIES, [3, 9]).encode() == Bitstring.of(LEAST_ENTRIES, [9, 3, 9]).encode()


def test_what_is_shown_of_a_list_is_its_size() -> None:
    assert repr(Bitstring.of(LEAST_ENTRIES, [1, 5])) == f"Bitstring({LEAST_ENTRIES} entries, 2 set)"
