"""Two, three and four people in one scene: who is drawn where, kept to their places and not.

    python -m cameo.evaluation.crowds --groups 6

Everybody stands in a column of the picture, from the left to the right as the prompt names them. In each column the
largest face is compared with everybody in the scene, by a judge that had no part in the conditioning: its likeness to
whom it should be, and how much of the others leaked into it. The same prompts and noise are made twice, with each one's
tokens kept to their column, and seen everywhere. Writes ``crowds.json``, ``crowds.md`` and ``crowds.png``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from cameo.backbones import Backbone
from cameo.conditioning import IdentityAdapter, Presence
from cameo.evaluation.command import make_folder, parser_of, refusing
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge, find_judge
from cameo.evaluation.likeness import Share
from cameo.evaluation.report import cell
from cameo.evaluation.subjects import Subject, enrolled_from, render_reference
from cameo.generation import film, open_backbone
from cameo.script import parse
from cameo.synth.settings import SETTINGS
from cameo.training.shards import HELD_OUT

__all__ = ["SIZES", "Crowd", "Crowds", "columns", "evaluate", "look", "markdown", "prompt_for"]

SIZES = (2, 3, 4)

_SOFTNESS = 0.02
_ENLARGED = 160
"""Pixels a column is made wide before a face is looked for in it: MTCNN sees none below 20."""
_COUNTS = {2: "two", 3: "three", 4: "four"}


class Crowd(BaseModel):
    """Scenes with so many people in them.

    Attributes:
        people: in each scene.
        faces: columns in which a face is found in at least half of the frames.
        right: columns whose face is nearest to whose it should be, of all in the scene.
        mistaken: columns whose face is nearest to another's.
        matrix: mean likeness of the face in column i (row) to the j-th person; None where no face was found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: int
    faces: Share
    right: Share
    mistaken: Share
    matrix: tuple[tuple[float | None, ...], ...]

    @property
    def own(self) -> float | None:
        """Mean likeness of the faces to whose they should be. ``others`` to everybody else in their scene."""
        return _mean([row[i] for i, row in enumerate(self.matrix)])

    @property
    def others(self) -> float | None:
        return _mean([value for i, row in enumerate(self.matrix) for j, value in enumerate(row) if i != j])


class Crowds(BaseModel):
    """What was found.

    Attributes:
        model: as asked for. ``version`` is what its ``cameo.json`` says, or empty.
        groups: scenes of each size.
        seed: of prompts and noise.
        judge: of faces; ``judge_independent`` is False where the model was conditioned on it.
        routed: each one's tokens kept to their column. ``unrouted``: seen everywhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    version: str
    groups: int
    seed: int
    judge: str
    judge_independent: bool
    routed: tuple[Crowd, ...]
    unrouted: tuple[Crowd, ...]


def columns(people: int) -> tuple[Presence, ...]:
    """Places beside each other, as many as people."""
    return tuple(Presence.at(n / people, 0.0, (n + 1) / people, 1.0, softness=_SOFTNESS) for n in range(people))


def prompt_for(subjects: Sequence[Subject], seed: int) -> str:
    """What is asked of a group; the same ``seed`` asks for the same. Nobody speaks."""
    rng = np.random.default_rng([0xC209, seed, subjects[0].seed])
    place = SETTINGS[str(rng.choice(list(SETTINGS)))].phrases[0]
    named = [f"@{subject.identity.handle}" for subject in subjects]
    return f"{_COUNTS[len(subjects)]} people {place} {' and '.join(named)}"


def evaluate(
    subjects: Sequence[Subject],
    backbone: Backbone,
    *,
    groups: int,
    seed: int = 0,
    judge: Path | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> tuple[Crowds, list[NDArray[np.uint8]]]:
    """Make the scenes and look at them.

    Args:
        subjects: at least ``groups`` + 3 people: each group begins one person later.
        backbone: from ``open_backbone``.
        groups: scenes of each size.
        seed: of prompts and noise.
        judge: a MobileFaceNet as ONNX; see ``find_judge``.
        progress: told what is being done.

    Returns:
        What was found, and for the picture the first scene of each size, (T, H, W, 3), routed and not.
    """
    # open_backbone refuses a model without an adapter.
    judging = find_judge(judge, conditioning=cast("IdentityAdapter", backbone.adapter).config.face_space)
    known = [judging.person(faces_in(spread_frames(subject.frames))) for subject in subjects]
    found: dict[bool, list[Crowd]] = {True: [], False: []}
    shown = []
    for size in SIZES:
        casts = [range(first, first + size) for first in range(groups)]
        for routed in (True, False):
            scenes = []
            for number, cast_ in enumerate(casts):
                progress(f"{size} people, scene {number + 1} of {groups}{'' if routed else ', not kept apart'}")
                scenes.append(_scene(backbone, [subjects[n] for n in cast_], seed, routed=routed))
            looked = [
                look(scene, [known[n] for n in cast_], judging) for scene, cast_ in zip(scenes, casts, strict=True)
            ]
            found[routed].append(_crowd(size, looked))
            shown.append(scenes[0])
    report = Crowds(
        model=backbone.name,
        version=backbone.defaults.version,
        groups=groups,
        seed=seed,
        judge=judging.name,
        judge_independent=judging.independent,
        routed=tuple(found[True]),
        unrouted=tuple(found[False]),
    )
    return report, shown


def look(scene: NDArray[np.uint8], known: Sequence[NDArray[np.float32]], judge: Judge) -> NDArray[np.float64]:
    """Each column of a scene against everybody in it.

    Args:
        scene: RGB uint8, (T, H, W, 3).
        known: each one's vector, from the left to the right.
        judge: of faces.

    Returns:
        (N, N): likeness of the face in column i to person j; a row of NaN where there is none in half of the frames.
    """
    watched = spread_frames(scene)
    width = watched.shape[2]
    rows = []
    for n in range(len(known)):
        column = watched[:, :, round(n * width / len(known)) : round((n + 1) * width / len(known))]
        larger = max(1, round(_ENLARGED / column.shape[2]))
        frames = [cv2.resize(one, None, fx=larger, fy=larger, interpolation=cv2.INTER_CUBIC) for one in column]
        looks = faces_in(np.stack(frames).astype(np.uint8, copy=False))
        seen = judge.person(looks) if 2 * len(looks) >= len(watched) else np.full_like(known[0], np.nan)
        rows.append(np.stack(known).astype(np.float64) @ seen)
    return np.stack(rows)


def markdown(report: Crowds) -> str:
    """As a table and the matrices; ends with a newline."""
    judged = f"{report.judge}{'' if report.judge_independent else ' (conditioning encoder)'}"
    lines = [
        f"{report.model} {report.version}: {report.groups} scenes of each size, seed {report.seed}; faces by {judged}",
        "",
        "| people | kept to their places | faces found | nearest to their own | to another in the scene "
        "| likeness to their own | to the others |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for kept, crowds in (("yes", report.routed), ("no", report.unrouted)):
        for one in crowds:
            figures = f"{one.faces} | {one.right.right} | {one.mistaken.right} | {cell(one.own)} | {cell(one.others)}"
            lines.append(f"| {one.people} | {kept} | {figures} |")
    for kept, crowds in (("kept to their places", report.routed), ("not", report.unrouted)):
        for one in crowds:
            lines += ["", f"{one.people} people, {kept}: face in a column (line) against each person", "", "```"]
            lines += ["  ".join(f"{cell(value):>6}" for value in row) for row in one.matrix]
            lines.append("```")
    return "\n".join(lines) + "\n"


def _scene(backbone: Backbone, subjects: Sequence[Subject], seed: int, *, routed: bool) -> NDArray[np.uint8]:
    script = parse(prompt_for(subjects, seed))
    handles = [subject.identity.handle for subject in subjects]
    return film(
        backbone,
        script,
        [subject.identity for subject in subjects],
        seed=seed * 1000 + subjects[0].seed % 1000,
        seconds=None,
        identity_scale=1.0,
        on_step=lambda done, steps: None,
        presences=dict(zip(handles, columns(len(subjects)), strict=True)) if routed else None,
        routed=routed,
    ).frames


def _crowd(size: int, looked: Sequence[NDArray[np.float64]]) -> Crowd:
    every = np.stack(looked)
    there = np.asarray(np.isfinite(every).all(axis=-1))
    nearest = np.where(there, np.nan_to_num(every, nan=-2.0).argmax(-1), -1)
    right = int((nearest == np.arange(size)).sum())
    mean = [
        [round(float(every[there[:, i], i, j].mean()), 4) if there[:, i].any() else None for j in range(size)]
        for i in range(size)
    ]
    return Crowd(
        people=size,
        faces=Share(right=int(there.sum()), of=there.size),
        right=Share(right=right, of=there.size),
        mistaken=Share(right=int(there.sum()) - right, of=there.size),
        matrix=tuple(tuple(row) for row in mean),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def main() -> None:
    parser = parser_of("crowds", __doc__)
    parser.add_argument("--groups", type=int, default=6, help="scenes of each size, one or more")
    options = parser.parse_args()
    if options.groups < 1:
        parser.error("--groups is 1 or more")
    torch.set_num_threads(options.threads)
    complaints = Console(stderr=True, highlight=False)
    with refusing(complaints):
        make_folder(options.out)
        backbone = open_backbone(options.model)
        complaints.print("[dim]enrolling[/dim]")
        people = options.groups + SIZES[-1] - 1
        report, shown = evaluate(
            [enrolled_from(render_reference(HELD_OUT + number)) for number in range(people)],
            backbone,
            groups=options.groups,
            seed=options.seed,
            judge=options.judge,
            progress=lambda doing: complaints.print(f"[dim]{doing}[/dim]"),
        )
    (options.out / "crowds.json").write_text(report.model_dump_json(indent=1) + "\n")
    (options.out / "crowds.md").write_text(markdown(report))
    middle = [scene[len(scene) // 2] for scene in shown]
    sheet = np.vstack([np.hstack(middle[::2]), np.hstack(middle[1::2])])
    sheet = cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(options.out / "crowds.png"), np.ascontiguousarray(sheet[..., ::-1]))
    print(markdown(report), end="")


if __name__ == "__main__":
    main()
