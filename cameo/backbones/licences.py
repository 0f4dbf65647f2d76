"""What the licence of a generator allows, in a line; for a decision, read the licence itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Licence", "licence_of"]


@dataclass(frozen=True)
class Licence:
    """One licence.

    Attributes:
        name: SPDX identifier, or what its owners call it; empty when nothing is stated.
        says: what it forbids or asks, in a line.
        url: its text; empty when unknown.
    """

    name: str
    says: str
    url: str = ""


_REVENUE = (
    "free below 10 million USD of revenue a year, above that a licence must be bought; "
    "what its Attachment A lists is forbidden; adapters and LoRAs made from it stay under it"
)
_LTX_2 = Licence(
    "LTX-2 Community License (2026-01-05)", _REVENUE, "https://github.com/Lightricks/LTX-2/blob/main/LICENSE-2"
)
_LTX_2_X = Licence(
    "LTX-2.x Community License (2026-08-11)", _REVENUE, "https://github.com/Lightricks/LTX-2/blob/main/LICENSE-2_x"
)
_OF_MODELS = {"Lightricks/LTX-2": _LTX_2, "Lightricks/LTX-2.3": _LTX_2, "Lightricks/LTX-2.5": _LTX_2_X}
_KNOWN = {
    "apache-2.0": Licence(
        "Apache-2.0", "commercial use allowed; keep the notices", "https://www.apache.org/licenses/LICENSE-2.0"
    ),
    "mit": Licence("MIT", "commercial use allowed; keep the notice", "https://opensource.org/license/mit"),
}
_UNKNOWN = "not known here; read it before you use what it makes"


def licence_of(model: str, stated: str = "") -> Licence:
    """The licence of a model.

    Args:
        model: a hub id, ``nano``, or a folder.
        stated: what its card or ``cameo.json`` says.
    """
    if model in _OF_MODELS:
        return _OF_MODELS[model]
    if stated.lower() in _KNOWN:
        return _KNOWN[stated.lower()]
    return Licence(stated, _UNKNOWN)
