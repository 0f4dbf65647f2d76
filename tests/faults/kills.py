"""``kill -9`` at random moments: what the vault acknowledged must hold, what it did not must be whole or absent.

    python -m tests.faults.kills --kills 2000
    python -m tests.faults.kills --kills 2000 --database postgresql

A child opens the vault and puts, allows, denies and revokes people as fast as it can; it says so only when the vault
has returned. It is killed a random time into one of its acts. The vault is then opened again, as after any
crash, and everything that was ever acknowledged is asked for. On PostgreSQL, which the command starts, the server is
crashed as well after every tenth kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cameo.errors import Revoked, UnknownHandle
from cameo.vault import Vault
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.memory import memory_folder
from tests.postgres import chosen

__all__ = ["Account", "Counts", "run"]

_LONGEST, _MOST_ACTS = 0.15, 8
_MOST_PEOPLE = 12
_CRASHED_EVERY = 10


@dataclass
class Account:
    """What was acknowledged, of one handle.

    Attributes:
        state: ``here`` or ``revoked``.
        grants: the last answer to each user.
        seed: of the numbers the person is made of.
    """

    state: str
    seed: int
    grants: dict[str, bool] = field(default_factory=dict)


@dataclass
class Counts:
    """What was tried and what went wrong."""

    kills: int = 0
    crashes: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def run(kills: int, folder: Path, *, seed: int = 0, crash: Callable[[], None] | None = None) -> Counts:
    """Kill so often, in one vault, and hold it to account each time.

    Args:
        crash: what the vault's server is crashed with, and started again.
    """
    rng, counts, accounts = random.Random(seed), Counts(), dict[str, Account]()
    home = folder / "home"
    Vault(home)
    for number in range(kills):
        acks, doing = _one(home, number, rng, accounts)
        counts.kills += 1
        if crash is not None and number % _CRASHED_EVERY == 0:
            crash()
            counts.crashes += 1
        for ack in acks:
            counts.acknowledged[ack["did"]] = counts.acknowledged.get(ack["did"], 0) + 1
            _credit(accounts, ack)
        counts.lost += [f"kill {number}: {fault}" for fault in _faults(Vault(home), accounts, doing)]
        if counts.lost:
            break
        # One vault for all of it, but not ever larger: a check costs as much as there are people.
        gone = [handle for handle, account in accounts.items() if account.state == "revoked"]
        for handle in gone[:-_MOST_PEOPLE]:
            del accounts[handle]
    Vault(home).verify_log()
    return counts


def _one(
    home: Path, number: int, rng: random.Random, accounts: dict[str, Account]
) -> tuple[list[dict[str, str]], dict[str, str] | None]:
    """Start a child, kill it; what it acknowledged, and what it was doing."""
    here = [handle for handle, account in accounts.items() if account.state == "here"]
    script = _script(number, rng, here)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(home, script, writing)
    os.close(writing)
    # It says when it has opened the vault and when it begins an act; some time into one of them is its last.
    heard, last = os.read(reading, 1), rng.randrange(1, _MOST_ACTS)
    while heard.count(b'"no"') < last and (more := os.read(reading, 65536)):
        heard += more
    time.sleep(rng.uniform(0, _LONGEST))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 65536):
        heard += more
    os.close(reading)
    lines = [line for line in heard[1:].decode().split("\n") if line.endswith("}")]
    told = [json.loads(line) for line in lines]
    acks = [line for line in told if line["end"] == "yes"]
    begun = [line for line in told if line["end"] == "no"]
    return acks, begun[-1] if len(begun) > len(acks) else None


def _script(number: int, rng: random.Random, here: list[str]) -> list[dict[str, str]]:
    """Acts in the order they will be tried."""
    acts: list[dict[str, str]] = []
    living = list(here)
    for step in range(40):
        did = rng.choice(["put", "allow", "deny", "revoke", "revoke"])
        if not living or (did == "put" and len(living) < _MOST_PEOPLE):
            handle = f"p{number}-{step}"
            acts.append({"did": "put", "who": handle, "seed": str(rng.randrange(2**31))})
            living.append(handle)
        elif did == "revoke":
            acts.append({"did": "revoke", "who": living.pop(rng.randrange(len(living)))})
        else:
            acts.append({"did": did if did != "put" else "allow", "who": rng.choice(living), "user": rng.choice("abc")})
    return acts


def _work(home: Path, script: list[dict[str, str]], writing: int) -> None:
    vault = Vault(home)
    os.write(writing, b".")
    for act in script:
        os.write(writing, json.dumps(act | {"end": "no"}).encode() + b"\n")
        match act["did"]:
            case "put":
                record = ConsentRecord.new(name="Ada", handle=act["who"]).attest(by="x", key=vault.operator)
                vault.put(noise(int(act["seed"]), record), record)
            case "allow":
                vault.allow(act["who"], act["user"])
            case "deny":
                vault.deny(act["who"], act["user"])
            case "revoke":
                vault.revoke(act["who"])
        os.write(writing, json.dumps(act | {"end": "yes"}).encode() + b"\n")
    os._exit(0)


def _credit(accounts: dict[str, Account], ack: dict[str, str]) -> None:
    match ack["did"]:
        case "put":
            accounts[ack["who"]] = Account("here", int(ack["seed"]))
        case "revoke":
            accounts[ack["who"]].state = "revoked"
        case did:
            accounts[ack["who"]].grants[ack["user"]] = did == "allow"


def _faults(vault: Vault, accounts: dict[str, Account], doing: dict[str, str] | None) -> list[str]:
    """What does not hold. What was being done when the child died may have happened or not, but not half."""
    found = []
    for handle, account in list(accounts.items()):
        amid = doing is not None and doing["who"] == handle
        try:
            with vault.lease(handle) as lease:
                vector = lease.identity.embeddings["ge2e-256"].vector.copy()
            if account.state == "revoked":
                found.append(f"@{handle} was revoked and is here")
                continue
        except Revoked:
            if account.state == "here" and not (amid and doing is not None and doing["did"] == "revoke"):
                found.append(f"@{handle} was enrolled and is gone")
            account.state = "revoked"
            entry = vault.show(handle)
            if (vault.home / "blobs" / entry.identity_id).exists():
                found.append(f"@{handle} is revoked and their ciphertext is here")
            continue
        except UnknownHandle:
            found.append(f"@{handle} was enrolled and is unknown")
            continue
        if not np.array_equal(vector, _vector(account.seed)):
            found.append(f"@{handle} is somebody else")
        for user, allowed in account.grants.items():
            open_ = amid and doing is not None and doing.get("user") == user
            if not open_ and vault.may(handle, user).allowed is not allowed:
                found.append(f"@{handle}: the answer to {user} was lost")
    if doing is not None and doing["did"] == "put":
        try:
            vault.lease(doing["who"]).close()
            accounts[doing["who"]] = Account("here", int(doing["seed"]))
        except UnknownHandle:
            pass
    if doing is not None and doing["did"] in ("allow", "deny") and accounts[doing["who"]].state == "here":
        accounts[doing["who"]].grants[doing["user"]] = vault.may(doing["who"], doing["user"]).allowed
    return found


def _vector(seed: int) -> np.ndarray:
    # As ``noise`` draws them: face, body, then voice.
    rng = np.random.default_rng(seed)
    for dim in (128, 96):
        rng.standard_normal((4, dim))
    return rng.standard_normal((4, 256)).astype(np.float32)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    words = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder, chosen(words.database) as server:

        def crash() -> None:
            assert server is not None
            server.stop("immediate")
            server.start()

        counts = run(words.kills, Path(folder), seed=words.seed, crash=crash if server is not None else None)
    done = ", ".join(f"{number} × {did}" for did, number in sorted(counts.acknowledged.items()))
    crashed = f" and {counts.crashes} crashes of the server" if counts.crashes else ""
    print(f"{counts.kills} kills{crashed}; acknowledged: {done}; lost: {len(counts.lost)}")
    print("\n".join(counts.lost[:20]))
    sys.exit(bool(counts.lost))


if __name__ == "__main__":
    main()
