"""Cameo puts a consenting person into generated scenes, picture and sound, and takes them out again for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cameo.studio import Studio

__all__ = ["Studio", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `import cameo.errors` should not open SQLAlchemy.
    if name == "Studio":
        from cameo.studio import Studio

        return Studio
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
