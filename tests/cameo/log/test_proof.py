"""Proofs in files: in the published format, checked by another's hands, and with no bit that is free."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameo.errors import ProofInvalid
from cameo.log import Checkpoint, Growth, Inclusion, Verifier, read_proof
from cameo.log.merkle import Growing, leaf_hash
from cameo.log.proof import MAX_PROOF_BYTES
from tests.cameo.log import judge
from tests.cameo.log.conftest import Log, make_log

LOG = make_log(200)


@pytest.mark.parametrize("index", [0, 1, 127, 128, 199])
def test_an_inclusion_in_the_published_format(index: int) -> None:
    content = LOG.inclusion(index).to_bytes()
    header, extra, place, *path = content.split(b"\n\n")[0].decode().splitlines()
    assert (header, place) == ("c2sp.org/tlog-proof@v1", f"index {index}")
    assert base64.b64decode(extra.removeprefix("extra ")) == LOG.entries[index]
    assert [base64.b64decode(line) for line in path] == judge.path(index, LOG.entries)
    assert content.endswith(b"\n\n" + LOG.note())
    origin, size, root = judge.read_note(LOG.note(), str(LOG.verifier))
    assert (origin, size, base64.b64decode(root)) == ("example.com/log", "200", judge.mth(LOG.entries))
    assert read_proof(content) == LOG.inclusion(index)


@given(st.integers(1, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_there_and_back(size: int, data) -> None:
    log = make_log(size)
    inclusion = log.inclusion(data.draw(st.integers(0, size - 1)))
    growth = log.growth(data.draw(st.integers(0, size)))
    for proof in (inclusion, growth):
        again = read_proof(proof.to_bytes())
        assert again == proof
        assert again.verify(log.verifier).size == size


@pytest.mark.parametrize("proof", [LOG.inclusion(77), LOG.growth(77), LOG.growth(128), make_log(1).inclusion(0)])
def test_no_bit_of_a_proof_is_free(proof) -> None:
    """Size and index too: they are in the file, or in the checkpoint that is signed."""
    content = proof.to_bytes()
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofInvalid):
            read_proof(bytes(changed)).verify(LOG.verifier)


def test_from_a_checkpoint_that_is_held() -> None:
    early, late = (Checkpoint.open(LOG.note(size), LOG.verifier) for size in (77, 78))
    assert LOG.growth(77).verify(LOG.verifier, since=early).size == 200
    with pytest.raises(ProofInvalid, match="starts at another state"):
        LOG.growth(77).verify(LOG.verifier, since=late)


def test_a_history_that_was_rewritten() -> None:
    """Both signed by the log itself: only the proof of growth between the two tells."""
    entries = [*LOG.entries[:5], b"something else", *LOG.entries[6:]]
    tree = Growing()
    nodes = [tree.append(leaf_hash(entry)) for entry in entries]
    early = Checkpoint.open(LOG.note(77), LOG.verifier)
    rewritten = Log(entries, nodes, LOG.key).growth(77)
    assert rewritten.verify(LOG.verifier)
    with pytest.raises(ProofInvalid, match="another state"):
        rewritten.verify(LOG.verifier, since=early)
    forged = replace(rewritten, old_root=early.root)
    with pytest.raises(ProofInvalid, match="does not lead"):
        forged.verify(LOG.verifier, since=early)


def test_of_another_log(log) -> None:
    stranger = Verifier("example.com/log", bytes(32))
    for proof in (LOG.inclusion(3), LOG.growth(3)):
        with pytest.raises(ProofInvalid, match="not signed by"):
            proof.verify(stranger)


WHOLE = LOG.inclusion(9).to_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v1\n\n" + LOG.note(),
        b"cameo/tlog-growth@v1",
        b"cameo/tlog-growth@v1\nold 1\n\n" + LOG.note(),
        b"cameo/tlog-growth@v1\nold x y z\n\n" + LOG.note(),
        WHOLE.replace(b"@v1", b"@v2"),
        WHOLE.replace(b"index 9", b"index 09"),
        WHOLE.replace(b"index 9", b"index 9 "),
        WHOLE.replace(b"index 9", b"index " + b"9" * 5000),
        WHOLE.replace(b"index 9\n", b""),
        WHOLE.replace(b"extra ", b"extra  "),
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"index 9\n", b"index 9\n" + b"AAAA\n"),
        WHOLE.replace(b"index 9\n", b"index 9\n" + (base64.b64encode(bytes(32)) + b"\n") * 70),
        WHOLE + b"x" * MAX_PROOF_BYTES,
        "c2sp.org/tlog-proof@v1\nextra ä\nindex 0\n\n".encode() + LOG.note(),
    ],
)
def test_what_is_no_proof(content: bytes) -> None:
    with pytest.raises(ProofInvalid) as caught:
        read_proof(content).verify(LOG.verifier)
    assert (caught.value.exit_status, caught.value.code) == (3, "bad_input")
    assert "\n" not in caught.value.message and len(caught.value.message) < 300


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_anything_at_all(content: bytes) -> None:
    for head in (
        b"",
        b"c2sp.org/tlog-proof@v1\n",
        b"cameo/tlog-growth@v1\n",
        b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n",
    ):
        with pytest.raises(ProofInvalid):
            read_proof(head + content).verify(LOG.verifier)
        with pytest.raises(ProofInvalid):
            Verifier.parse(content.decode("latin-1"))


def test_kinds() -> None:
    assert isinstance(read_proof(WHOLE), Inclusion)
    assert isinstance(read_proof(LOG.growth(0).to_bytes()), Growth)
