"""Enrollment on its own: a clip and a consent in, an Identity out. Nothing is stored.

python examples/read_an_identity.py clip.mp4 consent.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from enroll import ConsentRecord, enroll


def main(clip: Path, consent: Path) -> None:
    identity = enroll(clip, consent=ConsentRecord.load(consent))
    for space, embedding in identity.embeddings.items():
        print(f"{embedding.modality:5}  {space}: {embedding.dim} numbers, quality {embedding.quality:.2f}")
    for line in identity.coverage.advice:
        print(f"next time: {line}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
