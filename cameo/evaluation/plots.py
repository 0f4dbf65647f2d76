"""Pictures of an evaluation: who is taken for whom, and what was drawn. Drawn by Agg; no display is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cameo.evaluation.faces import spread_frames
from cameo.evaluation.report import NanoReport
from cameo.evaluation.subjects import Subject, Take
from enroll.identity import Identity

__all__ = ["contact_sheet", "matrices", "stills"]

_STILLS = 4
_DPI = 96
_NO_METADATA = {"Software": None}


def matrices(path: Path, report: NanoReport) -> None:
    """Likeness by face, by speaker and by voice, one above the other; generated, rendered again, no identity given side
    by side. Grey is a take without anybody."""
    conditions = (("generated", report.generated), ("rendered again", report.ceiling), ("no identity", report.floor))
    rows = (
        (f"face, {report.judge}{'' if report.judge_independent else ' (conditioning encoder)'}", "face"),
        (f"speaker, {report.speaker_judge}", "speaker"),
        (f"voice, {report.voice_encoder} (conditioning encoder)", "voice"),
    )
    figure = Figure(figsize=(12, 12), layout="constrained")
    FigureCanvasAgg(figure)
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, (title, kind) in zip(strips, rows, strict=True):
        strip.suptitle(title, fontsize=11)
        grids = [getattr(measures, kind).array() for _, measures in conditions]
        seen = np.concatenate([grid[np.isfinite(grid)].ravel() for grid in grids])
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
        panels = strip.subplots(1, len(conditions), sharey=True)
        for axes, (name, measures), grid in zip(panels, conditions, grids, strict=True):
            axes.set_title(f"{name}: {getattr(measures, kind).rank1} right", fontsize=9)
            axes.set_facecolor("0.8")
            axes.set_xlabel("enrolled")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            if grid.size:
                shown = axes.imshow(grid, vmin=low, vmax=high, cmap="viridis")
        panels[0].set_ylabel("take")
        if any(grid.size for grid in grids):
            strip.colorbar(shown, ax=list(panels), label="cosine", shrink=0.9)
    figure.savefig(path, dpi=_DPI, metadata=_NO_METADATA)


def contact_sheet(path: Path, subjects: Sequence[Subject], takes: Sequence[Take], prompts: Sequence[str]) -> None:
    """A row for each person: the head as enrolled, then four frames of their scene."""
    columns, height = 1 + _STILLS, 1.75 * len(subjects)
    figure = Figure(figsize=(1.5 * columns, height))
    FigureCanvasAgg(figure)
    # Laid out by hand: a solver takes minutes over the rows of fifty people.
    grid = figure.subplots(len(subjects), columns, squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.05 / height, top=1 - 0.3 / height, wspace=0.04, hspace=0.2)
    for row, subject, take, prompt in zip(grid, subjects, takes, prompts, strict=True):
        row[0].set_title(prompt, loc="left", fontsize=8)
        pictures = [subject.identity.crops_of("head")[0].pixels, *spread_frames(take.frames, _STILLS)]
        for axes, picture in zip(row, pictures, strict=False):
            axes.imshow(picture, interpolation="lanczos")
        for axes in row:
            axes.set_axis_off()
    figure.savefig(path, dpi=_DPI, metadata=_NO_METADATA)


def stills(
    path: Path, people: Sequence[Identity], takes: Sequence[Sequence[Take]], names: Sequence[str], at: float = 0.5
) -> None:
    """A row for each person: the head as enrolled, then a frame of each of their takes.

    Args:
        path: of the PNG.
        people: as enrolled.
        takes: of each person, in the order of ``names``.
        names: over the columns.
        at: which frame, as a share of the take.
    """
    columns = 1 + len(names)
    figure = Figure(figsize=(1.5 * columns, 1.5 * len(people) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(people), columns, squeeze=False)
    for row, one, made in zip(grid, people, takes, strict=True):
        pictures = [one.crops_of("head")[0].pixels, *(take.frames[int(at * (len(take.frames) - 1))] for take in made)]
        for axes, picture in zip(row, pictures, strict=True):
            axes.set_axis_off()
            axes.imshow(picture, interpolation="lanczos")
    for axes, name in zip(grid[0], ("enrolled", *names), strict=True):
        axes.set_title(name, fontsize=8)
    figure.savefig(path, dpi=_DPI, metadata=_NO_METADATA)
