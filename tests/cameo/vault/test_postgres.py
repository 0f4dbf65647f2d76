"""What PostgreSQL adds: several machines, a server that comes and goes, a password. All of it a real server's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Transaction
from sqlalchemy.exc import OperationalError

import cameo.vault.postgres as postgres
from cameo.errors import Revoked, StoreBusy, StoreDamaged, StoreUnreachable, UsageError
from cameo.vault import Vault
from cameo.vault.schema import IdentityRow
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.postgres import PASSWORD, Server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(postgresql, monkeypatch) -> str:
    url = postgresql.new_database()
    monkeypatch.setenv("CAMEO_DATABASE", url)
    return url


@pytest.fixture
def vault(tmp_path, clock, url) -> Vault:
    return Vault(tmp_path / "home", clock=clock)


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def start(script: str, *words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *words],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- at once


LEASE_UNTIL_REVOKED = """
    import sys
    from cameo.errors import Revoked
    from cameo.vault import Vault

    vault, leases = Vault(sys.argv[1]), 0
    print("ready", flush=True)
    try:
        while True:
            vault.lease("ada").close()
            leases += 1
    except Revoked:
        print(leases, vault.may("ada").code)
"""


def test_no_lease_after_a_revocation_is_acknowledged(vault, ada) -> None:
    """Two lease as fast as they can while a third revokes. In the ledger no lease comes after it."""
    others = [start(LEASE_UNTIL_REVOKED, str(vault.home)) for _ in range(2)]
    assert [other.stdout.readline() for other in others] == ["ready\n"] * 2
    time.sleep(0.3)
    certificate = vault.revoke("ada")
    outcomes = [other.communicate(timeout=60)[0].split() for other in others]
    assert all(int(leases) > 0 and code == "cameo_revoked" for leases, code in outcomes)
    with psycopg.connect(os.environ["CAMEO_DATABASE"]) as raw:
        events = [event for (event,) in raw.execute("SELECT event FROM ledger ORDER BY seq").fetchall()]
    assert events == ["put", *["lease"] * sum(int(leases) for leases, _ in outcomes), "revoke", "purged"]
    certificate.check_log(vault.log_key)
    vault.verify_log()


REVOKE = """
    import sys
    from cameo.vault import Vault

    vault = Vault(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for handle in sys.argv[2:]:
        print(vault.revoke(handle).certificate_id)
"""


def test_the_same_people_revoked_by_two_at_once(vault, ada, person) -> None:
    vault.put(*person("grace"))
    script = textwrap.dedent(REVOKE)
    others = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(vault.home), "ada", "grace"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [other.stdout.readline() for other in others] == ["ready\n"] * 2
    for other in others:
        other.stdin.write("\n")
        other.stdin.flush()
    one, two = [other.communicate(timeout=60)[0].split() for other in others]
    assert one == two and len(one) == 2, "each is destroyed once, and both are told of it"
    assert vault.verify_log().size == 2 + 2 * 2


def test_readers_do_not_wait_for_a_writer(vault, ada) -> None:
    with vault._database.transaction():
        assert vault.may("ada").allowed and vault.show("ada").handle == "ada"
        vault.verify_log()


def test_a_reader_sees_one_moment(vault, ada) -> None:
    with vault._database.reading() as session:
        before = session.scalar(text("SELECT count(*) FROM grants"))
        vault.allow("ada", "carol")
        assert session.scalar(text("SELECT count(*) FROM grants")) == before
    with vault._database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM grants")) == before + 1
    with pytest.raises(StoreUnreachable, match="read-only"), vault._database.reading() as session:
        session.execute(text("DELETE FROM grants"))


def test_who_leaves_as_somebody_reads(vault, ada, person) -> None:
    """The key is forgotten amid the reading: what is read is still of one moment, and the next reading of another."""
    vault.put(*person("grace"))
    with vault._reading() as session:
        row = session.get_one(IdentityRow, ada[0].identity_id)
        Vault(vault.home).revoke("ada")
        assert vault._people.entry(session, row, vault._clock()).name == ada[1].name
    assert [entry.handle for entry in vault.cast()] == ["grace"]


CAST_UNTIL_EMPTY = """
    import sys
    from cameo.vault import Vault

    vault, seen = Vault(sys.argv[1]), []
    print("ready", flush=True)
    while not seen or seen[-1]:
        seen.append(len(vault.cast()))
        vault.may("p0")
    print(seen == sorted(seen, reverse=True), len(set(seen)) > 1)
"""


def test_reading_and_leaving_at_once(vault, person) -> None:
    for number in range(8):
        vault.put(*person(f"p{number}"))
    others = [start(CAST_UNTIL_EMPTY, str(vault.home)) for _ in range(2)]
    assert [other.stdout.readline() for other in others] == ["ready\n"] * 2
    for number in range(8):
        vault.revoke(f"p{number}")
    for other in others:
        said, errors = other.communicate(timeout=60)
        assert said == "True True\n", errors


def test_what_is_checked_stays_true_until_the_end(vault, ada) -> None:
    """A second writer waits, and then sees what the first wrote, whatever the server's own isolation is."""
    with psycopg.connect(os.environ["CAMEO_DATABASE"], autocommit=True) as raw:
        raw.execute(f"ALTER DATABASE {raw.info.dbname} SET default_transaction_isolation = 'serializable'")  # type: ignore[arg-type]
    second = Vault(vault.home)
    done: list[object] = []
    with vault._database.transaction() as session:
        thread = threading.Thread(target=lambda: done.append(second.allow("ada", "bob", scenes=2)))
        thread.start()
        time.sleep(0.3)
        assert done == []
        row = session.get_one(IdentityRow, ada[0].identity_id)
        row.suspended = 1
    thread.join(timeout=30)
    assert done and done[0].status == "suspended"


def test_a_vault_somebody_will_not_let_go_of(vault, ada, monkeypatch) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 0.2)
    other = Vault(vault.home)
    with vault._database.transaction(), pytest.raises(StoreBusy, match="busy") as caught:
        other.lease("ada")
    assert (caught.value.exit_status, caught.value.code) == (6, "store_busy")
    other.lease("ada").close()


def test_a_silent_client_is_dropped(vault, ada, monkeypatch) -> None:
    """A machine that stands still amid a transaction lets go; nothing of it is done."""
    monkeypatch.setattr(postgres, "_SILENT_SECONDS", 1)
    with pytest.raises(StoreUnreachable), vault._database.transaction() as session:
        session.get_one(IdentityRow, ada[0].identity_id).suspended = 1
        session.flush()
        time.sleep(1.5)
    assert vault.lease("ada").identity.handle == "ada"


def test_connections_are_not_shared_over_a_fork(vault, ada) -> None:
    assert vault.may("ada").allowed
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(20):
                    vault.lease("ada").close()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    for _ in range(20):
        vault.lease("ada").close()
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert vault.verify_log().size == 1 + 4 * 20


# --- dying


KILLED = """
    import os, signal, sys
    from cameo.vault import Vault
    from cameo.vault.ledger import Ledger

    def append_then_die(*args, **kwargs):
        append(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    vault = Vault(sys.argv[1])
    append, Ledger.append = Ledger.append, append_then_die
    vault.revoke("ada")
"""


def test_killed_amid_a_transaction(vault, ada) -> None:
    before = vault.verify_log()
    child = start(KILLED, str(vault.home))
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    began = time.monotonic()
    vault.lease("ada").close()
    assert time.monotonic() - began < 5, "no lock is left behind"
    assert vault.verify_log().size == before.size + 1


@pytest.fixture
def own_server():
    """One that may be stopped."""
    server = Server()
    yield server
    server.close()


def test_a_server_that_comes_and_goes(own_server, tmp_path, clock, monkeypatch) -> None:
    url = own_server.new_database()
    monkeypatch.setenv("CAMEO_DATABASE", url)
    vault = Vault(tmp_path / "home", clock=clock)
    record = ConsentRecord.new(name="Ada", handle="ada", now=clock()).attest(by="x", key=vault.operator, now=clock())
    vault.put(noise(1, record), record)
    for mode in ("fast", "immediate"):
        own_server.stop(mode)
        for act in (lambda: vault.lease("ada"), lambda: vault.may("ada"), lambda: Vault(vault.home)):
            with pytest.raises(StoreUnreachable, match="does not answer") as caught:
                act()
            assert (caught.value.exit_status, caught.value.code) == (6, "store_unreachable")
            assert "\n" not in caught.value.message and caught.value.hint
        own_server.start()
        vault.lease("ada").close()
    with pytest.raises(StoreUnreachable), vault._database.transaction() as session:
        session.get_one(IdentityRow, vault.show("ada").identity_id).suspended = 1
        session.flush()
        own_server.stop("fast")
    own_server.start()
    assert vault.show("ada").status == "active"
    certificate = vault.revoke("ada")
    own_server.stop("immediate")
    own_server.start()
    with pytest.raises(Revoked):
        vault.lease("ada")
    assert vault.revoke("ada") == certificate
    vault.verify_log()


@pytest.mark.filterwarnings("ignore:transaction already deassociated")  # how SQLAlchemy takes what is done to it here
@pytest.mark.parametrize("came_through", [True, False])
def test_a_put_whose_commit_got_lost_on_the_way(vault, person, monkeypatch, came_through) -> None:
    """Whether the server had it before the answer was lost decides whether the ciphertext stays."""
    identity, consent = person("ada")
    commit, armed = Transaction.commit, [True]

    def lose(self: Transaction) -> None:
        if not armed:
            commit(self)
        elif came_through:
            armed.clear()
            commit(self)
            raise OperationalError("COMMIT", {}, psycopg.OperationalError("the connection is lost"))
        else:
            armed.clear()
            raise OperationalError("COMMIT", {}, psycopg.OperationalError("the connection is lost"))

    monkeypatch.setattr(Transaction, "commit", lose)
    with pytest.raises(StoreUnreachable):
        vault.put(identity, consent)
    blobs = vault.home / "blobs"
    assert [folder.name for folder in blobs.iterdir()] == [identity.identity_id] * came_through
    if came_through:
        vault.lease("ada").close()
    else:
        vault.put(identity, consent)


# --- let in or not


def test_what_is_wrong_with_a_url_is_said_and_no_password_is(postgresql, tmp_path, monkeypatch, url) -> None:
    name = name_of(url)
    secret = "hunter2-and-more"
    for wrong, error, match in [
        (postgresql.url_with(name, secret), StoreUnreachable, "password authentication failed"),
        (postgresql.url_with("nowhere", PASSWORD), StoreUnreachable, '"nowhere" does not exist'),
        (f"postgresql://cameo:{secret}@127.0.0.1:1/{name}", StoreUnreachable, "does not answer"),
        (f"postgresql://cameo:{secret}@no.such.host.invalid/{name}", StoreUnreachable, "does not answer"),
        (f"postgresql://cameo@127.0.0.1:1/{name}?password={secret}", StoreUnreachable, "does not answer"),
        (f"postgresql://cameo:{secret}@127.0.0.1:{secret}/{name}", UsageError, "no URL"),
        (f"mysql://cameo:{secret}@host/{name}", UsageError, "no URL"),
        (f"postgresql://cameo:{secret}@host", UsageError, "no URL"),
        (secret, UsageError, "no URL"),
    ]:
        monkeypatch.setenv("CAMEO_DATABASE", wrong)
        with pytest.raises(error, match=match) as caught:
            Vault(tmp_path / "home")
        said = f"{caught.value} {caught.value.message} {caught.value.hint} {caught.value!r}"
        assert secret not in said and PASSWORD not in said and "\n" not in caught.value.message
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.url_with(name, PASSWORD))
    vault = Vault(tmp_path / "home")
    shown = repr(vault) + repr(vault._database) + (vault.home / "places.json").read_text()
    assert PASSWORD not in shown and f"127.0.0.1:{postgresql.port}/{name}" in shown


def test_a_role_that_may_use_and_not_change(postgresql, url, vault, ada, tmp_path, monkeypatch) -> None:
    """What docs/studio.md grants is enough to work; to bring a vault up it is not, and that is said."""
    name = name_of(url)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("DROP ROLE IF EXISTS farm")
        raw.execute(f"CREATE ROLE farm LOGIN PASSWORD '{PASSWORD}'")  # type: ignore[arg-type]
        raw.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO farm")
        raw.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO farm")
    farm = f"postgresql://farm:{PASSWORD}@127.0.0.1:{postgresql.port}/{name}"
    monkeypatch.setenv("CAMEO_DATABASE", farm)
    worker = Vault(vault.home)
    worker.lease("ada").close()
    worker.allow("ada", "carol")
    worker.revoke("ada")
    worker.verify_log()
    empty = postgresql.new_database()
    monkeypatch.setenv("CAMEO_DATABASE", farm.replace(name, name_of(empty)))
    with pytest.raises(StoreUnreachable, match="permission denied for schema public") as caught:
        Vault(tmp_path / "home")
    assert "docs/studio.md" in caught.value.hint


def test_without_the_driver_it_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        Vault(tmp_path / "home", database="postgresql://host/name")
    assert caught.value.hint == "pip install 'cameo-kit[postgres]'"


# --- two machines


def test_a_second_home_with_the_same_key(vault, ada, tmp_path, clock) -> None:
    """Its own folder, the same master key and key tree, and ciphertexts in the same place."""
    second = tmp_path / "second"
    second.mkdir()
    with pytest.raises(StoreDamaged, match="master key"):
        Vault(second)
    for name in ("master.key", "keys.tree"):
        shutil.copy2(vault.home / name, second / name)
    other = Vault(second, blobs=f"file://{vault.home / 'blobs'}", clock=clock)
    with other.lease("ada") as lease:
        assert lease.identity.handle == "ada"
    other.suspend("ada")
    assert not vault.may("ada").allowed
    vault.resume("ada")
    other.revoke("ada")
    assert vault.may("ada").code == "cameo_revoked" and not any((vault.home / "blobs").iterdir())
    assert vault.operator.thumbprint() == other.operator.thumbprint()


def test_a_home_whose_vault_is_elsewhere_does_not_get_a_new_one(vault, ada, monkeypatch) -> None:
    monkeypatch.delenv("CAMEO_DATABASE")
    with pytest.raises(UsageError, match="has its database at postgresql://") as caught:
        Vault(vault.home)
    assert "places.json" in caught.value.hint and not (vault.home / "vault.sqlite3").exists()
    (vault.home / "places.json").write_text("[")
    with pytest.raises(StoreDamaged, match=r"places\.json cannot be read"):
        Vault(vault.home)


# --- as durable as it says


def test_a_commit_is_durable_whatever_the_server_says(vault, postgresql) -> None:
    """The test's server has synchronous_commit off."""
    with vault._database.reading() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "off"
    with vault._database.transaction() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "on"
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
    with psycopg.connect(os.environ["CAMEO_DATABASE"], autocommit=True) as raw:
        raw.execute(f"ALTER DATABASE {raw.info.dbname} SET synchronous_commit = 'remote_apply'")  # type: ignore[arg-type]
    with Vault(vault.home)._database.transaction() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "remote_apply", "what is stronger stays"


def test_deleted_rows_are_vacuumed(vault, ada, person) -> None:
    for number in range(5):
        vault.put(*person(f"p{number}"))
    for number in range(5):
        vault.revoke(f"p{number}")
    with psycopg.connect(os.environ["CAMEO_DATABASE"], autocommit=True) as raw:
        raw.execute("CREATE EXTENSION pgstattuple")
        for table in ("identities", "consents", "grants", "sketches"):
            (dead,) = raw.execute("SELECT (pgstattuple(%s)).dead_tuple_count", [table]).fetchone()
            assert dead == 0, table


def test_a_damaged_value_is_told_without_it(vault, ada, monkeypatch) -> None:
    """An error of the server may quote values of the row it is about; ours never do."""
    with psycopg.connect(os.environ["CAMEO_DATABASE"], autocommit=True) as raw:
        raw.execute("ALTER TABLE grants ADD CONSTRAINT no CHECK (length(sealed) < 5) NOT VALID")
    with pytest.raises(StoreDamaged, match="violates check constraint") as caught:
        vault.allow("ada", "carol")
    assert "\\x" not in caught.value.message and "Failing row" not in caught.value.message


def test_words_no_text_column_takes(vault, ada) -> None:
    """PostgreSQL's text has no NUL."""
    assert vault.find_scene("\0") is None
    assert [role.status for role in vault.scene_cast(["\0", ada[1].consent_id])] == ["unknown", "in_force"]
    assert vault.revoke("ada", reason="a\0b").reason == "a\\x00b"
