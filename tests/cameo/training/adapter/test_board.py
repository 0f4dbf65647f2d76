"""Figures of a run, read back by others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cameo.training.adapter.board import Board


def test_figures_are_lines_with_or_without_tensorboard(tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("cameo.training.adapter.board.find_spec", lambda name: None)
    board = Board(tmp_path, 0, said.append)
    board.figures(1, picture=0.5, sound=0.25)
    board.pictures(1, np.zeros((1, 8, 8, 3), np.uint8))
    board.close()
    assert [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()] == [
        {"step": 1, "picture": 0.5, "sound": 0.25}
    ]
    assert len(said) == 1 and "pip install tensorboard" in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["figures.jsonl"]


def test_tensorboard_reads_them_and_forgets_what_a_killed_run_wrote_ahead(tmp_path):
    for begin, end in ((0, 4), (2, 5)):
        board = Board(tmp_path, begin, pytest.fail)
        for step in range(begin, end):
            board.figures(step, likeness=0.1 * step)
        board.close()
    board = Board(tmp_path, 5, pytest.fail)
    board.pictures(5, np.full((2, 8, 8, 3), 200, np.uint8))
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [one.step for one in events.Scalars("likeness")] == [0, 1, 2, 3, 4]
    assert [one.value for one in events.Scalars("likeness")] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert events.Tags()["images"]
