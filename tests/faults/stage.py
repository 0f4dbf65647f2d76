"""A folder with all that the vault's acts need: a home with people in it, what was written out of it before, and what
came from another home. Made once; every try has a fresh copy of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cameo.studio import Studio
from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.identity import Identity, Speech
from enroll.signature import thumbprint
from tests.cameo.vault.conftest import NAME, Clock, noise

__all__ = ["HANDLES", "PASSPHRASE", "PROMPT", "Stage", "cut", "enrolled", "personal", "pieces_of", "studio"]

HANDLES: Final = ("ada", "grace", "mary", "lin", "tove", "eve")
"""Everybody who is ever in it; the place in this tuple is the seed of who they are."""
PASSPHRASE: Final = "correct horse battery staple"
PROMPT: Final = "@ada says what nobody else is to read, by the sea"
_PIECE, _APART = 16, 2048


@dataclass
class Stage:
    """
    Attributes:
        root: a real path; all the rest is under it.
        issuer: thumbprint of the other home.
    """

    root: Path
    clock: Clock
    issuer: str = ""

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def out(self) -> Path:
        """Where what was asked for is written."""
        return self.root / "out"

    @contextmanager
    def temporary(self) -> Iterator[None]:
        """The system's folder for temporary files is one of ours."""
        before, tempfile.tempdir = tempfile.tempdir, str(self.root / "tmp")
        try:
            yield
        finally:
            tempfile.tempdir = before

    @classmethod
    def build(cls, root: Path) -> Stage:
        """A home with ada, who is in a scene with grace, with mary, who is suspended, and with lin; grace has left. The
        copy is from before, when mary was not suspended and grace was here. Tove is in a package from elsewhere."""
        clock = Clock()
        clock.now = datetime.now(UTC).replace(microsecond=0)
        stage = cls(root, clock)
        for folder in (stage.out, root / "tmp"):
            folder.mkdir(parents=True)
        vault = Vault(stage.home, clock=clock)
        for handle in ("ada", "grace", "mary"):
            vault.put(*enrolled(vault, clock, handle))
        record = [vault.show(handle).identity_id for handle in ("ada", "grace")]
        vault.record_scene(
            sha256="a" * 64, path="scene.mp4", identities=record, user="owner", prompt=PROMPT, model="nano"
        )
        vault.allow("ada", "bob", scenes=3)
        vault.forbid("ada", "alcohol")
        vault.export_log(stage.out / "log")
        vault.backup(stage.out / "copy")
        vault.put(*enrolled(vault, clock, "lin"))
        vault.suspend("mary")
        vault.revoke("grace")
        studio(stage).publish_status(stage.out / "list.json")
        other = Vault(root / "other", clock=clock)
        other.put(*enrolled(other, clock, "tove"))
        (stage.out / "tove.cameo").write_bytes(other.export("tove", PASSPHRASE))
        other.status_list().save(stage.out / "other.json")
        stage.issuer = thumbprint(other.operator)
        return stage

    def copy(self, root: Path) -> Stage:
        """In place of what is at ``root``."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.root, root)
        clock = Clock()
        clock.now = self.clock.now
        return Stage(root, clock, self.issuer)


def enrolled(vault: Vault, clock: Clock, handle: str) -> tuple[Identity, ConsentRecord]:
    """Somebody of ``HANDLES``, and their consent."""
    request = ConsentRecord.new(name=NAME, handle=handle, grants=("owner", "user:bob"), now=clock())
    consent = request.attest(by="Studio North", key=vault.operator, now=clock())
    return _small(HANDLES.index(handle), consent), consent


def _small(seed: int, consent: ConsentRecord) -> Identity:
    """Of noise, and not much of it: it is written and looked for thousands of times."""
    identity = noise(seed, consent)
    assert identity.speech is not None
    return replace(identity, crops=identity.crops[:1], speech=Speech(identity.speech.samples[:2000]))


def studio(stage: Stage) -> Studio:
    """With the stage's clock."""
    made = Studio(stage.home)
    made.__dict__["vault"] = Vault(stage.home, clock=stage.clock)
    return made


def personal() -> list[bytes]:
    """Pieces of everything personal, so near to each other that hardly more than two kilobytes could lie anywhere in
    plain without one of them."""
    consent = ConsentRecord.new(name=NAME, handle="ada")
    pieces = [NAME.encode(), PROMPT.encode()]
    for seed in range(len(HANDLES)):
        pieces += pieces_of(_small(seed, consent))
    return pieces


def pieces_of(identity: Identity) -> Iterator[bytes]:
    """Of every array of somebody."""
    arrays: list[NDArray[Any]] = [e.vector for e in identity.embeddings.values()]
    arrays += [view.vector for e in identity.embeddings.values() for view in e.views]
    arrays += [crop.pixels for crop in identity.crops]
    arrays += [identity.speech.samples] if identity.speech is not None else []
    for array in arrays:
        yield from cut(np.ascontiguousarray(array).tobytes())


def cut(content: bytes) -> Iterator[bytes]:
    """Pieces of 16 bytes, so near to each other that hardly more than two kilobytes lie between them."""
    return (content[start : start + _PIECE] for start in range(0, len(content) - _PIECE + 1, _APART))
