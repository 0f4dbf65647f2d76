"""A line of the ledger and what opens it, from bytes that may be anything."""

from __future__ import annotations

import json

import pytest
import rfc8785

from cameo.vault.line import Line, Opening

LINE = {"seq": 1, "at": 1_800_000_000, "event": "put", "commitment": "00" * 32}


def spelled(**changes: object) -> bytes:
    return rfc8785.dumps(LINE | changes)  # type: ignore[arg-type]


def test_what_is_spelled_in_the_one_way_is_read() -> None:
    assert Line.from_bytes(spelled()).to_bytes() == spelled()
    for at in (0, 253_402_300_799):  # 1970-01-01, and the last second of 9999
        assert Line.from_bytes(spelled(at=at)).at == at
    opening = Opening.new({"user": "bob"})
    assert Opening.from_bytes(opening.to_bytes()) == opening


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        spelled(seq="1"),
        spelled(seq=True),
        spelled(at=1.5),
        spelled(event=None),
        spelled(commitment=7),
        spelled(commitment="zz"),
        spelled(commitment="00"),
        spelled(at=-1),
        spelled(at=253_402_300_800),
        spelled(at=10**12),
        spelled(more=1),
        json.dumps(LINE).encode(),
    ],
    ids=lambda content: content[:24].decode(),
)
def test_what_is_no_line(content: bytes) -> None:
    with pytest.raises(ValueError):
        Line.from_bytes(content)


@pytest.mark.parametrize(
    "fields",
    [{"salt": 1, "detail": {}}, {"salt": "AA==", "detail": []}, {"salt": "AA=="}, {"salt": "!", "detail": {}}],
)
def test_what_is_no_opening(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Opening.from_bytes(rfc8785.dumps(fields))  # type: ignore[arg-type]
