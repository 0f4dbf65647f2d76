"""Several processes, one vault."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cameo.vault.sqlite as sqlite
from cameo.errors import StoreBusy
from cameo.vault import Vault

ROOT = Path(__file__).parents[3]

OPEN = "import sys; from cameo.vault import Vault; print(Vault(sys.argv[1]).trusted)"

WORK = textwrap.dedent("""
    import sys
    from uuid import uuid4
    import numpy as np
    from cameo.vault import Vault
    from enroll.consent import ConsentRecord
    from enroll.identity import Identity, Speech

    home, name = sys.argv[1:]
    vault = Vault(home)
    for n in range(2):
        consent = ConsentRecord.new(name=name, handle=f"{name}{n}").attest(by="Studio", key=vault.operator)
        speech = Speech(np.full(2000, 0.5, np.float32))
        vault.put(Identity(str(uuid4()), consent.consent_id, f"{name}{n}", {}, (), speech), consent)
        vault.lease(f"{name}{n}").close()
        if n % 2:
            Vault(home).revoke(f"{name}{n}")
""")


def together(script: str, *arguments: list[str]) -> list[str]:
    processes = [
        subprocess.Popen([sys.executable, "-c", script, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for words in arguments
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return outputs


def test_first_opened_by_several_at_once(tmp_path) -> None:
    outputs = together(OPEN, *[[str(tmp_path / "home")]] * 3)
    assert len(set(outputs)) == 1, "everyone got the same operator"
    assert outputs[0].strip() == str(Vault(tmp_path / "home").trusted)


def test_all_at_work_at_once(tmp_path) -> None:
    home = tmp_path / "home"
    together(WORK, [str(home), "a"], [str(home), "b"], [str(home), "c"])
    vault = Vault(home)
    assert [entry.handle for entry in vault.cast()] == ["a0", "b0", "c0"]
    assert vault.verify_log().size == 3 * (2 + 2 + 2)
    assert len(list((home / "blobs").iterdir())) == 3


def test_a_vault_somebody_will_not_let_go_of(tmp_path, monkeypatch) -> None:
    vault = Vault(tmp_path / "home")
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    holder = sqlite3.connect(vault.home / "vault.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="another process is using") as caught:
        Vault(vault.home)
    assert caught.value.exit_status == 6
    holder.execute("ROLLBACK")
    holder.close()
    Vault(vault.home)


def test_a_vault_survives_a_fork(tmp_path) -> None:
    vault = Vault(tmp_path / "home")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if vault.cast() == () else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert vault.cast() == ()
