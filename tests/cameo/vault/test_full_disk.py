"""A full disk while storing: a really full file system, made for the test in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# Argument: kB that stay free beside the vault. Prints the outcome of ``put`` and what it did to the files.
SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from uuid import uuid4

    import numpy as np

    from cameo.errors import StoreFull
    from cameo.vault import Vault
    from enroll.consent import ConsentRecord
    from enroll.identity import Identity, Speech

    home = Path(sys.argv[1]) / "home"
    vault = Vault(home)

    def person(handle, samples):
        consent = ConsentRecord.new(name="Ada", handle=handle).attest(by="Studio North", key=vault.operator)
        speech = Speech(np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32))
        return Identity(str(uuid4()), consent.consent_id, handle, {}, (), speech), consent

    def files():
        return {str(p): p.read_bytes() if p.is_file() else None for p in home.rglob("*")}

    vault.put(*person("ada", 1000))
    before = files()
    outcomes = []
    ballast = Path(sys.argv[1]) / "ballast"
    for free in range(160, -1, -4):
        ballast.write_bytes(b"")
        try:
            with ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:
            pass
        with ballast.open("r+b") as file:
            file.truncate(max(0, ballast.stat().st_size - free * 1024))
        try:
            vault.put(*person("grace", 20_000))
        except StoreFull as error:
            assert error.exit_status == 6 and error.code == "store_full" and error.hint
            outcomes.append("full")
            assert files() == before, "a refused put changed the vault"
        else:
            outcomes.append("stored")
            ballast.unlink()
            vault.revoke("grace")
            Vault(home).verify_log()
            before = files()
    ballast.unlink()
    vault.verify_log()
    vault.lease("ada").close()
    vault.put(*person("grace", 20_000))
    print(outcomes[0], outcomes[-1], "stored" in outcomes, outcomes.count("full"))
""")


def test_nothing_is_stored_and_nothing_is_lost(tmp_path: Path) -> None:
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    inside = f'mount -t tmpfs -o size=1m none "{tmp_path}" && '
    able = shutil.which("unshare") and subprocess.run([*mount, inside + "true"], capture_output=True).returncode == 0
    if not able:
        pytest.skip("absent: no right to mount a small file system here")
    run = subprocess.run(
        [*mount, inside + f'exec "{sys.executable}" -c "$SCRIPT" "{tmp_path}"'],
        env=os.environ | {"SCRIPT": SCRIPT},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    first, last, stored, full = run.stdout.split()
    assert (first, last, stored) == ("stored", "full", "True")
    assert int(full) > 5, "several different steps of a put must have met the full disk"
