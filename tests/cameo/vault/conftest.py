"""Vaults and people made of noise: what is stored is random, so that finding any of it again means something."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4
from zlib import crc32

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.identity import Coverage, Crop, Embedding, Identity, Speech, View
from tests.cameo.vault.older import back_to_a_chain, without_a_tree
from tests.memory import memory_folder

Enrolled = tuple[Identity, ConsentRecord]
NAME = "Ada Augusta Lovelace"


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how: float) -> None:
        self.now += timedelta(**how)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a folder: a vault forces every change to the disk, and these tests make thousands
    of changes."""
    with TemporaryDirectory(dir=memory_folder() or tmp_path, prefix="cameo-test-") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def keys_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the keyring of whoever runs it."""
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")


@pytest.fixture
def clock() -> Clock:
    return Clock()


BOTH = {
    f"test_{name}.py"
    for name in (
        "backup",
        "concurrency",
        "duplicates",
        "ledger",
        "migrations",
        "permission",
        "proving",
        "revocation",
        "scenes",
        "status",
        "store",
    )
}
"""Whose tests are run on PostgreSQL too, but for those marked ``sqlite``: they look into its file."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("sqlite") or metafunc.definition.path.name not in BOTH
        metafunc.parametrize("store", ["sqlite"] if only else ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the vault of a test has its tables in. On PostgreSQL every home of the test has the same database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CAMEO_DATABASE", raising=False)
        if request.param == "postgresql":
            patch.setenv("CAMEO_DATABASE", request.getfixturevalue("postgresql").new_database())
        yield request.param


@pytest.fixture
def database_url(store: str) -> str | None:
    """Of the vault's database; None where it is a file."""
    return os.environ.get("CAMEO_DATABASE")


@pytest.fixture
def vault(tmp_path: Path, clock: Clock, store: str) -> Vault:
    return Vault(tmp_path / "home", clock=clock)


def noise(seed: int, consent: ConsentRecord) -> Identity:
    """An identity of random vectors, pictures and speech."""
    rng = np.random.default_rng(seed)

    def embedding(space: str, modality: str, dim: int) -> Embedding:
        vectors = rng.standard_normal((4, dim)).astype(np.float32)
        views = tuple(View(vector, float(second), 0.5) for second, vector in enumerate(vectors[1:]))
        return Embedding(space, modality, vectors[0], views, 0.9, 4.2 if modality == "voice" else None)  # type: ignore[arg-type]

    embeddings = [
        embedding("dlib-resnet-128", "face", 128),
        embedding("appearance", "body", 96),
        embedding("ge2e-256", "voice", 256),
    ]
    pictures = rng.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    return Identity(
        identity_id=str(uuid4()),
        consent_id=consent.consent_id,
        handle=consent.handle,
        embeddings={e.space: e for e in embeddings},
        crops=(
            Crop("head", pictures[0], 0.5, 0.9),
            Crop("head", pictures[1], 1.5, 0.8),
            Crop("body", pictures[2], 2.0, 0.7),
        ),
        speech=Speech(rng.uniform(-1, 1, 16_000).astype(np.float32)),
        coverage=Coverage(
            yaw=(-31.25, 28.5), face_px=211.0, face_frames=77, speech_seconds=4.2, advice=("Turn further.",)
        ),
    )


@pytest.fixture
def person(vault: Vault, clock: Clock) -> Callable[..., Enrolled]:
    """``person("ada", seed=1, **what ConsentRecord.new takes)``: an identity and the attested consent it rests on.
    Without a seed, another handle is another person."""

    def make(handle: str = "ada", seed: int | None = None, **fields: object) -> Enrolled:
        request = ConsentRecord.new(**{"name": NAME, "handle": handle, "now": clock()} | fields)  # type: ignore[arg-type]
        consent = request.attest(by="Studio North", key=vault.operator, now=clock())
        return noise(crc32(handle.encode()) if seed is None else seed, consent), consent

    return make


# The tables that changed since, word for word as the Cameo of format 2 made them.
FORMAT_2 = """
    CREATE TABLE meta (
        id INTEGER NOT NULL, version INTEGER NOT NULL, vault_id TEXT NOT NULL, keystore TEXT NOT NULL,
        operator BLOB NOT NULL, head TEXT NOT NULL, PRIMARY KEY (id)
    ) STRICT;
    CREATE TABLE identities (
        identity_id TEXT NOT NULL, consent_id TEXT NOT NULL, handle_tag BLOB NOT NULL, wrapped_key BLOB NOT NULL,
        sealed_entry BLOB NOT NULL, stored INTEGER NOT NULL, keep_until INTEGER NOT NULL,
        PRIMARY KEY (identity_id), UNIQUE (consent_id), UNIQUE (handle_tag)
    ) STRICT;
    CREATE TABLE tombstones (
        identity_id TEXT NOT NULL, consent_id TEXT NOT NULL, handle_tag BLOB NOT NULL, enrolled INTEGER NOT NULL,
        revoked INTEGER NOT NULL, reason TEXT, destroyed TEXT NOT NULL, certificate TEXT,
        PRIMARY KEY (identity_id), UNIQUE (consent_id)
    ) STRICT;
    CREATE INDEX ix_tombstones_handle_tag ON tombstones (handle_tag);
"""


@pytest.fixture
def as_format() -> Callable[[Vault, int], None]:
    """``as_format(vault, 2)`` makes of a vault's database what an older Cameo would have left of the same people."""

    def as_format(vault: Vault, version: int) -> None:
        without_a_tree(vault)
        with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
            kept = {}
            for table in ("meta", "identities", "tombstones"):
                kept[table] = raw.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                raw.execute(f"DROP TABLE {table}")
            raw.executescript(FORMAT_2)
            for table, rows in kept.items():
                # What is new stands behind what was there.
                columns = len(raw.execute(f"PRAGMA table_info({table})").fetchall())
                marks = ",".join("?" * columns)
                raw.executemany(f"INSERT INTO {table} VALUES ({marks})", [row[:columns] for row in rows])  # noqa: S608
            if version == 1:
                raw.execute("DROP TABLE sketches")
        raw.close()
        shutil.rmtree(vault.home / "status", ignore_errors=True)
        back_to_a_chain(vault.home, vault.operator, version)

    return as_format


@pytest.fixture
def ada(vault: Vault, person: Callable[..., Enrolled]) -> Enrolled:
    """Someone who is enrolled, for the owner and for bob."""
    identity, consent = person("ada", grants=("owner", "user:bob"))
    vault.put(identity, consent)
    return identity, consent


Windows = NDArray[np.uint64]


class Scan:
    """Looks for plaintext at rest, byte by byte: any 8 consecutive bytes count, at any offset.

    By chance alone one of 300,000 such windows lies in a file of 300,000 random bytes once in 200 million scans.
    """

    def windows(self, *contents: bytes) -> Windows:
        """Every 8 consecutive bytes of each."""
        views = [
            np.lib.stride_tricks.sliding_window_view(np.frombuffer(c, np.uint8), 8) for c in contents if len(c) > 7
        ]
        return np.concatenate(
            [np.zeros(0, np.uint64), *(np.ascontiguousarray(v).view(np.uint64).ravel() for v in views)]
        )

    def fragments(self, identity: Identity) -> Windows:
        """Of every vector, picture and stretch of speech."""
        arrays = [e.vector for e in identity.embeddings.values()]
        arrays += [view.vector for e in identity.embeddings.values() for view in e.views]
        arrays += [crop.pixels for crop in identity.crops]
        arrays += [identity.speech.samples] if identity.speech else []
        return self.windows(*(np.ascontiguousarray(array).tobytes() for array in arrays))

    def files(self, home: Path) -> dict[str, bytes]:
        """Every file under a folder, by its path, temporary and hidden ones too; and every table on the server."""
        files = {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
        url = os.environ.get("CAMEO_DATABASE")
        return files | (rows_of(url) if url and home.name == "home" else {})

    def found(self, home: Path, *needles: Windows) -> list[str]:
        """Files under ``home`` in which any of the needles lies."""
        wanted = np.concatenate(needles)
        return [name for name, content in self.files(home).items() if np.isin(self.windows(content), wanted).any()]


def rows_of(url: str) -> dict[str, bytes]:
    """Every value of every row of a database, by table, not by way of anything of ours."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            f"table {name}": b"|".join(
                value if isinstance(value, bytes) else str(value).encode()
                for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2')  # type: ignore[arg-type]  # noqa: S608
                for value in row
            )
            for (name,) in names
            if name != "alembic_version"
        }


@pytest.fixture
def scan() -> Scan:
    return Scan()
