"""``--adapter``, ``--lora`` and the references: what is put on a generator, and what of the people it is shown.

--lora id-lora.safetensors                      at full strength
--lora style.safetensors=0.6
--voice-reference ada --preroll 0.5             her enrolled speech is heard ahead of the scene
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cameo.errors import UsageError
from cameo.script import bare

if TYPE_CHECKING:
    from cameo.backbones import Equipment
    from cameo.references import References

__all__ = ["Adapter", "FirstFrame", "Loras", "Preroll", "Sheets", "VoiceReference", "equipment_of", "references_of"]

_option = partial(typer.Option, rich_help_panel="Generators of your own")

Adapter = Annotated[
    str | None, _option("--adapter", metavar="A", help="Folder or hub id of an identity adapter for the model.")
]
Loras = Annotated[
    list[str] | None,
    _option("--lora", metavar="FILE[=STRENGTH]", help="A LoRA for the model, as safetensors. Repeatable."),
]
VoiceReference = Annotated[
    str | None,
    _option(
        "--voice-reference", metavar="HANDLE", help="Whose enrolled speech is heard ahead of the scene, for ID-LoRAs."
    ),
]
_SHEETS = "How clean, up to 1, a sheet of each one's crops stands beside the scene, for in-context LoRAs."
Sheets = Annotated[float | None, _option("--sheets", metavar="S", help=_SHEETS)]
FirstFrame = Annotated[
    float | None,
    _option("--first-frame", metavar="S", help="How firmly, up to 1, the scene begins with everybody as enrolled."),
]
_PREROLL = "Made ahead of the scene and cut away: half a second for a reference voice to settle."
Preroll = Annotated[float, _option("--preroll", metavar="SECONDS", help=_PREROLL)]


def equipment_of(adapter: str | None, loras: list[str] | None) -> Equipment:
    """Both options together.

    Raises:
        UsageError: a strength that is no number.
    """
    from cameo.backbones import Equipment

    return Equipment(adapter, tuple(_lora(word) for word in loras or ()))


def references_of(voice: str | None, sheets: float | None, first_frame: float | None, preroll: float) -> References:
    """The references together.

    Raises:
        InputRefused: a strength or a pre-roll that cannot be.
    """
    from cameo.references import References

    return References(None if voice is None else bare(voice), sheets, first_frame, preroll)


def _lora(word: str) -> tuple[Path, float]:
    path, equals, strength = word.rpartition("=")
    if not equals:
        return Path(word), 1.0
    try:
        return Path(path), float(strength)
    except ValueError:
        raise UsageError(f"{word[:60]!r} has no strength", hint="FILE, or FILE=0.8") from None
