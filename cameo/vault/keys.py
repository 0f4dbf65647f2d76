"""The master key: where it is kept, and what it does.

It lives in the operating system's keyring where there is one, else in ``master.key`` in the vault's folder, mode 0600.
``CAMEO_KEYSTORE=file|keyring`` chooses for a new vault; a vault remembers where its own key is. A key is made once and
never overwritten: without it every identity is lost, which is also how a whole vault is destroyed at one stroke.
"""

from __future__ import annotations

import hmac
import os
import stat
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import keyring
from keyring.errors import KeyringError

from cameo.errors import StoreDamaged, UsageError
from cameo.vault.cipher import KEY_BYTES, Context, derive, open_sealed, random_key, seal
from cameo.vault.sketch import Sketcher
from enroll.files import write_atomically

__all__ = ["Keystore", "MasterKey", "create_master_key", "load_master_key"]

Keystore = Literal["file", "keyring"]

_FILE: Final = "master.key"
_SERVICE: Final = "cameo-kit"


class MasterKey:
    """Wraps the keys of identities, and names handles without spelling them.

    Four keys are derived from the one that is stored, so that no key serves two purposes.
    """

    def __init__(self, secret: bytes) -> None:
        self._wrapping = derive([secret], "cameo/1 wrap")
        self._naming = derive([secret], "cameo/1 name")
        self._sketching = derive([secret], "cameo/1 sketch")
        self._sealing = derive([secret], "cameo/1 seal")

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def wrap(self, key: bytes, context: Context) -> bytes:
        return seal(self._wrapping, key, context)

    def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        """Raises StoreDamaged when this master key did not wrap it, or it was changed."""
        return open_sealed(self._wrapping, wrapped, context)

    def seal(self, plaintext: bytes, context: Context) -> bytes:
        """For what outlives the key of the person it is about."""
        return seal(self._sealing, plaintext, context)

    def open(self, sealed: bytes, context: Context) -> bytes:
        """The inverse of ``seal``. Raises StoreDamaged as ``unwrap`` does."""
        return open_sealed(self._sealing, sealed, context)

    def tag(self, *words: str) -> bytes:
        """32 bytes that stand for a handle or a user in the database: equal for equal words, and no dictionary of
        names gives them away without this key (HMAC-SHA256)."""
        return hmac.digest(self._naming, "\0".join(words).encode(), sha256)

    def sketcher(self, space: str, dim: int, *, step: float) -> Sketcher:
        """Makes this vault's sketches of an embedding space; see ``sketch``."""
        return Sketcher(self._sketching, space, dim, step)


def create_master_key(home: Path, vault_id: str) -> tuple[Keystore, MasterKey]:
    """Make the key of a new vault. A key file that lies there already is taken, never replaced."""
    wish = os.environ.get("CAMEO_KEYSTORE", "")
    if wish not in ("", "file", "keyring"):
        raise UsageError(f"CAMEO_KEYSTORE is {wish!r}", hint="set it to file or keyring, or leave it unset")
    if wish != "file" and not (home / _FILE).exists():
        secret = random_key()
        if _into_keyring(vault_id, secret):
            return "keyring", MasterKey(secret)
        if wish == "keyring":
            raise UsageError(
                "CAMEO_KEYSTORE is keyring, but this machine has no usable keyring", hint="set CAMEO_KEYSTORE=file"
            )
    if not (home / _FILE).exists():
        write_atomically(home / _FILE, b64encode(random_key()) + b"\n")
    return "file", _from_file(home)


def load_master_key(home: Path, vault_id: str, store: Keystore) -> MasterKey:
    """The key of an existing vault.

    Raises:
        StoreDamaged: it is not where it was put, is not a key, or others can read it.
    """
    return _from_file(home) if store == "file" else _from_keyring(vault_id)


def _from_file(home: Path) -> MasterKey:
    path = home / _FILE
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreDamaged(f"the master key {path} can be read by others", hint=f"chmod 600 {path}")
        return MasterKey(_decode(path.read_bytes(), str(path)))
    except OSError as error:
        raise StoreDamaged(
            f"the master key {path} cannot be read: {error.strerror}",
            hint="put the file back; without it nobody in this vault can be opened",
        ) from None


def _from_keyring(vault_id: str) -> MasterKey:
    try:
        text = keyring.get_password(_SERVICE, vault_id)
    except KeyringError:
        text = None
    if text is None:
        raise StoreDamaged(
            f"the keyring does not give the master key of vault {vault_id}",
            hint="unlock the keyring of the user who made this vault",
        )
    return MasterKey(_decode(text.encode(), "the keyring"))


def _into_keyring(vault_id: str, secret: bytes) -> bool:
    """Whether the keyring took the key and gives it back."""
    text = b64encode(secret).decode()
    try:
        if keyring.get_keyring().priority <= 0:
            return False
        keyring.set_password(_SERVICE, vault_id, text)
        return keyring.get_password(_SERVICE, vault_id) == text
    except (KeyringError, RuntimeError):
        # RuntimeError is how backends without their desktop service decline to give a priority.
        return False


def _decode(text: bytes, source: str) -> bytes:
    try:
        secret = b64decode(text.strip(), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise StoreDamaged(f"the master key in {source} is not one", hint="put back the key this vault was made with")
    return secret
