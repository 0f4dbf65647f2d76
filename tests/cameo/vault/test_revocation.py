"""After a revocation nothing is left: looked for byte by byte, after a kill at the worst moment too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import cameo.vault.arriving as arriving
import cameo.vault.keys as keys_module
from cameo.errors import Revoked, StoreDamaged, UnknownHandle, UsageError
from cameo.vault import Certificate, Vault
from cameo.vault.cipher import Context
from enroll.errors import ConsentExpired
from tests.cameo.vault.raw import change, rows

DIGEST = "a1" * 32

FILES = {
    "sqlite": ["keys.tree", "master.key", "vault.sqlite3"],
    "postgresql": ["keys.tree", "master.key", "places.json"],
}
"""Beside the status list, which holds bits and nobody's name."""

KEYS_ARE_IN = {"sqlite": "vault.sqlite3", "postgresql": "table identities"}


def left(files: dict[str, bytes]) -> list[str]:
    return [name for name in sorted(files) if not name.startswith(("status/", "table "))]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The identity keys made while the test runs, plain and as wrapped, for finding them again."""
    seen: list[bytes] = []
    original_random, original_wrap = arriving.random_key, keys_module.MasterKey.wrap

    def random_key() -> bytes:
        seen.append(original_random())
        return seen[-1]

    def wrap(self: keys_module.MasterKey, key: bytes, context: Context) -> bytes:
        wrapped = original_wrap(self, key, context)
        if context.kind == "key":
            seen.append(wrapped)
        return wrapped

    monkeypatch.setattr(arriving, "random_key", random_key)
    monkeypatch.setattr(keys_module.MasterKey, "wrap", wrap)
    return seen


def make_scene(vault: Vault, identity_id: str, prompt: str) -> None:
    vault.record_scene(
        sha256=DIGEST,
        path="/films/the-secret-garden.mp4",
        identities=[identity_id],
        user="bob",
        prompt=prompt,
        model="nano",
    )


def test_the_scan_finds_what_is_there(tmp_path, person, scan) -> None:
    identity, _ = person()
    needles = scan.fragments(identity)
    assert len(needles) > 200_000
    (tmp_path / "leak").mkdir()
    (tmp_path / "leak" / ".hidden.tmp").write_bytes(
        b"padding" + identity.speech.samples[777:779].tobytes() + b"padding"
    )
    assert scan.found(tmp_path / "leak", needles) == [".hidden.tmp"]


def test_nothing_plain_is_ever_at_rest(vault, person, keys, scan, store) -> None:
    identity, consent = person(grants=("user:bob",))
    vault.put(identity, consent)
    make_scene(vault, identity.identity_id, '@ada says "the garden gate is open at nine"')
    vault.allow("ada", "carol-the-gardener")
    texts = [
        consent.name,
        consent.statement[:40],
        "the garden gate is open",
        "/films/the-secret-garden.mp4",
        "user:bob",
    ]
    texts += ["carol-the-gardener", '"yaw":[-31.25,28.5]']
    secrets = scan.windows(keys[0], *(text.encode() for text in texts))
    assert scan.found(vault.home, scan.fragments(identity), secrets) == []
    # The wrapped key is there now; were it not, its absence later would prove nothing.
    assert scan.found(vault.home, scan.windows(keys[1])) == [KEYS_ARE_IN[store]]


def test_after_revocation_no_byte_is_left(vault, person, keys, scan, store) -> None:
    identity, consent = person(grants=("user:bob",))
    vault.put(identity, consent)
    sealed = scan.files(vault.home)[f"blobs/{identity.identity_id}/identity.sealed"]
    with vault.lease("ada", user="bob"):
        make_scene(vault, identity.identity_id, '@ada says "the garden gate is open at nine"')
    certificate = vault.revoke("ada", reason="enough")

    assert scan.found(vault.home, scan.fragments(identity), scan.windows(sealed, *keys)) == []
    assert left(scan.files(vault.home)) == FILES[store]
    assert certificate.destroyed.model_dump() == {
        "keys": 1,
        "blobs": 1,
        "consent_records": 1,
        "grants": 1,
        "scene_details": 1,
        "ledger_openings": 3,
        "sketches": 2,
    }
    with pytest.raises(Revoked, match="@ada was revoked") as caught:
        vault.lease("ada")
    assert (caught.value.exit_status, caught.value.code) == (4, "cameo_revoked")
    assert vault.cast() == ()
    vault.verify_log()


def test_among_many_people_the_right_one_goes(vault, person, keys, scan, store) -> None:
    """Pages are split and filled by many rows: no copy of a wrapped key stays behind in any of them."""
    people = [person(f"p{n}", seed=n) for n in range(14)]
    for identity, consent in people:
        vault.put(identity, consent)
        vault.allow(consent.handle, "everyone")
    wrapped = keys[1::2]
    for n in range(0, 14, 2):
        vault.revoke(f"p{n}")
        assert scan.found(vault.home, scan.windows(wrapped[n])) == []
        assert scan.found(vault.home, scan.windows(wrapped[n + 1])) == [KEYS_ARE_IN[store]]
    assert [entry.handle for entry in vault.cast()] == sorted(f"p{n}" for n in range(1, 14, 2))
    with vault.lease("p7") as lease:
        assert np.array_equal(scan.fragments(lease.identity), scan.fragments(people[7][0]))
    vault.verify_log()


@pytest.mark.parametrize("where", ["Blobs.remove", "Database.compact"])
def test_killed_after_the_key_is_destroyed(vault, ada, clock, scan, store, where) -> None:
    identity, _ = ada
    make_scene(vault, identity.identity_id, "@ada waits")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(home=str(vault.home), where=where)],
        env=os.environ | {"CAMEO_KEYSTORE": "file"},
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert killed.returncode == 42
    assert rows(vault, "SELECT count(*) FROM identities") == [(0,)]
    assert rows(vault, "SELECT certificate FROM tombstones") == [(None,)]

    # The vault that was open all along refuses, before anybody has tidied up.
    with pytest.raises(Revoked):
        vault.lease("ada")
    assert vault.find_scene(DIGEST).detail is None

    again = Vault(vault.home, clock=clock)
    assert left(scan.files(vault.home)) == FILES[store]
    for table in ("consents", "grants", "scenes WHERE sealed IS NOT NULL"):
        assert rows(vault, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608
    with pytest.raises(Revoked):
        again.lease("ada")
    certificate = again.revoke("ada")
    certificate.verify(again.trusted)
    assert certificate.identity_id == identity.identity_id and certificate.reason == "killed"
    again.verify_log()


KILLED = textwrap.dedent("""
    import os
    from cameo.vault import Vault
    from cameo.vault.blobs import Blobs
    from cameo.vault.database import Database

    vault = Vault({home!r})
    {where} = lambda *_: os._exit(42)
    vault.revoke("ada", reason="killed")
""")


def test_killed_before_the_key_is_destroyed(vault, ada, scan) -> None:
    """Not acknowledged, not done: the person is still whole."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_EARLIER.format(home=str(vault.home))], cwd=Path(__file__).parents[3], timeout=60
    )
    assert killed.returncode == 42
    with vault.lease("ada") as lease:
        assert np.array_equal(scan.fragments(lease.identity), scan.fragments(ada[0]))
    vault.verify_log()


KILLED_EARLIER = textwrap.dedent("""
    import os
    import cameo.vault.leaving as leaving
    import cameo.vault.store as store

    def destroy_then_die(*args, **kwargs):
        destroy_key(*args, **kwargs)
        os._exit(42)

    destroy_key, leaving.destroy_key = leaving.destroy_key, destroy_then_die
    store.Vault({home!r}).revoke("ada")
""")


def test_revoking_twice_gives_the_same_certificate(vault, ada) -> None:
    first = vault.revoke("ada", reason="enough")
    assert vault.revoke("ada", reason="again") == first


def test_nobody_to_revoke(vault) -> None:
    for handle in ("grace", "", "../ada", "ada\n", "\udcff"):
        with pytest.raises(UnknownHandle) as caught:
            vault.revoke(handle)
        assert caught.value.exit_status == 4


def test_a_reason_is_short_and_one_line(vault, ada) -> None:
    with pytest.raises(UsageError, match="at most 200"):
        vault.revoke("ada", reason="x" * 201)
    assert vault.show("ada").status == "active"
    assert vault.revoke("ada", reason="two\nlines \udcff").reason == "two lines \\udcff"


def test_what_is_damaged_can_still_be_revoked(vault, ada) -> None:
    """A person must get out of a vault that can no longer read them."""
    change(vault, "UPDATE identities SET wrapped_key = x'00', sealed_entry = x'00'")
    change(vault, "DELETE FROM consents")
    next(vault.home.rglob("*.sealed")).unlink()
    with pytest.raises(StoreDamaged):
        vault.lease("ada")
    vault.revoke("ada").verify(vault.trusted)
    with pytest.raises(Revoked):
        vault.lease("ada")


def test_a_revoked_handle_may_be_enrolled_anew_with_a_new_consent(vault, ada, person, scan) -> None:
    identity, consent = ada
    vault.revoke("ada")
    with pytest.raises(Revoked, match="was revoked"):
        vault.put(identity, consent)
    with pytest.raises(Revoked):
        vault.lease("ada")

    newcomer, fresh = person("ada", seed=2)
    vault.put(newcomer, fresh)
    with vault.lease("ada") as lease:
        assert lease.identity.identity_id == newcomer.identity_id
    certificate = vault.revoke("ada")
    assert certificate.identity_id == newcomer.identity_id


def test_what_remains_to_be_told(vault, ada) -> None:
    identity, consent = ada
    make_scene(vault, identity.identity_id, "@ada waits")
    vault.revoke("ada")
    entry = vault.show("ada")
    assert (entry.status, entry.name, entry.consent, entry.coverage, entry.grants) == ("revoked", None, None, None, ())
    assert (entry.identity_id, entry.consent_id, entry.uses) == (identity.identity_id, consent.consent_id, 1)
    assert entry.revoked is not None


def test_when_the_consent_ends_nobody_may_and_after_retention_nothing_is_left(
    vault, person, clock, scan, store
) -> None:
    identity, consent = person(valid_days=10, retention_days=5)
    vault.put(identity, consent)
    clock.advance(days=10)
    with pytest.raises(ConsentExpired) as caught:
        vault.lease("ada")
    assert caught.value.exit_status == 4
    assert vault.show("ada").status == "expired"
    clock.advance(days=4)
    assert Vault(vault.home, clock=clock).show("ada").status == "expired"
    clock.advance(days=1)
    assert Vault(vault.home, clock=clock).show("ada").status == "revoked"
    assert left(scan.files(vault.home)) == FILES[store]
    assert vault.revoke("ada").reason == "retention period over"


def test_the_certificate_holds(vault, ada, tmp_path) -> None:
    certificate = vault.revoke("ada", reason="enough")
    path = tmp_path / "certificate.json"
    certificate.save(path)
    Certificate.load(path).verify(vault.trusted)
    assert certificate.ledger == vault.verify_log()
    text = path.read_text()
    assert ada[1].name not in text and not re.search(r"\bada\b", text)  # digests may spell it
