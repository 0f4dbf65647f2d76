"""The corpus of hostile and hopeless clips: ``python -m tests.enroll.hostile.make_corpus FOLDER`` writes them all."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from enroll.consent import Scope
from tests.enroll.hostile import containers, scenes

__all__ = ["CONTAINERS", "SCENES", "Entry", "main"]


@dataclass(frozen=True)
class Entry:
    """One clip.

    Attributes:
        name: its file's.
        codes: what it may be refused with; ``opens`` when its pictures and sound may be used, ``enrolls`` when it may,
            ``scenes.MUTE`` when it may without a voice.
        make: writes it at a path.
        scope: what the consent covers that it is tried with.
        scene: whether it is a sound film whose content is the matter.
    """

    name: str
    codes: frozenset[str]
    make: Callable[[Path], object]
    scope: tuple[Scope, ...] = ("face", "body", "voice")
    scene: bool = False


CONTAINERS = tuple(Entry(name, frozenset(codes), make) for name, codes, make in containers.rows())
SCENES = tuple(Entry(name, frozenset(codes), make, scene=True) for name, codes, make in scenes.rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (*CONTAINERS, *SCENES):
        if not (folder / entry.name).is_symlink() and not (folder / entry.name).exists():
            entry.make(folder / entry.name)
        print(f"{entry.name}\t{' '.join(sorted(entry.codes))}")


if __name__ == "__main__":
    main()
