"""What tests of the stages share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of clips only the truth is wanted."""

    def nothing(numbers: Sequence[object], height: int, width: int, **_: object) -> NDArray[np.uint8]:
        return np.zeros((len(numbers), height, width, 3), np.uint8)

    monkeypatch.setattr("cameo.synth.clips.render", nothing)
