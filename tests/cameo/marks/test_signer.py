"""A certificate that an operator brings: refused in every way it can be wrong, then used, and its key kept sealed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cameo.errors import SignerInvalid, StoreDamaged
from cameo.marks import Signer, cast_assertion, embed, read
from cameo.marks.certificates import fingerprint
from cameo.scene import write_scene
from cameo.vault import Vault
from tests.cameo.marks.authorities import DAY, Issuer, key_pem, new_key

CAST = cast_assertion({"an identity": "a consent"}, model="nano", seed=1)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    return Vault(tmp_path / "home")


@pytest.fixture
def signer(vault: Vault) -> Signer:
    return Signer(vault.home, os.urandom(32), vault)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    write_scene(tmp_path / "plain.mp4", frames, np.zeros(8000, np.float32), 12.0, 16_000)
    return tmp_path / "plain.mp4"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer("Test authority", below=Issuer())


def test_a_home_signs_by_itself_until_a_certificate_comes(signer: Signer, issuer: Issuer, plain: Path) -> None:
    own = signer.authority
    assert own.development and signer.roots == (own.root,)
    embed(plain, plain.with_name("before.mp4"), CAST, own, version="1")
    found = signer.install(issuer.answer(signer.request("Studio North", "North Ltd")))
    assert (found.algorithm, found.development) == ("es256", False)
    assert signer.authority == found and signer.roots == (own.root, found.root)
    embed(plain, plain.with_name("after.mp4"), CAST, found, version="1")
    for name, by in [("before.mp4", "Cameo scene signer"), ("after.mp4", "Studio North")]:
        manifest = read(plain.with_name(name), trusted=signer.roots)
        assert (manifest.state, manifest.signer, manifest.cast) == ("Trusted", by, CAST)
    assert read(plain.with_name("after.mp4"), trusted=(own.root,)).state == "Valid"


def test_going_back_keeps_trusting_what_was_signed(signer: Signer, issuer: Issuer, plain: Path) -> None:
    brought = signer.install(issuer.answer(signer.request("Studio North")))
    embed(plain, plain.with_name("marked.mp4"), CAST, brought, version="1")
    assert signer.develop().development and signer.authority.development
    assert read(plain.with_name("marked.mp4"), trusted=signer.roots).state == "Trusted"


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("p256", "es256"), ("p384", "es384"), ("ed25519", "ed25519"), ("rsa", "ps256")]
)
def test_keys_that_sign(kind: str, algorithm: str, signer: Signer, issuer: Issuer) -> None:
    key = new_key(kind)
    assert signer.install(issuer.leaf("Studio", key.public_key()), key_pem(key)).algorithm == algorithm


def test_its_key_is_nowhere_in_plain(signer: Signer, issuer: Issuer, vault: Vault) -> None:
    request = signer.request("Studio North")
    pending = list(vault.home.rglob("signer*"))
    found = signer.install(issuer.answer(request))
    assert pending and not any(path.name == "signer.pending" for path in vault.home.rglob("*"))
    secret = "".join(found.key.splitlines()[1:-1]).encode()
    for path in vault.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret[:40] not in content and b"PRIVATE KEY" not in content
    assert "PRIVATE" not in repr(found) + repr(signer)


def test_it_opens_in_no_other_vault(signer: Signer, issuer: Issuer, vault: Vault, tmp_path: Path) -> None:
    signer.install(issuer.answer(signer.request("Studio North")))
    other = Vault(tmp_path / "other")
    (other.home / "signer.sealed").write_bytes((vault.home / "signer.sealed").read_bytes())
    with pytest.raises(StoreDamaged):
        _ = Signer(other.home, os.urandom(32), other).authority
    # A key that was asked for is not taken for a certificate.
    signer.request("Studio North")
    (vault.home / "signer.sealed").write_bytes((vault.home / "signer.pending").read_bytes())
    with pytest.raises(StoreDamaged):
        _ = signer.authority


def test_what_cannot_sign(signer: Signer, issuer: Issuer) -> None:
    key, other = new_key(), new_key()
    good = issuer.leaf("Studio", key.public_key())
    parts = [part + b"-----END CERTIFICATE-----\n" for part in good.split(b"-----END CERTIFICATE-----\n")[:-1]]
    stranger = Issuer("Test authority", below=Issuer())

    def leaf(**how: object) -> bytes:
        return issuer.leaf("Studio", key.public_key(), **how)

    for chain, secret, says in [
        (b"", key_pem(key), "no certificate in it"),
        (good, b"no key", "no private key"),
        (good, key_pem(other), "not that of the first"),
        (parts[0], key_pem(key), "is no root"),
        (parts[0] + parts[2], key_pem(key), "is not issued by"),
        (b"".join(reversed(parts)), key_pem(key), "not that of the first"),
        (parts[0] + stranger.chain, key_pem(key), "is not issued by"),
        (b"".join([*parts, *[parts[2]] * 6]), key_pem(key), "at most 8"),
        (leaf(begin=-3 * DAY, end=-DAY), key_pem(key), "runs from"),
        (leaf(begin=DAY), key_pem(key), "runs from"),
        (leaf(purposes=()), key_pem(key), "what it is for"),
        (leaf(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)), key_pem(key), "not for signing documents"),
        (
            leaf(purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)),
            key_pem(key),
            "not for signing documents",
        ),
        (leaf(digital_signature=False), key_pem(key), "not for signatures"),
        (leaf(authority=True), key_pem(key), "what it is for|not for signatures"),
    ]:
        with pytest.raises(SignerInvalid, match=says):
            signer.install(chain, secret)
        assert signer.authority.development
    bitcoin = new_key("k1")
    with pytest.raises(SignerInvalid, match="such a key"):
        signer.install(issuer.leaf("Studio", bitcoin.public_key()), key_pem(bitcoin))
    with pytest.raises(SignerInvalid, match="no certificate was asked for"):
        signer.install(good)
    with pytest.raises(SignerInvalid, match="makes no name"):
        signer.request("n" * 100)


def test_one_that_is_over_signs_nothing_more(vault: Vault, issuer: Issuer) -> None:
    moment = [datetime.now(UTC)]
    signer = Signer(vault.home, os.urandom(32), vault, lambda: moment[0])
    signer.install(issuer.answer(signer.request("Studio North")))
    moment[0] += timedelta(days=366)
    with pytest.raises(SignerInvalid, match="runs from") as caught:
        _ = signer.authority
    assert "cameo keys request" in caught.value.hint
    assert not signer.standing.development  # it can still be looked at
    assert signer.develop().development


def test_others_are_trusted_and_no_more(
    signer: Signer, issuer: Issuer, plain: Path, vault: Vault, tmp_path: Path
) -> None:
    elsewhere = Signer(Vault(tmp_path / "elsewhere").home, os.urandom(32), vault).authority
    embed(plain, plain.with_name("theirs.mp4"), CAST, elsewhere, version="1")
    assert read(plain.with_name("theirs.mp4"), trusted=signer.roots).state == "Valid"
    signer.trust(elsewhere.root.encode())
    signer.trust(elsewhere.root.encode())
    assert len(signer.roots) == 2
    assert read(plain.with_name("theirs.mp4"), trusted=signer.roots).state == "Trusted"
    for bad, says in [
        (elsewhere.leaf.encode(), "no certificate of an authority"),
        (issuer.chain, "a root is one"),
        (b"-----BEGIN", "no certificate in it"),
    ]:
        with pytest.raises(SignerInvalid, match=says):
            signer.trust(bad)
    trusted = fingerprint(elsewhere.root)
    another = ("1" if trusted[0] == "0" else "0") + trusted[1:]
    for unknown in ("", "zz", another, another[:1]):
        with pytest.raises(SignerInvalid, match="begin with"):
            signer.distrust(unknown)
    signer.distrust(trusted[:12])
    assert read(plain.with_name("theirs.mp4"), trusted=signer.roots).state == "Valid"
