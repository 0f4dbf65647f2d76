"""Deletion certificates: signed, and not to be changed."""

from __future__ import annotations

import pytest

from cameo.errors import CertificateInvalid
from cameo.vault import Certificate, Vault


@pytest.fixture
def certificate(vault, ada) -> Certificate:
    return vault.revoke("ada", reason="enough")


def test_every_single_character_counts(certificate, vault, tmp_path) -> None:
    text = certificate.to_json()
    path = tmp_path / "certificate.json"
    survived = []
    for index, character in enumerate(text):
        path.write_text(text[:index] + chr(ord(character) ^ 1) + text[index + 1 :])
        try:
            Certificate.load(path).verify(vault.trusted)
        except CertificateInvalid as error:
            assert error.exit_status == 3
            continue
        survived.append((index, character))
    assert survived == []


def test_unsigned_and_strange(certificate, vault, tmp_path) -> None:
    other = Vault(tmp_path / "other")
    certificate.verify(vault.trusted)
    for changed, match in [
        (certificate.model_copy(update={"signature": None}), "not signed"),
        (certificate.sign(other.operator), "nobody here trusts"),
        (certificate.model_copy(update={"reason": None}), "was changed"),
    ]:
        with pytest.raises(CertificateInvalid, match=match):
            changed.verify(vault.trusted)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_files_that_are_none(tmp_path, content) -> None:
    (tmp_path / "c.json").write_bytes(content)
    for path in (tmp_path / "c.json", tmp_path, tmp_path / "none"):
        with pytest.raises(CertificateInvalid):
            Certificate.load(path)
