"""What somebody who was handed a proof, a certificate or a whole ledger can tell from it, with the verifier key and
without a vault."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from joserfc.jwk import OKPKey

from cameo.errors import ProofInvalid
from cameo.log.checkpoint import Checkpoint
from cameo.log.folder import verify_folder
from cameo.log.note import MAX_NOTE_BYTES, Verifier
from cameo.log.proof import MAX_PROOF_BYTES, Growth, Inclusion, read_proof
from cameo.vault.certificate import Certificate
from cameo.vault.line import Line
from enroll.signature import thumbprint

__all__ = ["Shown", "check_evidence", "read_checkpoint"]

_JSON: Final = b"{"


@dataclass(frozen=True)
class Shown:
    """What was shown, and holds.

    Attributes:
        kind: ``line``: one is in the ledger. ``growth``: the ledger only grew. ``deletion``: it says that a person's
            key and everything else of theirs was destroyed. ``ledger``: a whole one.
        checkpoint: of the ledger, signed by the key that was given.
        lines: that are in it, as far as they were shown one by one.
        since: lines of the earlier state; of ``growth`` alone.
    """

    kind: Literal["line", "growth", "deletion", "ledger"]
    checkpoint: Checkpoint
    lines: tuple[Line, ...] = ()
    since: int | None = None


def check_evidence(path: Path, verifier: Verifier, since: Path | None = None) -> Shown:
    """
    Args:
        path: a proof, a deletion certificate, or a folder of tiles.
        since: a checkpoint that a proof of growth must start at.

    Raises:
        ProofInvalid, CertificateInvalid: it does not hold, or is nothing of the kind.
    """
    earlier = read_checkpoint(since, verifier) if since is not None else None
    if path.is_dir():
        return Shown("ledger", verify_folder(path, verifier))
    content = _read(path, MAX_PROOF_BYTES)
    if content.startswith(_JSON):
        certificate = Certificate.load(path)
        certificate.verify({_thumbprint(verifier)})
        checkpoint = certificate.check_log(verifier)
        proofs = [Inclusion.parse(logged.proof.encode()) for logged in certificate.logged]
        return Shown("deletion", checkpoint, tuple(_line(proof.entry) for proof in proofs))
    proof = read_proof(content)
    if isinstance(proof, Growth):
        return Shown("growth", proof.verify(verifier, earlier), since=proof.old_size)
    checkpoint = proof.verify(verifier)
    return Shown("line", checkpoint, (_line(proof.entry),))


def read_checkpoint(path: Path, verifier: Verifier) -> Checkpoint:
    """Raises ProofInvalid when the file holds none that this key signed."""
    return Checkpoint.open(_read(path, MAX_NOTE_BYTES), verifier)


def _thumbprint(verifier: Verifier) -> str:
    """A vault signs its certificates with the key of its ledger."""
    x = urlsafe_b64encode(verifier.public).decode().rstrip("=")
    return thumbprint(OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x}))


def _line(entry: bytes) -> Line:
    try:
        return Line.from_bytes(entry)
    except ValueError:
        raise ProofInvalid("what is proved is no line of a ledger of Cameo's") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ProofInvalid(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise ProofInvalid(f"{path} has more than {limit} bytes, too many for a proof")
    return content
