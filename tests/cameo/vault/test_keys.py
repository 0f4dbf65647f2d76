"""Where the master key is kept, and what a ciphertext is bound to."""

from __future__ import annotations

import hmac

import keyring
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from cameo.errors import StoreDamaged, UsageError
from cameo.vault import Vault
from cameo.vault.cipher import Context, derive, open_sealed, random_key, seal, wipe
from cameo.vault.keys import MasterKey
from cameo.vault.keytree import KeyTree
from cameo.vault.ledger import Owner


class MemoryKeyring(KeyringBackend):
    """A whole keyring backend that forgets when the test ends."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError


@pytest.fixture
def backend(monkeypatch):
    before = keyring.get_keyring()
    monkeypatch.delenv("CAMEO_KEYSTORE")
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_without_a_keyring_the_key_is_a_file(backend, tmp_path) -> None:
    keyring.set_keyring(NoKeyring())
    first = Vault(tmp_path)
    assert (tmp_path / "master.key").exists()
    assert Vault(tmp_path).trusted == first.trusted


def test_asked_for_and_not_there(backend, tmp_path, monkeypatch) -> None:
    keyring.set_keyring(NoKeyring())
    monkeypatch.setenv("CAMEO_KEYSTORE", "keyring")
    with pytest.raises(UsageError, match="no usable keyring"):
        Vault(tmp_path)
    monkeypatch.setenv("CAMEO_KEYSTORE", "pocket")
    with pytest.raises(UsageError, match="'pocket'"):
        Vault(tmp_path)


def test_with_a_keyring_no_key_is_in_the_folder(backend, tmp_path, monkeypatch) -> None:
    first = Vault(tmp_path)
    assert not (tmp_path / "master.key").exists() and len(backend.entries) == 1
    # A vault remembers where its key is, whatever the environment says later.
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    assert Vault(tmp_path).trusted == first.trusted


def test_two_vaults_in_one_keyring(backend, tmp_path) -> None:
    assert Vault(tmp_path / "a").trusted != Vault(tmp_path / "b").trusted
    assert len(set(backend.entries.values())) == 2


def test_a_keyring_that_lost_it(backend, tmp_path) -> None:
    Vault(tmp_path)
    backend.entries.clear()
    with pytest.raises(StoreDamaged, match="keyring does not give"):
        Vault(tmp_path)
    keyring.set_keyring(NoKeyring())
    with pytest.raises(StoreDamaged, match="keyring does not give"):
        Vault(tmp_path)


def test_a_key_file_that_is_there_already_is_taken(tmp_path) -> None:
    """A first opening that was killed between key and database."""
    Vault(tmp_path / "a")
    key = (tmp_path / "a" / "master.key").read_bytes()
    (tmp_path / "a" / "vault.sqlite3").unlink()
    Vault(tmp_path / "a")
    assert (tmp_path / "a" / "master.key").read_bytes() == key


CONTEXTS = st.builds(
    Context, st.sampled_from(["i1", "i2"]), st.sampled_from(["c1", "c2"]), st.sampled_from(["k1", "k2"])
)


@settings(deadline=None)
@given(st.binary(max_size=64), CONTEXTS, CONTEXTS)
def test_a_ciphertext_opens_where_it_belongs_and_nowhere_else(plaintext, here, there) -> None:
    key = random_key()
    sealed = seal(key, plaintext, here)
    assert open_sealed(key, sealed, here) == plaintext
    assert seal(key, plaintext, here) != sealed
    if there != here:
        with pytest.raises(StoreDamaged):
            open_sealed(key, sealed, there)
    with pytest.raises(StoreDamaged):
        open_sealed(random_key(), sealed, here)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=64), st.data())
def test_no_bit_can_be_changed(plaintext, data) -> None:
    key, here = random_key(), Context("i", "c", "k")
    sealed = bytearray(seal(key, plaintext, here))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StoreDamaged):
        open_sealed(key, bytes(sealed), here)


def test_a_derived_key_needs_every_part() -> None:
    a, b, c = random_key(), random_key(), random_key()
    assert derive([a, b], "x") == derive([a, b], "x")
    assert (
        len({derive([a, b], "x"), derive([b, a], "x"), derive([a, c], "x"), derive([a], "x"), derive([a, b], "y")}) == 5
    )


def hkdf_by_hand(secret: bytes, info: bytes) -> bytes:
    """RFC 5869: extract without a salt, expand by one block."""
    return hmac.digest(hmac.digest(bytes(32), secret, "sha256"), info + b"\1", "sha256")


def test_what_is_derived_stays_as_vaults_that_exist_have_it() -> None:
    """Keys by RFC 5869 under these words, names by HMAC-SHA256, AES-GCM after a version and a nonce of 12 bytes."""
    assert derive([b"a" * 32, b"b" * 32], "cameo/1 x") == hkdf_by_hand(b"a" * 32 + b"b" * 32, b"cameo/1 x")
    secret, context = bytes(range(32)), Context("somebody", "a consent", "entry")
    master, bound = MasterKey(secret), b"cameo/1|somebody|a consent|entry"
    assert master.tag("handle", "ada") == hmac.digest(hkdf_by_hand(secret, b"cameo/1 name"), b"handle\0ada", "sha256")
    for sealed, words in (
        (master.seal(b"said", context), b"cameo/1 seal"),
        (master.wrap(b"said", context), b"cameo/1 wrap"),
    ):
        assert sealed[:1] == b"\1"
        assert AESGCM(hkdf_by_hand(secret, words)).decrypt(sealed[1:13], sealed[13:], bound) == b"said"


def test_wiping_bytes() -> None:
    secret = random_key() + random_key()[:3]
    wipe(secret)
    assert secret == bytes(35)
    wipe(b"")


class Locked(MemoryKeyring):
    """A keyring that is there and does not open."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked


def test_a_keyring_that_does_not_open(backend, tmp_path) -> None:
    keyring.set_keyring(Locked())
    vault = Vault(tmp_path / "home")
    assert (vault.home / "master.key").exists()


def test_nothing_of_a_key_is_shown(tmp_path) -> None:
    secret = bytes(range(32))
    tree = KeyTree(tmp_path, MasterKey(secret))
    tree.plant()
    assert (repr(MasterKey(secret)), repr(tree)) == ("MasterKey(…)", "KeyTree(…)")
    assert repr(Owner("an id", "a consent", secret)) == "Owner(an id)"
