"""How conditioning refuses.

KitError
├─ AdapterMismatch     bad_input   adapter, identity and backbone do not belong together
├─ AdapterUnreadable   bad_input   a folder or file that holds no adapter or LoRA of ours
├─ CastRefused         bad_input   people who cannot be in one scene as was asked
└─ LoraMismatch        bad_input   a LoRA that does not fit, or would load and do nothing
"""

from __future__ import annotations

from enroll.errors import KitError

__all__ = ["AdapterMismatch", "AdapterUnreadable", "CastRefused", "LoraMismatch"]


class AdapterMismatch(KitError):
    """Adapter, identity and backbone do not belong together."""

    code = "bad_input"
    exit_status = 3


class AdapterUnreadable(KitError):
    """A folder or file that holds no weights this version reads."""

    code = "bad_input"
    exit_status = 3


class CastRefused(KitError):
    """Too many people, a region outside the picture, two people in one region, a voice with nothing to say."""

    code = "bad_input"
    exit_status = 3


class LoraMismatch(KitError):
    """A LoRA whose weights have no place in this transformer, or that changes nothing."""

    code = "bad_input"
    exit_status = 3
