"""A clip of one person and their consent in, an Identity out.

>>> from enroll import ConsentRecord, enroll
>>> identity = enroll("clip.mp4", consent=ConsentRecord.load("consent.json"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enroll.consent import ConsentRecord
    from enroll.identity import Identity
    from enroll.pipeline import enroll

__all__ = ["ConsentRecord", "Identity", "enroll"]

# torch and dlib take seconds to import; `cameo --help` must not wait for them.
_HOMES = {"ConsentRecord": "enroll.consent", "Identity": "enroll.identity", "enroll": "enroll.pipeline"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
