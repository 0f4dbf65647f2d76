"""What it costs to forget a key so that no copy of the vault opens it.

    python -m benchmarks.keytree [--people 1048576] [--left 10000]

So many people, of whom so many have left: how large the key tree is, and how long it takes to forget one more, to open
it, and to unwrap somebody's key, beside unwrapping it by the master key alone in the same run. The tree lies in memory
where there is such a folder.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cameo.vault.cipher import KEY_BYTES, Context, random_key
from cameo.vault.keys import MasterKey
from cameo.vault.keytree import KeyTree
from tests.memory import memory_folder

CONTEXT = Context("somebody", "a consent", "key")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=2**20)
    parser.add_argument("--left", type=int, default=10_000)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        home, master = Path(folder), MasterKey(random_key())
        tree = KeyTree(home, master)
        tree.plant()
        drawn = secrets.SystemRandom().sample(range(words.people), words.left + 101)
        gone, more, here = drawn[: words.left], drawn[words.left : -1], drawn[-1]
        begun = time.perf_counter()
        tree.forget(gone)
        print(f"{words.left} of {words.people} forgotten at once: {time.perf_counter() - begun:.2f} s")
        print(f"the file: {(home / 'keys.tree').stat().st_size / 1e6:.2f} MB\n")
        print("| act | median, ms | 99th percentile, ms |\n|---|---:|---:|")
        left = iter(more)
        row("forget one more", 100, lambda: tree.forget([next(left)]))
        row("open", 50, lambda: KeyTree(home, master).knows(here))
        key = bytes(KEY_BYTES)
        by_tree, by_master = tree.wrap(key, here, CONTEXT), master.wrap(key, CONTEXT)
        slow = row("unwrap", 2000, lambda: tree.unwrap(by_tree, here, CONTEXT))
        fast = row("unwrap by the master key alone", 2000, lambda: master.unwrap(by_master, CONTEXT))
        print(f"\nratio: {slow / fast:.1f}")


def row(name: str, runs: int, act: Callable[[], object]) -> float:
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        act()
        took.append(1000 * (time.perf_counter() - begun))
    print(f"| {name} | {np.median(took):.3f} | {np.percentile(took, 99):.3f} |", flush=True)
    return float(np.median(took))


if __name__ == "__main__":
    main()
