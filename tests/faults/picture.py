"""How a home stands, told without anything that is random: two that hold the same are equal. And what must hold of any
home, whatever happened to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.status import StatusReader
from cameo.vault import Vault
from cameo.vault.history import leases_on
from cameo.vault.scenes import scenes_with
from cameo.vault.schema import IdentityRow
from enroll.signature import thumbprint
from tests.faults.stage import Stage

__all__ = ["Canaries", "picture", "unsound"]

_START = 8
_TABLES = (
    "identities",
    "consents",
    "grants",
    "origins",
    "rules",
    "scenes",
    "fingerprints",
    "uses",
    "sketches",
    "tombstones",
)


def picture(stage: Stage, vault: Vault) -> dict[str, Any]:
    """Of an open vault."""
    with closing(sqlite3.connect(stage.home / "vault.sqlite3")) as raw:
        counts = {table: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _TABLES}  # noqa: S608
        lines = raw.execute("SELECT seq, event, at FROM ledger ORDER BY seq").fetchall()
    with vault._reading() as session:
        people = [_person(session, vault, row) for row in session.scalars(select(IdentityRow))]
    return {"rows": counts, "ledger": lines} | dict(people)


def _person(session: Session, vault: Vault, row: IdentityRow) -> tuple[str, dict[str, Any]]:
    owner = vault._people.owner(row)
    entry = vault._people.entry(session, row, vault._clock())
    told = {name: getattr(entry, name) for name in ("status", "suspended", "terms", "rules", "uses")}
    scenes = [vault._scene_record(session, scene) for scene in scenes_with(session, row.identity_id)]
    told["scenes"] = [(scene.sha256, scene.detail, [role.status for role in scene.cast]) for scene in scenes]
    told["leases"] = leases_on(session, owner)
    identity = vault._people.identity(row, vault._blobs)
    told["is"] = sha256(b"".join(e.vector.tobytes() for e in identity.embeddings.values())).hexdigest()
    return entry.handle, told


def unsound(stage: Stage, vault: Vault) -> list[str]:
    """What is wrong with an open vault, whatever was done."""
    found = []
    vault.verify_log()
    with closing(sqlite3.connect(stage.home / "vault.sqlite3")) as raw:
        living = dict(raw.execute("SELECT status_index, suspended IS NOT NULL FROM identities").fetchall())
        here = {row[0] for row in raw.execute("SELECT identity_id FROM identities")}
        left = dict(raw.execute("SELECT status_index, certificate FROM tombstones").fetchall())
    blobs = stage.home / "blobs"
    there = {path.name for path in blobs.iterdir()} if blobs.is_dir() else set()
    found += [f"ciphertexts and rows differ: {len(there - here)} and {len(here - there)}"] if there != here else []
    found += ["a deletion has no certificate" for certificate in left.values() if certificate is None]
    found += ["the tree knows who left" for index in left if vault._secrets.tree.knows(index)]
    found += ["the tree has forgotten who is here" for index in living if not vault._secrets.tree.knows(index)]
    found += [f"{path} is left behind" for path in _left_behind(stage.home, here, stage.issuer, vault)]
    own = thumbprint(vault.operator)
    standings = {index: "suspended" if paused else "valid" for index, paused in living.items()}
    standings |= dict.fromkeys(left, "revoked")
    kept = StatusReader(stage.home / "status", {own}, clock=stage.clock).last(own)
    for name, told in [("the list kept", kept), ("the list of now", vault.status_list())]:
        for index, standing in standings.items():
            said = told.standing(index) if told is not None and index < told.size else "valid"
            found += [f"{name} says {said} of who is {standing}"] if said != standing else []
    return found


def _left_behind(home: Path, here: Iterable[str], issuer: str, vault: Vault) -> list[str]:
    # A journal that was not begun in earnest is taken away by the next transaction that writes.
    known = {"vault.sqlite3", "vault.sqlite3-journal", "master.key", "keys.tree"}
    known |= {f"status/{name}.json" for name in (issuer, thumbprint(vault.operator))}
    known |= {f"blobs/{identity_id}/identity.sealed" for identity_id in here}
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if not path.is_dir()}
    folders = {path.name for path in home.iterdir() if path.is_dir()}
    return sorted((files - known) | (folders - {"blobs", "status"}))


class Canaries:
    """Looks for plaintext. What was looked at once and held none is not looked at again.

    Args:
        pieces: each of eight bytes or more.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._by_start: dict[int, list[bytes]] = {}
        for piece in pieces:
            self._by_start.setdefault(int.from_bytes(piece[:_START], "little"), []).append(piece)
        self._starts = np.array(sorted(self._by_start), "<u8")
        self._clean: set[bytes] = set()

    def found(self, root: Path) -> list[str]:
        """Of every file under a folder, that it holds something in plain."""
        return [
            f"{path.relative_to(root)} holds something in plain"
            for path in root.rglob("*")
            if path.is_file() and not self._is_clean(path.read_bytes())
        ]

    def _is_clean(self, content: bytes) -> bool:
        digest = sha256(content).digest()
        if digest not in self._clean:
            if any(piece in content for piece in self._likely(content)):
                return False
            self._clean.add(digest)
        return True

    def _likely(self, content: bytes) -> Iterable[bytes]:
        """Those of which the first eight bytes are there: tens of thousands are looked for in one go."""
        for shift in range(_START):
            words = np.frombuffer(content, "<u8", max(0, len(content) - shift) // _START, min(shift, len(content)))
            for start in np.unique(words[np.isin(words, self._starts)]).tolist():
                yield from self._by_start[start]
