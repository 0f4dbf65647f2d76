"""How conditioning refuses.

KitError
├─ AdapterMismatch     bad_input   adapter, identity and backbone do not belong together
├─ AdapterUnreadable   bad_input   a folder or file that holds no adapter or LoRA of ours
└─ LoraMismatch        bad_input   a LoRA that does not fit, or would load and do nothing
"""

from __future__ import annotations

from enroll.errors import KitError

__all__ = ["AdapterMismatch", "AdapterUnreadable", "LoraMismatch"]


class AdapterMismatch(KitError):
    """Adapter, identity and backbone do not belong together."""

    code = "bad_input"
    exit_status = 3


class AdapterUnreadable(KitError):
    """A folder or file that holds no weights this version reads."""

    code = "bad_input"
    exit_status = 3


class LoraMismatch(KitError):
    """A LoRA whose weights have no place in this transformer, or that changes nothing."""

    code = "bad_input"
    exit_status = 3
