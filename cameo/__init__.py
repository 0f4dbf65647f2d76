"""Cameo puts a consenting person into generated scenes, picture and sound, and takes them out again for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cameo.pipeline import CameoLTX2InContextPipeline, CameoLTX2Pipeline
    from cameo.studio import Studio

__all__ = ["CameoLTX2InContextPipeline", "CameoLTX2Pipeline", "Studio", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `import cameo.errors` should open neither SQLAlchemy nor diffusers.
    if name == "Studio":
        from cameo.studio import Studio

        return Studio
    if name in ("CameoLTX2InContextPipeline", "CameoLTX2Pipeline"):
        from cameo import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
