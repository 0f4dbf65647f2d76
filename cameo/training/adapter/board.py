"""What a run shows as it goes on: lines in ``figures.jsonl``, and TensorBoard's event files where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Board"]


class Board:
    """Figures of a run, written by one of its processes.

    Args:
        run: its folder; event files go to ``tensorboard`` in it.
        step: where the run goes on; what was written beyond that, by a run that was killed, does not count.
        say: told once when TensorBoard is not installed.
    """

    def __init__(self, run: Path, step: int, say: Callable[[str], None]) -> None:
        self._lines = run / "figures.jsonl"
        self._events: Any = None
        if find_spec("tensorboard") is None:
            say("TensorBoard is not installed, figures go to figures.jsonl alone: pip install tensorboard")
        else:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(run / "tensorboard"), purge_step=step)

    def figures(self, step: int, **figures: float) -> None:
        """Of one step, by name."""
        with self._lines.open("a") as file:
            file.write(json.dumps({"step": step} | figures) + "\n")
        for name, figure in figures.items():
            if self._events is not None:
                self._events.add_scalar(name, figure, step)

    def pictures(self, step: int, pictures: NDArray[np.uint8]) -> None:
        """(N, H, W, 3), of people who are held out: biometric."""
        if self._events is not None:
            self._events.add_images("held out", pictures, step, dataformats="NHWC")

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
