"""The whole way from Python: a consent, a person, a scene, and the end of it.

    python examples/enroll_generate_revoke.py clip.mp4 scene.mp4

The clip shows one person who agreed to this. Try it with somebody who does not exist:

    cameo synth --seed 1 -o clip.mp4
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cameo import Studio
from cameo.errors import Revoked


def main(clip: Path, out: Path, model: str = "nano") -> None:
    with tempfile.TemporaryDirectory() as home:
        studio = Studio(home)  # Studio() keeps people in $CAMEO_HOME

        # A consent says who, what of them, for what, and until when. Here the operator vouches for it.
        request = studio.new_consent(name="Ada", handle="ada", scope=("face", "body", "voice"), valid_days=30)
        consent = studio.attest(request, by="the operator")

        identity = studio.enroll(clip, consent)
        print(f"enrolled: {identity}")

        scene = studio.generate('@ada says "hello" by the sea', out=out, seed=1, model=model)
        print(f"made {scene.path}, {scene.seconds:.1f} s")

        (ada,) = studio.check(scene.path).cast
        print(f"in it: @{ada.handle}, consent {ada.status}")

        certificate = studio.revoke("ada", reason="changed her mind")
        print(f"destroyed: {certificate.destroyed}")

        try:
            studio.generate("@ada again", out=out, model=model)
        except Revoked as refusal:
            print(f"refused: {refusal} ({refusal.code})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
