"""A person who is a guest in a second home: sent on, allowed by a signed grant, and gone there when they leave here.

python examples/two_homes.py clip.mp4
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cameo import Studio
from cameo.errors import PermissionDenied
from enroll.signature import thumbprint

WORDS = "five words drawn by lot"


def main(clip: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        north, south = Studio(files / "north"), Studio(files / "south")
        north.enroll(clip, north.attest(north.new_consent(name="Ada", handle="ada"), by="the operator"))

        # What travels is one encrypted, signed file. It is taken in only under a status list that is good now.
        package = north.export("ada", files / "ada.cameo", passphrase=WORDS)
        north.publish_status(files / "status.json")
        home = thumbprint(north.vault.operator)
        south.take(package, passphrase=WORDS, trust=home, status=files / "status.json")

        # The second home allows nobody by itself.
        try:
            south.allow("ada", user="bob")
        except PermissionDenied as refusal:
            print(f"refused: {refusal.message}")

        # The first one signs a grant for it: for bob, two scenes, thirty days.
        north.allow("ada", user="bob")
        audience = thumbprint(south.vault.operator)
        north.issue_grant("ada", files / "grant.json", user="bob", audience=audience, scenes=2)
        south.accept_grant(files / "grant.json")
        print(f"bob may make {south.may('ada', user='bob').scenes_left} scenes in the second home")

        # Who leaves the first home leaves the second when it hears of it.
        north.revoke("ada")
        north.publish_status(files / "status.json")
        south.accept_status(files / "status.json")
        print(f"in the second home: {south.show('ada').status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
