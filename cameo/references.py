"""What of the people in a scene is shown to the generator as it is, beside what an adapter tells of them.

For LoRAs and generators that read references. All of it is read from the leases, and nothing from files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cameo.errors import InputRefused

__all__ = ["References"]


@dataclass(frozen=True)
class References:
    """Which, and how firmly.

    Attributes:
        voice: handle of whoever is heard ahead of the scene, at negative time, as ID-LoRAs want it.
        sheets: how clean, up to 1, a sheet of each one's crops stands beside the scene, as in-context LoRAs want it.
        first_frame: how firmly, up to 1, the scene begins with everybody's body or head in their region.
        preroll: seconds made ahead of the scene and cut away, for a reference voice to settle in.

    Raises:
        InputRefused: a strength that is none, or a pre-roll that is negative or longer than five seconds.
    """

    voice: str | None = None
    sheets: float | None = None
    first_frame: float | None = None
    preroll: float = 0.0

    def __post_init__(self) -> None:
        for name, strength in (("reference sheets", self.sheets), ("a first frame", self.first_frame)):
            if strength is not None and not 0 < strength <= 1:
                raise InputRefused(f"{name} of strength {strength:g}", hint="more than 0, and 1 at most")
        if not (math.isfinite(self.preroll) and 0 <= self.preroll <= 5):
            raise InputRefused(f"a pre-roll of {self.preroll:g} s", hint="0 to 5 seconds")

    def __bool__(self) -> bool:
        """Whether anybody is shown."""
        return self.voice is not None or self.in_context

    @property
    def in_context(self) -> bool:
        """Whether pictures are, which takes a pipeline that reads them."""
        return self.sheets is not None or self.first_frame is not None

    def speaker(self, handles: Sequence[str]) -> int | None:
        """Which of the cast is heard ahead of the scene.

        Raises:
            InputRefused: they are not in it.
        """
        if self.voice is None:
            return None
        if self.voice not in handles:
            raise InputRefused(
                f"@{self.voice} is to be heard ahead of the scene, and the prompt does not name them",
                hint=f'name them: @{self.voice} says "hello"',
            )
        return list(handles).index(self.voice)
