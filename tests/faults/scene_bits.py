"""One flipped bit anywhere in a scene: is it found by whoever reads its manifest, and by the home that made it?

python -m tests.faults.scene_bits --flips 10000
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import av
import numpy as np

from cameo.marks import Authority, cast_assertion, embed, read
from cameo.scene import write_scene
from tests.memory import memory_folder

__all__ = ["Found", "flip", "make"]


@dataclass(frozen=True)
class Found:
    """Attributes:
    flips: how many bits were flipped, one at a time.
    digest: of those, found by the digest that the home keeps of the whole file.
    manifest: found by C2PA: the state is no longer Trusted.
    unseen: how many were not, by where they lie.
    misled: how often a manifest that was still Trusted said something else, or other pictures or sound came out.
    """

    flips: int
    digest: int
    manifest: int
    unseen: Counter[str]
    misled: int


def make(folder: Path, *, seconds: float = 1.0) -> tuple[Path, Authority]:
    """A signed scene, moving pictures and sound, and who signed it."""
    plain, marked, authority = folder / "plain.mp4", folder / "scene.mp4", Authority.derive(os.urandom(32))
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (1, 16, 16, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    frames = np.concatenate([np.roll(still, step, 2) for step in range(round(12 * seconds))])
    sound = rng.normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)
    write_scene(plain, frames, sound, 12.0, 16_000)
    embed(plain, marked, cast_assertion({"somebody": "a consent"}, model="nano", seed=1), authority, version="1")
    return marked, authority


def flip(scene: Path, authority: Authority, flips: int, chance: random.Random) -> Found:
    """Flip bits at random places, each for itself, and look for them."""
    whole = scene.read_bytes()
    digest, told, seen = sha256(whole).digest(), read(scene, trusted=(authority.root,)), _decoded(scene)
    by_digest = by_manifest = misled = 0
    unseen: Counter[str] = Counter()
    changed_file = scene.with_name("changed.mp4")
    for _ in range(flips):
        place = chance.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        by_digest += sha256(changed).digest() != digest
        changed_file.write_bytes(changed)
        found = read(changed_file, trusted=(authority.root,))
        if found.state != "Trusted":
            by_manifest += 1
            continue
        unseen[_where(whole, place)] += 1
        misled += found != told or _decoded(changed_file) != seen
    return Found(flips, by_digest, by_manifest, unseen, misled)


def _decoded(scene: Path) -> bytes:
    """A digest of all pictures and all sound."""
    digest = sha256()
    with av.open(str(scene)) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray(format="rgb24").tobytes())
    with av.open(str(scene)) as container:
        for frame in container.decode(audio=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.digest()


def _where(whole: bytes, place: int) -> str:
    """The top-level box of the file a byte lies in (ISO/IEC 14496-12)."""
    at = 0
    while at < len(whole):
        size, kind = int.from_bytes(whole[at : at + 4], "big"), whole[at + 4 : at + 8]
        if place < at + size:
            inside = place - at
            padding = kind == b"uuid" and whole[max(0, place - 8) : place + 9].count(0) >= 16
            return "padding of the signature" if padding and inside > 512 else f"box {kind.decode('ascii', 'replace')}"
        at += size
    return "after the last box"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        scene, authority = make(Path(folder))
        found = flip(scene, authority, words.flips, random.Random(words.seed))
        size = scene.stat().st_size
    print(
        f"{found.flips} flips in {size} bytes; found by the digest: {found.digest}, by the manifest: {found.manifest}"
    )
    print(f"not by the manifest: {dict(found.unseen)}; misled: {found.misled}")


if __name__ == "__main__":
    main()
