"""Signed notes and checkpoints: published ones, and what is none."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cameo.errors import ProofInvalid
from cameo.log import Checkpoint, Verifier
from cameo.log.merkle import EMPTY
from cameo.log.note import MAX_NOTE_BYTES, sign_note
from tests.cameo.log import judge

# From the documentation of golang.org/x/mod/sumdb/note. Ed25519 is deterministic, so signing gives this very note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
# Another signer of that documentation; its key is not needed to pass its signature over.
OTHER = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QM=\n"

KEY = Ed25519PrivateKey.from_private_bytes(SEED)


def test_the_published_note() -> None:
    verifier = Verifier.parse(VKEY)
    assert verifier.open(NOTE) == TEXT
    assert sign_note(TEXT, "PeterNeumann", KEY) == NOTE
    assert str(Verifier.of("PeterNeumann", KEY)) == str(verifier) == VKEY
    assert "\n".join(judge.read_note(NOTE, VKEY)) + "\n" == TEXT


def test_signatures_of_others_are_passed_over() -> None:
    verifier = Verifier.parse(VKEY)
    assert verifier.open(NOTE + OTHER.encode()) == TEXT
    with pytest.raises(ProofInvalid, match="not signed by PeterNeumann"):
        verifier.open((TEXT + "\n" + OTHER).encode())
    forged = NOTE.decode().splitlines(keepends=True)[-1].replace("x08go/Z", "x08go/a")
    with pytest.raises(ProofInvalid, match="was changed"):
        verifier.open(NOTE + forged.encode())


def test_no_bit_of_a_note_is_free() -> None:
    verifier = Verifier.parse(VKEY)
    for bit in range(8 * len(NOTE)):
        changed = bytearray(NOTE)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofInvalid):
            verifier.open(bytes(changed))


def test_no_bit_and_no_part_of_a_key_is_free() -> None:
    for bit in range(8 * len(VKEY)):
        changed = bytearray(VKEY.encode())
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofInvalid):
            Verifier.parse(changed.decode(errors="replace"))
    for begin in range(len(VKEY)):
        for end in range(begin, len(VKEY) + (begin > 0)):
            with pytest.raises(ProofInvalid):
                Verifier.parse(VKEY[begin:end])


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\nsigned: me\n",
        NOTE[:-1],
        NOTE + b"\n",
        b"\xff" + NOTE,
        b"\x07" + NOTE,
        NOTE.replace(b"\n", b"\r\n"),
        NOTE + OTHER.encode() * 64,
        b"x" * MAX_NOTE_BYTES + NOTE,
        TEXT.encode() + b"\n\xe2\x80\x94 PeterNeumann \n",
        TEXT.encode() + b"\n\xe2\x80\x94 PeterNeumann x08goA==\n",
    ],
)
def test_what_is_no_note(note: bytes) -> None:
    with pytest.raises(ProofInvalid):
        Verifier.parse(VKEY).open(note)


def test_a_key_has_a_name_that_fits_and_no_more_than_1024_characters() -> None:
    longest = str(Verifier.of("n" * 970, KEY))
    longest = str(Verifier.of("n" * (970 + 1024 - len(longest)), KEY))
    assert len(longest) == 1024 and str(Verifier.parse(longest)) == longest
    for text in (
        str(Verifier("n" * 971, Verifier.parse(longest).public)) + "x" * 10,
        str(Verifier(Verifier.parse(longest).name + "n", Verifier.parse(longest).public)),
        str(Verifier("a b", Verifier.parse(VKEY).public)),
        VKEY.rpartition("+")[0] + "+",
    ):
        with pytest.raises(ProofInvalid, match="is no verifier key"):
            Verifier.parse(text)


def test_names_that_are_none() -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u2003b", "a\x00"):
        with pytest.raises(ValueError, match="cannot name"):
            Verifier.of(name, KEY)


def test_a_checkpoint() -> None:
    checkpoint, verifier = (
        Checkpoint("example.com/log", 20852163, bytes(range(32))),
        Verifier.of("example.com/log", KEY),
    )
    note = checkpoint.sign(KEY)
    assert Checkpoint.open(note, verifier) == checkpoint
    root = base64.b64encode(bytes(range(32))).decode()
    assert judge.read_note(note, str(verifier)) == ["example.com/log", "20852163", root]


ROOT = base64.b64encode(EMPTY).decode()


@pytest.mark.parametrize(
    "text",
    [
        "me\n5\n",
        "me\n5\n\n",
        f"me\n05\n{ROOT}\n",
        f"me\n-5\n{ROOT}\n",
        f"me\n{2**63}\n{ROOT}\n",
        f"me\n٥\n{ROOT}\n",
        f"me\n5 \n{ROOT}\n",
        f"me\n5\n{ROOT[:-4]}\n",
        f"me\n5\n{ROOT[:-2]}V=\n",
        f"me\n5\n{ROOT}\n\nmore\n",
        f"you\n5\n{ROOT}\n",
        f"me\n0\n{base64.b64encode(bytes(32)).decode()}\n",
    ],
)
def test_signed_notes_that_are_no_checkpoint(text: str) -> None:
    with pytest.raises(ProofInvalid):
        Checkpoint.open(sign_note(text, "me", KEY), Verifier.of("me", KEY))


def test_extensions_are_signed_and_passed_over() -> None:
    note = sign_note(f"me\n0\n{ROOT}\nan extension\n", "me", KEY)
    assert Checkpoint.open(note, Verifier.of("me", KEY)).size == 0
