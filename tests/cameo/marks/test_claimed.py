"""Lengths in a manifest: the examples of RFC 8949, and a scene that claims gigabytes."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from cameo.marks import read
from cameo.marks.claimed import _C2PA, claims_too_much
from tests.faults.scenes import CAST, marked, plain

# RFC 8949, appendix A: what is well-formed.
WHOLE = """00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff c249010000000000000000
3bffffffffffffffff c349010000000000000000 20 29 3863 3903e7 f90000 f98000 f93c00 fb3ff199999999999a f93e00 f97bff
fa47c35000 fa7f7fffff fb7e37e43c8800759c f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 f9fc00 fa7f800000
fa7fc00000 faff800000 fb7ff0000000000000 fb7ff8000000000000 fbfff0000000000000 f4 f5 f6 f7 f0 f8ff
c074323031332d30332d32315432303a30343a30305a c11a514b67b0 c1fb41d452d9e8200000 d74401020304 d818456449455446
d82076687474703a2f2f7777772e6578616d706c652e636f6d 40 4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 64f0908591
80 83010203 8301820203820405 98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 a201020304
a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145 5f42010243030405ff
7f657374726561646d696e67ff 9fff 9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff 83019f0203ff820405
9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff bf61610161629f0203ffff 826161bf61626163ff
bf6346756ef563416d7421ff"""
# Appendix F.1: what is not, for a length or an end that is wrong.
BROKEN = """18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 fb000000 41 61
5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203
81 818181818181818181 8200 a1 a20102 a100 a2000000 c0
5f4100 7f6100 9f 9f0102 bf bf01020102 819f 9f8000 9f9f9f9f9fffffffff 9f819f819f9fffffff 1c 1d 1e 3c 3d 3e 5c 5d 5e 7c 7d
7e 9c 9d 9e bc bd be dc dd de fc fd fe ff 81ff 8200ff a1ff a1ff00 a100ff a20000ff 9f81ff 9f829f819f9fffffffff
1f 3f df"""


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def film(cbor: bytes, purpose: bytes = b"manifest") -> BytesIO:
    """An MP4's boxes, one of them with a manifest of this item."""
    store = box(b"jumb", box(b"jumd", bytes(17)) + box(b"jumb", box(b"jumd", bytes(17)) + box(b"cbor", cbor)))
    inside = cbor if purpose == b"merkle" else bytes(8) + store
    return BytesIO(
        box(b"ftyp", b"isom") + box(b"uuid", _C2PA + bytes(4) + purpose + b"\0" + inside) + box(b"mdat", b"x")
    )


@pytest.mark.parametrize("purpose", [b"manifest", b"merkle"])
def test_the_examples_of_the_standard(purpose: bytes) -> None:
    assert [item for item in WHOLE.split() if claims_too_much(film(bytes.fromhex(item), purpose))] == []
    assert [item for item in BROKEN.split() if not claims_too_much(film(bytes.fromhex(item), purpose))] == []


def test_what_a_signature_covers_is_cbor_too() -> None:
    """COSE_Sign1, tagged: its first byte string is read as CBOR, the others are not."""
    lies = bytes.fromhex("7aee000000")
    held = (b"\x45" + lies, b"\x40")
    for first, second in (held, held[::-1]):
        signed = b"\xd2\x84" + first + b"\xa0" + second + b"\x40"
        assert claims_too_much(film(signed)) is (first != b"\x40")
    assert not claims_too_much(film(b"\x84" + held[0] + b"\xa0\x40\x40")), "untagged bytes are bytes"


def test_depth_and_number_end_somewhere() -> None:
    assert not claims_too_much(film(b"\x81" * 60 + b"\x00"))
    assert claims_too_much(film(b"\x81" * 70 + b"\x00"))
    assert not claims_too_much(film(b"\x9a" + (150_000).to_bytes(4, "big") + bytes(150_000)))
    assert claims_too_much(film(b"\x9a" + (250_000).to_bytes(4, "big") + bytes(250_000)))
    deep = b""
    for _ in range(70):
        deep = box(b"jumb", deep)
    assert claims_too_much(BytesIO(box(b"uuid", _C2PA + bytes(4) + b"manifest\0" + bytes(8) + deep)))


def test_boxes_of_other_sizes() -> None:
    content = _C2PA + bytes(4) + b"manifest\0" + bytes(8) + box(b"jumb", box(b"cbor", bytes.fromhex("7aee000000")))
    large = b"\0\0\0\1uuid" + (16 + len(content)).to_bytes(8, "big") + content
    to_the_end = b"\0\0\0\0uuid" + content
    too_long = b"\x7f\0\0\0uuid" + content
    for last in (large, to_the_end, too_long):
        file = BytesIO(box(b"ftyp", b"isom") + last)
        file.seek(3)
        assert claims_too_much(file) and file.tell() == 3
    for harmless in (b"", b"\0\0\0\1uuid", b"\0\0\0\4free" + content, box(b"uuid", bytes(16) + content[16:])):
        assert not claims_too_much(BytesIO(harmless))


def test_a_store_over_32_mib_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.write((2**26).to_bytes(4, "big") + b"uuid" + _C2PA)
        file.truncate(2**26)
    with path.open("rb") as file:
        assert claims_too_much(file)


def test_a_scene_that_claims_gigabytes_costs_nothing(tmp_path: Path) -> None:
    authority, scene = marked(plain(tmp_path), tmp_path, CAST)
    place = scene.index(b"fpeople") + 1
    for claimed in (2**31, 2**32 - 1):
        (tmp_path / "lies.mp4").write_bytes(
            scene[: place - 1] + b"\x7b" + claimed.to_bytes(8, "big") + scene[place + 8 :]
        )
        found = read(tmp_path / "lies.mp4", trusted=(authority.root,))
        assert (found.state, found.problems) == ("Invalid", ("cameo.manifest.lengths",))
    code = (
        "import sys; from pathlib import Path; from cameo.marks import read; print(read(Path(sys.argv[1])).state);"
        "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    told = subprocess.run([sys.executable, "-c", code, tmp_path / "lies.mp4"], capture_output=True, text=True)
    state, _, kilobytes, _ = told.stdout.split()
    assert state == "Invalid" and int(kilobytes) < 1 << 20
    (tmp_path / "true.mp4").write_bytes(scene)
    assert read(tmp_path / "true.mp4", trusted=(authority.root,)).state == "Trusted"
