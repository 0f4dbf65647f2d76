"""The first frame of a scene: the people in it where they are to stand, as they were enrolled.

For pipelines that go on from a given frame. Drawn anew for each call from what the lease holds; nothing of it is
written anywhere. An enrollment keeps crops of 112 px, so that a large frame is soft: a strength below 1 leaves the
generator room to sharpen it. Pose, clothes and light of the enrollment come along.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageOps

from cameo.conditioning.errors import CastRefused
from cameo.conditioning.routing import Box
from enroll.identity import Identity

__all__ = ["opening_frame"]

_GROUND = (127, 127, 127)

_HEAD_ROOM = (0.5, 0.0)
"""What of a crop is kept where it must be cut to fit: the middle of it, and its top."""


def opening_frame(people: Sequence[tuple[Identity, Box]], height: int, width: int) -> Image.Image:
    """Each one's best body crop, or head crop where there is none, fills their region; grey elsewhere.

    Args:
        people: who is there at the beginning, and where.
        height: of the frame, pixels; ``width`` likewise.

    Raises:
        CastRefused: somebody of whom no picture was kept.
    """
    frame = Image.new("RGB", (width, height), _GROUND)
    for identity, box in people:
        crops = identity.crops_of("body") or identity.crops_of("head")
        if not crops:
            raise CastRefused(f"no picture of @{identity.handle} was kept", hint="enroll with scope face or body")
        best = max(crops, key=lambda crop: crop.quality)
        left, right = round(box.left * width), round(box.right * width)
        top, bottom = round(box.top * height), round(box.bottom * height)
        region = (max(1, right - left), max(1, bottom - top))
        frame.paste(
            ImageOps.fit(Image.fromarray(best.pixels), region, Image.Resampling.LANCZOS, centering=_HEAD_ROOM),
            (left, top),
        )
    return frame
