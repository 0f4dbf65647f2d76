"""A reference sheet: one picture of the person's enrolled crops, for LoRAs that look at references in context.

Drawn anew for each call from what the lease holds; nothing of it is written anywhere.
"""

from __future__ import annotations

from math import ceil

from PIL import Image, ImageOps

from cameo.conditioning.errors import CastRefused
from enroll.identity import Identity

__all__ = ["reference_sheet"]

_MOST = 6
_GROUND = (127, 127, 127)


def reference_sheet(identity: Identity, height: int, width: int) -> Image.Image:
    """The body first, then the best looks at the head, in equal cells on grey, each as large as its cell.

    Args:
        identity: whose crops.
        height: of the sheet, pixels; ``width`` likewise.

    Raises:
        CastRefused: the identity holds no crops.
    """
    best = sorted(identity.crops, key=lambda crop: crop.quality, reverse=True)
    bodies, heads = ([crop for crop in best if crop.kind == kind] for kind in ("body", "head"))
    crops = [*bodies[:1], *heads][:_MOST]
    if not crops:
        raise CastRefused(f"no picture of @{identity.handle} was kept", hint="enroll with scope face or body")
    columns = min(len(crops), max(1, round((len(crops) * width / height) ** 0.5)))
    rows = ceil(len(crops) / columns)
    cell = (width // columns, height // rows)
    sheet = Image.new("RGB", (width, height), _GROUND)
    for number, crop in enumerate(crops):
        picture = ImageOps.pad(Image.fromarray(crop.pixels), cell, Image.Resampling.LANCZOS, color=_GROUND)
        sheet.paste(picture, (number % columns * cell[0], number // columns * cell[1]))
    return sheet
