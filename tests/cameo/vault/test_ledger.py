"""The ledger: nothing in it can be changed, dropped, put between, or read without the person's key."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import subprocess
import sys
import textwrap
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785

from cameo.errors import CertificateInvalid, Revoked, StoreDamaged, UsageError
from cameo.log.merkle import Growing, leaf_hash
from cameo.vault import Vault
from enroll.fields import spell
from tests.cameo.log import judge
from tests.cameo.vault.raw import change, last_told, rows
from tests.faults.ledger_bits import fill, flip_rows

DIGEST = "a1" * 32


@pytest.fixture
def busy(vault, ada, person):
    """A vault in which something of everything happened: 11 lines."""
    grace, consent = person("grace", seed=2, grants=("owner", "user:bob"))
    vault.put(grace, consent)
    for _ in range(2):
        vault.lease("grace").close()
    vault.allow("ada", "carol")
    vault.deny("grace", "carol")
    ids = [ada[0].identity_id, grace.identity_id]
    vault.record_scene(sha256=DIGEST, path="s.mp4", identities=ids, user="bob", prompt="@ada @grace", model="nano")
    vault.lease("ada").close()
    vault.revoke("ada")
    return vault


def tamper(vault, *statements: str) -> None:
    for statement in statements:
        assert change(vault, statement) > 0


NONE = "00000000-0000-4000-8000-000000000000"
CHANGES = [
    ["UPDATE ledger SET event = 'put' WHERE seq = 4"],
    ["UPDATE ledger SET at = at - 1 WHERE seq = 11"],
    ["UPDATE ledger SET commitment = zeroblob(32) WHERE seq = 3"],
    ["UPDATE ledger SET nodes = zeroblob(32) WHERE seq = 3"],
    ["UPDATE ledger SET opening = NULL WHERE seq = 3"],
    ["UPDATE ledger SET opening = NULL WHERE seq = 11"],
    ["UPDATE ledger SET opening = (SELECT opening FROM ledger WHERE seq = 4) WHERE seq = 3"],
    ["UPDATE ledger SET opening = (SELECT opening FROM ledger WHERE seq = 10) WHERE seq = 11"],
    [f"UPDATE ledger SET identity_id = '{NONE}' WHERE seq = 3"],  # noqa: S608
    ["UPDATE ledger SET identity_id = NULL WHERE seq = 3"],
    ["DELETE FROM ledger WHERE seq = 1"],
    ["DELETE FROM ledger WHERE seq = 5"],
    ["DELETE FROM ledger WHERE seq = 5", "UPDATE ledger SET seq = seq - 1 WHERE seq > 5"],
    ["DELETE FROM ledger WHERE seq = 11"],
    ["DELETE FROM ledger"],
    [f"UPDATE ledger SET seq = {new} WHERE seq = {old}" for old, new in [(3, 99), (4, 3), (99, 4)]],  # noqa: S608
    ["UPDATE ledger SET nodes = CAST(nodes || zeroblob(32) AS BLOB) WHERE seq = 3"],
    ["UPDATE ledger SET nodes = x'' WHERE seq = 11"],
    ["UPDATE meta SET head = head || 'A'"],
    ["UPDATE meta SET head = head || char(10)"],
    ["UPDATE meta SET head = ''"],
]


@pytest.mark.sqlite
def test_every_change_is_noticed(busy) -> None:
    assert busy.verify_log().size == 11
    path = busy.home / "vault.sqlite3"
    whole = path.read_bytes()
    unnoticed = []
    for statements in CHANGES:
        tamper(busy, *statements)
        try:
            busy.verify_log()
            unnoticed.append(statements)
        except StoreDamaged as error:
            assert error.exit_status == 6 and error.hint
        path.write_bytes(whole)
    assert unnoticed == []
    busy.verify_log()


@pytest.mark.sqlite
def test_the_end_cut_off_with_an_older_signature_of_another_vault(busy, tmp_path) -> None:
    other = Vault(tmp_path / "other")
    with sqlite3.connect(other.home / "vault.sqlite3") as raw:
        (head,) = raw.execute("SELECT head FROM meta").fetchone()
    tamper(busy, "DELETE FROM ledger", f"UPDATE meta SET head = '{head}'")  # noqa: S608
    with pytest.raises(StoreDamaged):
        busy.verify_log()


def test_an_empty_ledger_verifies(vault) -> None:
    assert vault.verify_log().size == 0


def lines_of(vault) -> list[tuple]:
    return rows(vault, "SELECT seq, at, event, commitment, nodes, identity_id, opening FROM ledger ORDER BY seq")


def entries_of(vault) -> list[bytes]:
    """The lines by the words of ``line``."""
    return [
        rfc8785.dumps({"seq": seq, "at": at, "event": event, "commitment": commitment.hex()})
        for seq, at, event, commitment, *_ in lines_of(vault)
    ]


def test_the_tree_by_an_independent_judge(busy) -> None:
    entries = entries_of(busy)
    assert busy.verify_log().root == judge.mth(entries).hex()
    ((note, vault_id),) = rows(busy, "SELECT head, vault_id FROM meta")
    origin, size, root = judge.read_note(note.encode(), str(busy.log_key))
    assert (origin, int(size), base64.b64decode(root)) == (f"cameo/ledger/{vault_id}", 11, judge.mth(entries))
    lines = lines_of(busy)
    events = [line[2] for line in lines]
    assert events == ["put", "put", "lease", "lease", "allow", "deny", "scene", "scene", "lease", "revoke", "purged"]
    opening = json.loads(lines[9][6])
    assert opening["detail"].keys() == {"identity_id", "consent_id"}
    salt = base64.b64decode(opening["salt"])
    assert lines[9][3] == sha256(b"cameo/1 event" + salt + rfc8785.dumps(opening["detail"])).digest()
    # With each line, the perfect subtrees that are full with it.
    for seq, *_, nodes, _, _ in lines:
        levels = [level for level in range(5) if seq % (1 << level) == 0]
        assert nodes == b"".join(judge.mth(entries[seq - (1 << level) : seq]) for level in levels)


def test_what_was_forged_whole_is_not_signed_by_the_next_act(busy, person) -> None:
    """A line changed together with all hashes over it: from the rows alone nothing is wrong. The last checkpoint tells,
    and is not replaced."""
    tamper(busy, "UPDATE ledger SET at = at - 86400 WHERE seq = 2")
    tree = Growing()
    for seq, entry in enumerate(entries_of(busy), start=1):
        nodes = b"".join(tree.append(leaf_hash(entry)))
        change(busy, "UPDATE ledger SET nodes = ? WHERE seq = ?", nodes, seq)
    before = lines_of(busy)
    for act in (
        lambda: busy.lease("grace"),
        lambda: busy.allow("grace", "carol"),
        lambda: busy.put(*person("eve", seed=9)),
    ):
        with pytest.raises(StoreDamaged, match="the operator signed") as caught:
            act()
        assert "can" in caught.value.hint
    assert lines_of(busy) == before, "what was refused leaves no line"
    certificate = busy.revoke("grace")
    certificate.verify(busy.trusted)
    assert (certificate.ledger, certificate.logged) == (None, ())
    assert [row[2] for row in lines_of(busy)[11:]] == ["revoke", "purged"]
    with pytest.raises(StoreDamaged, match="line 12"):
        busy.verify_log()
    with pytest.raises(CertificateInvalid, match="no proofs"):
        certificate.check_log(busy.log_key)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger SET nodes = x'00'",
        "DELETE FROM ledger WHERE seq = 11",
        "UPDATE ledger SET seq = 1 << 62 WHERE seq = 11",
        "UPDATE ledger SET seq = 9223372036854775807 WHERE seq = 4",
        "UPDATE ledger SET at = 1 << 62",
        "UPDATE ledger SET opening = x'7b7d'",
        "UPDATE meta SET head = 'nothing'",
    ],
)
def test_whoever_wants_to_leave_can(busy, damage) -> None:
    tamper(busy, damage)
    busy.revoke("grace").verify(busy.trusted)
    with pytest.raises(StoreDamaged):
        busy.verify_log()


def test_an_act_that_fails_leaves_no_line(vault, ada, person) -> None:
    before, head = lines_of(vault), vault.verify_log()
    blobs = vault.home / "blobs"
    blobs.rename(vault.home / "elsewhere")
    blobs.write_bytes(b"in the way")
    with pytest.raises(StoreDamaged):
        vault.put(*person("grace", seed=2))
    blobs.unlink()
    (vault.home / "elsewhere").rename(blobs)
    with pytest.raises(UsageError):
        vault.record_scene(sha256=DIGEST, path="s.mp4", identities=[], user="bob", prompt="@ada", model="nano")
    with pytest.raises(Revoked):
        ids = [ada[0].identity_id, NONE]
        vault.record_scene(sha256=DIGEST, path="s.mp4", identities=ids, user="bob", prompt="@ada", model="nano")
    assert (lines_of(vault), vault.verify_log()) == (before, head)


@pytest.mark.parametrize("act", ["vault.lease('ada')", "vault.allow('ada', 'carol')", "vault.revoke('ada')"])
def test_killed_before_the_commit_leaves_no_line(vault, ada, act) -> None:
    before, head = lines_of(vault), vault.verify_log()
    script = KILLED.format(home=str(vault.home), act=act)
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], timeout=60)
    assert killed.returncode == 42
    assert (lines_of(vault), vault.verify_log()) == (before, head)
    vault.lease("ada").close()
    assert vault.verify_log().size == head.size + 1


KILLED = textwrap.dedent("""
    import os
    from cameo.vault import Vault
    from cameo.vault.ledger import Ledger

    def append_then_die(*args, **kwargs):
        append(*args, **kwargs)
        os._exit(42)

    vault = Vault({home!r})
    append, Ledger.append = Ledger.append, append_then_die
    {act}
""")


def test_a_line_says_what_was_done_and_to_whom(vault, ada, clock) -> None:
    vault.allow("ada", "carol", uses=["generate"], scenes=3)
    assert last_told(vault, "ada") == ("allow", {"principal": "user:carol", "uses": '["generate"]', "scenes": "3"})
    vault.deny("ada", "carol")
    assert last_told(vault, "ada") == ("deny", {"principal": "user:carol"})
    vault.forbid("ada", "alcohol")
    assert last_told(vault, "ada") == ("forbid", {"rule": "alcohol"})
    vault.lift("ada", "alcohol")
    assert last_told(vault, "ada") == ("lift", {"rule": "alcohol"})
    until = (clock() + timedelta(days=2)).replace(microsecond=0)
    vault.allow("ada", "carol", until=until)
    assert last_told(vault, "ada") == ("allow", {"principal": "user:carol", "until": spell(until)})
    vault.suspend("ada", reason="away")
    assert last_told(vault, "ada") == ("suspend", {"reason": "away"})
    vault.resume("ada")
    assert last_told(vault, "ada") == ("resume", {})
    clock.advance(seconds=7)
    vault.lease("ada", "bob").close()
    assert last_told(vault, "ada") == ("lease", {"user": "bob", "purpose": "generate"})
    assert lines_of(vault)[-1][1] == int(clock().timestamp()), "and when"


def test_an_opening_is_spelled_in_one_way(busy) -> None:
    """Those without an owner are under no seal, and hang on the tree by what they open alone."""
    content = lines_of(busy)[10][6]
    for changed in (content + b" ", content.replace(b'": "', b'":  "'), b" " + content, content.replace(b"=", b"==")):
        change(busy, "UPDATE ledger SET opening = ? WHERE seq = 11", changed)
        with pytest.raises(StoreDamaged, match="cannot be read"):
            busy.verify_log()


def test_what_is_told_of_the_dead(busy, ada) -> None:
    """Lines of a revoked person stay, and hold nothing that can be opened or guessed."""
    theirs = rows(busy, "SELECT event, opening FROM ledger WHERE identity_id = ? ORDER BY seq", ada[0].identity_id)
    assert [event for event, _ in theirs] == ["put", "allow", "scene", "lease"]
    assert all(opening is None for _, opening in theirs)
    busy.verify_log()


def test_equal_events_commit_differently(busy) -> None:
    commitments = [row[0] for row in rows(busy, "SELECT commitment FROM ledger WHERE event = 'lease'")]
    assert len(set(commitments)) == 3


def test_flipped_bits_of_the_rows(tmp_path) -> None:
    """300 here; 10,000 by ``python -m tests.faults.ledger_bits``."""
    assert flip_rows(fill(tmp_path / "home", 40), 300, random.Random(0)) == {"found": 300}
