"""What is left anywhere of those who revoked: a scan of every byte for their keys, embeddings, names and prompts.

    python -m tests.faults.traces --people 200
    python -m tests.faults.traces --people 200 --database postgresql

Everybody is enrolled, let others use them, has a rule, a scene, a lease and a LoRA of their own; a copy of the vault is
made; then everybody revokes. Looked for in every file there is (the home, the copy, the folder for temporary files, the
server's data with its log) are pieces of what must lie nowhere in plain at any time: keys as bytes, hex and base64,
leaves of the key tree, embeddings, crops, speech, LoRAs, names, handles, prompts. In the home, on SQLite, pieces of all
that was sealed as well, which must be gone, not only closed.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cameo.vault import Vault
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.faults.picture import Canaries
from tests.faults.remains import sealed_rows
from tests.faults.stage import cut, pieces_of
from tests.memory import memory_folder
from tests.postgres import Server, chosen

__all__ = ["Traces", "traces"]

_LORA_BYTES = 8192


@dataclass(frozen=True)
class Traces:
    """
    Attributes:
        plain, sealed: how many pieces were looked for.
        bytes_read: of how many bytes.
        seen_before: whether the sealed ones were found while everybody was here.
        found: files that hold one afterwards.
    """

    plain: int
    sealed: int
    bytes_read: int
    seen_before: bool
    found: tuple[str, ...]


def traces(root: Path, people: int, server: Server | None = None) -> Traces:
    """Enroll and revoke so many people below ``root``, then look for them there and in the server's files."""
    home, copy, temporary = root / "home", root / "copy", root / "tmp"
    temporary.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        vault, plain = Vault(home), list[bytes]()
        for number in range(people):
            plain += _join(vault, number)
        vault.backup(copy)
        sealed = [] if server is not None else _sealed(home)
        seen = bool(Canaries(sealed).found(home))
        for entry in vault.cast():
            vault.revoke(entry.handle)
        vault.status_list().save(root / "list.json")
    finally:
        tempfile.tempdir = before
    everywhere = [root, *([server.folder] if server is not None else [])]
    found = [name for place in everywhere for name in Canaries(plain).found(place)]
    found += [f"home/{name}" for name in Canaries(sealed).found(home)]
    size = sum(path.stat().st_size for place in everywhere for path in place.rglob("*") if path.is_file())
    return Traces(len(plain), len(sealed), size, seen, tuple(found))


def _join(vault: Vault, number: int) -> Iterator[bytes]:
    """Somebody comes and is used; what must lie nowhere in plain."""
    handle, name, prompt = f"p{secrets.token_hex(8)}", f"Ada {secrets.token_hex(8)}", f"@ada and {secrets.token_hex(8)}"
    asked = ConsentRecord.new(name=name, handle=handle, uses=("generate", "personalize"))
    record = asked.attest(by="Studio North", key=vault.operator)
    identity = noise(number, record)
    yield from pieces_of(identity)
    yield from (text.encode() for text in (handle, name, prompt))
    vault.put(identity, record, again=True)
    vault.allow(handle, "carol", scenes=3)
    vault.forbid(handle, "alcohol")
    lora = secrets.token_bytes(_LORA_BYTES)
    yield from cut(lora)
    with vault.lease(handle, purpose="personalize") as lease:
        vault.keep_tuning(lease, "nano", "1", lora)
    fields = {"path": f"{handle}.mp4", "user": "owner", "prompt": prompt, "model": "nano"}
    vault.record_scene(sha256=secrets.token_hex(32), identities=[identity.identity_id], **fields)  # type: ignore[arg-type]
    with vault._reading() as session:
        row = vault._people.alive(session, handle)
        for key in (vault._people.owner(row).key, vault._secrets.tree._leaf(row.status_index)):
            yield from (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"="))


def _sealed(home: Path) -> list[bytes]:
    """Pieces of what is stored of everybody, as it is stored."""
    rows = sealed_rows(home)
    blobs = [path.read_bytes() for path in (home / "blobs").rglob("*") if path.is_file()]
    return [piece for content in (*rows, *blobs) for piece in cut(content)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    words = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder, chosen(words.database) as server:
        found = traces(Path(folder), words.people, server)
    print(
        f"{words.people} people; {found.plain} pieces of plaintext and {found.sealed} of what was sealed looked for in "
        f"{found.bytes_read / 1e6:.1f} MB; in {len(found.found)} files something was found"
    )
    print("\n".join(found.found[:20]))
    sys.exit(bool(found.found) or not (found.seen_before or words.database == "postgresql"))


if __name__ == "__main__":
    main()
