"""What the subject and the operator look at after an enrollment: one HTML page that holds all it shows.

The page shows the person (crops as they were cut) and is therefore biometric: it is written only where someone asks
for it, readable by its owner alone, and loads nothing from anywhere.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, PackageLoader, Template, select_autoescape

from enroll.consent import ConsentRecord
from enroll.errors import BadInput
from enroll.files import write_atomically
from enroll.identity import Crop, Identity

__all__ = ["render_report", "write_report"]

_YAW, _PITCH = 60.0, 40.0
"""Half the width and height of the chart of head poses, degrees. What lies outside is drawn on its edge."""


def write_report(path: str | Path, identity: Identity, consent: ConsentRecord) -> Path:
    """Write the page, mode 0600.

    Returns:
        Its absolute path.

    Raises:
        BadInput: it cannot be written there.
    """
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        raise BadInput(f"{target} is a folder", hint="name a file in it, such as report.html")
    try:
        write_atomically(target, render_report(identity, consent).encode())
    except OSError as error:
        raise BadInput(f"the report {target} cannot be written: {error.strerror}") from None
    return target


def render_report(identity: Identity, consent: ConsentRecord) -> str:
    """The page as text, about 100 kB."""
    return _template().render(
        identity=identity,
        consent=consent,
        coverage=identity.coverage,
        heads=[_picture(crop) for crop in identity.crops_of("head")],
        bodies=[_picture(crop) for crop in identity.crops_of("body")],
        spaces=[_space(identity, name) for name in identity.embeddings],
        looks=_looks(identity),
        yaw=_YAW,
        pitch=_PITCH,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = PackageLoader("enroll", package_path="")
    return Environment(
        loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")


def _picture(crop: Crop) -> dict[str, Any]:
    done, png = cv2.imencode(".png", cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise BadInput("a crop of this identity cannot be drawn")
    return {
        "src": "data:image/png;base64," + b64encode(png.tobytes()).decode(),
        "says": f"{crop.second:.1f} s, yaw {crop.pose.yaw:+.0f}°, quality {crop.quality:.2f}",
    }


def _space(identity: Identity, name: str) -> dict[str, Any]:
    embedding = identity.embeddings[name]
    return {
        "name": name,
        "modality": embedding.modality,
        "dim": embedding.dim,
        "behind": f"{embedding.seconds:.1f} s" if embedding.seconds is not None else f"{len(embedding.views)} views",
        "quality": embedding.quality,
    }


def _looks(identity: Identity) -> list[dict[str, float]]:
    """Head poses of the face views, at most once each: x and y within the chart, quality 0 to 1."""
    faces = identity.of("face")
    views = max((embedding.views for embedding in faces.values()), key=len, default=())
    return [
        {
            "x": min(max(view.pose.yaw, -_YAW), _YAW),
            "y": -min(max(view.pose.pitch, -_PITCH), _PITCH),
            "quality": view.quality,
        }
        for view in views
    ]
