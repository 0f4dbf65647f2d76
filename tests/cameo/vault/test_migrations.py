"""The shape of the tables: what the models say, what the revisions make, and what an older vault becomes, are one."""

from __future__ import annotations

import re
from contextlib import closing

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, LargeBinary, Text, create_engine, insert

import cameo.vault
from cameo.errors import StoreDamaged
from cameo.vault import Vault
from cameo.vault.migrations import HEAD
from cameo.vault.schema import VERSION, Base, LedgerRow
from tests.cameo.vault.older import MADE, unpack_format_2
from tests.cameo.vault.raw import change, rows


def differences(url: str) -> list[object]:
    engine = create_engine(re.sub("^postgresql:", "postgresql+psycopg:", url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def url_of(vault: Vault, url: str | None) -> str:
    return url or f"sqlite:///{vault.home / 'vault.sqlite3'}"


def test_models_and_revisions_agree(vault, database_url) -> None:
    """A new vault is made by the revisions, one after the other."""
    assert differences(url_of(vault, database_url)) == []
    assert rows(vault, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert rows(vault, "SELECT version FROM meta") == [(VERSION,)]


def test_a_difference_would_be_seen(vault, database_url) -> None:
    change(vault, "DROP INDEX ix_identities_status")
    change(vault, "ALTER TABLE rules ADD COLUMN more TEXT")
    assert len(differences(url_of(vault, database_url))) == 2


def test_the_head_is_the_last_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "cameo.vault:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@pytest.mark.sqlite
def test_an_older_vault_becomes_one_of_today(tmp_path) -> None:
    unpack_format_2(tmp_path / "home")
    vault = Vault(tmp_path / "home", clock=lambda: MADE)
    assert differences(url_of(vault, None)) == []


@pytest.mark.sqlite
@pytest.mark.parametrize("missing", [[], ["rules", "fingerprints"], ["challenges", "origins", "rules", "fingerprints"]])
def test_a_vault_from_before_there_were_revisions(vault, ada, missing) -> None:
    """Of the last format without them; not every such vault had every table."""
    change(vault, "DROP TABLE alembic_version")
    for table in missing:
        change(vault, f"DROP TABLE {table}")
    head = vault.verify_log() if not missing else None
    again = Vault(vault.home)
    assert differences(url_of(vault, None)) == []
    assert rows(vault, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert head in (None, again.verify_log()), "a tree is not planted twice"
    again.lease("ada").close()


@pytest.mark.parametrize("found", ["9999", "", "0006_x"])
def test_a_vault_of_the_future_is_left_alone(vault, ada, scan, found) -> None:
    change(vault, "UPDATE alembic_version SET version_num = ?", found)
    before = scan.files(vault.home)
    with pytest.raises(StoreDamaged, match=rf"has format {found}, expected at most {VERSION}") as caught:
        Vault(vault.home)
    assert caught.value.hint == "use the Cameo that made it"
    assert scan.files(vault.home) == before


def test_a_step_that_fails_leaves_nothing(tmp_path, store, monkeypatch, database_url) -> None:
    """Killed by an error in the last step: there is no half a vault, and the next opening makes a whole one."""
    monkeypatch.setattr(cameo.vault.store, "unlock", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Vault(tmp_path / "home")
    if database_url is not None:
        with psycopg.connect(database_url) as raw:
            assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    monkeypatch.undo()
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    assert Vault(tmp_path / "home").cast() == ()


def test_every_number_has_64_bits_and_every_secret_is_bytes(vault, database_url) -> None:
    kinds = {type(column.type) for table in Base.metadata.sorted_tables for column in table.columns}
    assert kinds == {BigInteger, LargeBinary, Text}
    if database_url is not None:
        with psycopg.connect(database_url) as raw:
            found = raw.execute(
                "SELECT DISTINCT data_type FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            ).fetchall()
        assert {kind for (kind,) in found} == {"bigint", "bytea", "text"}
    row = {"seq": 2**62, "at": 2**40, "event": "put", "commitment": b"\0\xff", "nodes": b""}
    with vault._database.transaction() as session:
        session.execute(insert(LedgerRow), [row])
    assert rows(vault, "SELECT seq, at, commitment FROM ledger") == [(2**62, 2**40, b"\0\xff")]


def test_opening_does_not_load_alembic(vault) -> None:
    """Most who open a vault have nothing to change, and every command opens one."""
    import subprocess
    import sys

    script = f"import sys; from cameo.vault import Vault; Vault({str(vault.home)!r}); print('alembic' in sys.modules)"
    with closing(subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True).stdout) as out:
        assert out.read() == "False\n"


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("SELECT status_index FROM identities WHERE suspended IS NOT NULL", "ix_identities_suspended"),
        ("SELECT * FROM identities WHERE keep_until <= 5", "ix_identities_keep_until"),
    ],
)
def test_what_is_asked_of_everybody_reads_not_everybody(vault, asked, index) -> None:
    assert index in str(rows(vault, f"EXPLAIN QUERY PLAN {asked}"))
