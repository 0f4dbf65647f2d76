"""What of the ledger can be shown to others, and checked by them without a vault."""

from __future__ import annotations

import base64
import json

import pytest

from cameo.errors import CertificateInvalid, InputRefused, ProofInvalid, StoreDamaged, UnknownHandle, UsageError
from cameo.log import Checkpoint, Verifier
from cameo.log.folder import verify_folder
from cameo.vault import Certificate, Vault
from cameo.vault.checking import check_evidence
from cameo.vault.line import Line
from tests.cameo.log import judge
from tests.cameo.vault.test_ledger import entries_of, tamper


def saved(path, content: bytes):
    path.write_bytes(content)
    return path


def checkpoint_file(vault, path):
    """As an operator hands it out: from an export."""
    vault.export_log(path.with_suffix(".tiles"))
    return saved(path, (path.with_suffix(".tiles") / "checkpoint").read_bytes())


def test_every_line_and_every_growth(vault, ada, person, tmp_path) -> None:
    vault.put(*person("grace", seed=2))
    for _ in range(6):
        vault.lease("ada").close()
    entries = entries_of(vault)
    for seq in range(1, 9):
        proof = vault.prove(seq=seq)
        assert (proof.entry, list(proof.path)) == (entries[seq - 1], judge.path(seq - 1, entries))
        shown = check_evidence(saved(tmp_path / "proof", proof.to_bytes()), vault.log_key)
        assert (shown.kind, shown.lines[0].seq, shown.checkpoint.size) == ("line", seq, 8)
        growth = vault.prove_growth(seq)
        assert (growth.old_root, list(growth.path)) == (judge.mth(entries[:seq]), judge.proof(seq, entries))
        shown = check_evidence(saved(tmp_path / "proof", growth.to_bytes()), vault.log_key)
        assert (shown.kind, shown.since, shown.checkpoint.size) == ("growth", seq, 8)


def test_the_last_line_about_a_person(vault, ada, person) -> None:
    def event(handle: str) -> str:
        return Line.from_bytes(vault.prove(handle=handle).entry).event

    vault.put(*person("grace", seed=2))
    assert event("ada") == "put"
    vault.allow("ada", "carol")
    vault.lease("grace").close()
    assert (event("ada"), event("grace")) == ("allow", "lease")
    vault.revoke("ada")
    vault.revoke("grace")
    assert vault.prove(handle="ada").index == 5 and event("ada") == "purged"
    with pytest.raises(UnknownHandle):
        vault.prove(handle="eve")


def test_what_cannot_be_proved(vault, ada) -> None:
    for seq in (0, 2, -1, 10**30):
        with pytest.raises(UsageError, match="no line"):
            vault.prove(seq=seq)
    for size in (2, -1, 10**30):
        with pytest.raises(UsageError, match="cannot have grown"):
            vault.prove_growth(size)
    with pytest.raises(UsageError):
        vault.prove()
    with pytest.raises(UsageError):
        vault.prove(handle="ada", seq=1)


@pytest.mark.sqlite
def test_an_old_vault_put_back_is_found_out_by_a_checkpoint(vault, ada, tmp_path) -> None:
    path = vault.home / "vault.sqlite3"
    early = path.read_bytes()
    vault.allow("ada", "carol")
    held = Checkpoint.open(checkpoint_file(vault, tmp_path / "held").read_bytes(), vault.log_key)
    path.write_bytes(early)
    vault.verify_log()
    with pytest.raises(UsageError, match="cannot have grown from 2"):
        vault.prove_growth(held)
    vault.deny("ada", "carol")
    with pytest.raises(StoreDamaged, match="not those of the checkpoint"):
        vault.prove_growth(held)
    with pytest.raises(ProofInvalid, match="does not go on from"):
        vault.export_log(tmp_path / "held.tiles")
    proof = saved(tmp_path / "proof", vault.prove_growth(2).to_bytes())
    check_evidence(proof, vault.log_key)
    with pytest.raises(ProofInvalid, match="another state"):
        check_evidence(proof, vault.log_key, tmp_path / "held")


def test_no_proof_is_made_from_a_damaged_ledger(vault, ada) -> None:
    for _ in range(4):
        vault.lease("ada").close()
    tamper(vault, "UPDATE ledger SET at = at + 1 WHERE seq = 2")
    vault.prove(seq=1)
    with pytest.raises(StoreDamaged, match="does not verify"):
        vault.prove(seq=2)
    tamper(vault, "UPDATE ledger SET nodes = zeroblob(32) WHERE seq = 1")
    with pytest.raises(StoreDamaged):
        vault.prove(seq=2)


def test_a_deletion_certificate_is_checked_without_a_vault(vault, ada, person, tmp_path) -> None:
    vault.put(*person("grace", seed=2))
    certificate = vault.revoke("ada")
    certificate.save(tmp_path / "certificate.json")
    key = Verifier.parse(str(vault.log_key))
    shown = check_evidence(tmp_path / "certificate.json", key)
    assert (shown.kind, [line.event for line in shown.lines]) == ("deletion", ["revoke", "purged"])
    assert shown.checkpoint.size == 4

    fields = json.loads((tmp_path / "certificate.json").read_text())
    for line, index in zip(fields["logged"], (2, 3), strict=True):
        header, extra, place, *path, _, origin, size, root, _, _ = line["proof"].splitlines()
        entry = base64.b64decode(extra.removeprefix("extra "))
        assert (header, place, size) == ("c2sp.org/tlog-proof@v1", f"index {index}", "4")
        assert origin == vault.log_key.name
        assert entry == entries_of(vault)[index]
        assert [base64.b64decode(step) for step in path] == judge.path(index, entries_of(vault))
        assert base64.b64decode(root).hex() == fields["ledger"]["root"]


@pytest.mark.sqlite
def test_a_certificate_whose_proofs_are_of_somebody_else(vault, ada, person, tmp_path) -> None:
    """Signed by the operator all the same: the operator is who is being checked."""
    grace, consent = person("grace", seed=2)
    vault.put(grace, consent)
    hers, mine = vault.revoke("grace"), vault.revoke("ada")
    other = Vault(tmp_path / "other")
    for changed in (
        mine.model_copy(update={"logged": hers.logged, "ledger": hers.ledger}),
        mine.model_copy(update={"identity_id": grace.identity_id}),
        mine.model_copy(update={"revoked": mine.revoked.replace(year=2020)}),
        mine.model_copy(update={"ledger": hers.ledger}),
        mine.model_copy(update={"logged": mine.logged[::-1]}),
        mine.model_copy(update={"logged": ()}),
    ):
        forged = changed.sign(vault.operator)
        forged.verify(vault.trusted)
        with pytest.raises(CertificateInvalid):
            forged.check_log(vault.log_key)
    with pytest.raises(ProofInvalid, match="not signed by"):
        mine.check_log(other.log_key)
    mine.check_log(vault.log_key)


@pytest.mark.sqlite
def test_a_certificate_somebody_else_signed_around_true_proofs(vault, ada, tmp_path) -> None:
    other = Vault(tmp_path / "other")
    certificate = vault.revoke("ada")
    forged = certificate.model_copy(update={"reason": "another"}).sign(other.operator)
    forged.check_log(vault.log_key)
    forged.save(tmp_path / "forged.json")
    with pytest.raises(CertificateInvalid, match="whom nobody here trusts"):
        check_evidence(tmp_path / "forged.json", vault.log_key)


def test_later_lines_change_no_certificate(vault, ada, person) -> None:
    first = vault.revoke("ada")
    vault.put(*person("grace", seed=2))
    again = vault.revoke("ada")
    assert again == first and again.check_log(vault.log_key).size == 3
    assert isinstance(again, Certificate)
    early = Checkpoint(vault.log_key.name, first.ledger.size, bytes.fromhex(first.ledger.root))
    assert vault.prove_growth(early).verify(vault.log_key, since=early).size == 4


def test_an_export_names_nobody_and_says_all(vault, ada, tmp_path, scan) -> None:
    vault.allow("ada", "carol-the-gardener")
    checkpoint = vault.export_log(tmp_path / "tiles")
    key = str(vault.log_key)
    origin, size, root = judge.read_note((tmp_path / "tiles/checkpoint").read_bytes(), key)
    entries = judge.read_entries(tmp_path / "tiles", int(size))
    assert entries == entries_of(vault) and base64.b64decode(root) == judge.mth(entries) == checkpoint.root
    assert verify_folder(tmp_path / "tiles", vault.log_key) == checkpoint
    assert origin == vault.log_key.name
    written = b"".join(scan.files(tmp_path / "tiles").values())
    # Three letters alone are in a digest now and then.
    for word in (b'"ada"', b"Augusta", b"carol", ada[0].identity_id.encode(), ada[1].consent_id.encode()):
        assert word not in written
    vault.lease("ada").close()
    assert vault.export_log(tmp_path / "tiles").size == 3
    assert check_evidence(tmp_path / "tiles", vault.log_key).kind == "ledger"


def test_an_empty_ledger_too(vault, tmp_path) -> None:
    assert vault.export_log(tmp_path / "tiles").size == 0
    assert verify_folder(tmp_path / "tiles", vault.log_key).size == 0
    assert vault.prove_growth(0).verify(vault.log_key).size == 0


def test_folders_that_cannot_be_written(vault, ada, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputRefused):
        vault.export_log(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"{}", b"{", b"[" * 100_000, b"\xff" * 100, b"x" * 10**6])
def test_files_that_show_nothing(vault, tmp_path, content) -> None:
    path = saved(tmp_path / "proof", content)
    for file in (path, tmp_path / "none", tmp_path):
        with pytest.raises(InputRefused) as caught:
            check_evidence(file, vault.log_key)
        assert caught.value.exit_status == 3 and "\n" not in caught.value.message


def test_of_whom_no_line_is_left(vault, ada) -> None:
    vault.revoke("ada")
    tamper(vault, "UPDATE ledger SET opening = x'00' WHERE event IN ('revoke', 'purged')")
    with pytest.raises(UnknownHandle, match="no line of the ledger"):
        vault.prove(handle="ada")


def test_a_ledger_that_is_not_what_was_signed_is_not_exported(vault, ada, tmp_path) -> None:
    tamper(vault, "UPDATE ledger SET at = at + 1 WHERE seq = 1")
    with pytest.raises(StoreDamaged, match="operator signed"):
        vault.export_log(tmp_path / "tiles")
    assert not (tmp_path / "tiles").exists()
