"""What was prepared of clips, at rest: every entry sealed under a key of the run, which only its home can open.

An entry is biometric: latents of somebody's pictures and sound, crops and embeddings of who they are. On disk there is
none of it in plain. Without ``key``, or without the home that sealed it, nothing opens an entry any more.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from safetensors.torch import load, save
from torch import Tensor

from cameo.vault import Vault
from cameo.vault.cipher import Context, open_sealed, random_key, seal
from enroll.files import drop_unfinished, fsync_folder, make_folder, write_atomically

__all__ = ["Entries", "destroy", "run_key"]

_KEY, _FOLDER, _SUFFIX = "key", "entries", ".sealed"
_KIND: Final = "training entry"
_KEY_KIND: Final = "training key"


def run_key(vault: Vault, run: Path) -> bytes:
    """The key of a run, made when it has none.

    Raises:
        StoreDamaged: another home sealed it.
    """
    path = run / _KEY
    if path.exists():
        return vault.unseal(path.read_bytes(), _KEY_KIND)
    key = random_key()
    write_atomically(path, vault.seal(key, _KEY_KIND))
    return key


def destroy(run: Path) -> None:
    """End every entry of a run: the sealed key is overwritten and removed first, then the entries are."""
    path = run / _KEY
    if path.exists():
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        fsync_folder(run)
    for entry in (run / _FOLDER).glob(f"*{_SUFFIX}"):
        entry.unlink()


class Entries:
    """The sealed entries of a run, by name.

    Args:
        run: its folder.
        key: see ``run_key``.
    """

    def __init__(self, run: Path, key: bytes) -> None:
        self._folder, self._key = run / _FOLDER, key
        make_folder(self._folder, 0o700)

    def __repr__(self) -> str:
        return f"Entries({str(self._folder)!r})"

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def put(self, name: str, consent_id: str, tensors: Mapping[str, Tensor]) -> None:
        """Seal an entry; it is there whole or not at all."""
        plain = save({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
        write_atomically(self._path(name), seal(self._key, plain, Context(name, consent_id, _KIND)))

    def get(self, name: str, consent_id: str) -> dict[str, Tensor]:
        """Open an entry.

        Raises:
            StoreDamaged: it is not what was sealed under this name, for this consent, in this run.
        """
        sealed = self._path(name).read_bytes()
        return load(open_sealed(self._key, sealed, Context(name, consent_id, _KIND)))

    def keep_only(self, names: Collection[str]) -> None:
        """Remove every other entry: of people who are not learned from any more, and what was left half-written."""
        drop_unfinished(self._folder)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.name.removesuffix(_SUFFIX) not in names:
                path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"
